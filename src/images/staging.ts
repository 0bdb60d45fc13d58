import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { identifyProcess, ignoreCodes, makePrivateDir, run, systemCodeOf, type TerokPaths } from '../core/index.ts';

/** Runs `work` with an empty directory that is gone afterwards; first removes what killed builders left. */
export async function withStaging<T>(paths: TerokPaths, work: (dir: string) => Promise<T>): Promise<T> {
  const parent = await makePrivateDir(path.join(paths.cache, 'staging'));
  await removeAbandoned(parent);
  const self = identifyProcess(process.pid);
  const dir = path.join(parent, `${process.pid}.${self?.startTime ?? 0}.${randomBytes(4).toString('hex')}`);
  await mkdir(dir, { mode: 0o700 });
  try {
    return await work(dir);
  } finally {
    await removeTree(dir);
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  const names = (await ignoreCodes(['ENOENT'], () => readdir(parent))) ?? [];
  const abandoned = names.filter((name) => {
    const [pid, startTime] = name.split('.');
    return identifyProcess(Number(pid))?.startTime !== startTime;
  });
  await Promise.all(abandoned.map((name) => removeTree(path.join(parent, name))));
}

/** A user namespace's files belong to subordinate ids, which only that namespace can remove. */
async function removeTree(dir: string): Promise<void> {
  try {
    // A program that outlived its killed builder may still write there; it ends when its files are gone.
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes(systemCodeOf(error) ?? '')) throw error;
    await run(['unshare', '--map-root-user', '--map-auto', 'rm', '-rf', '--', dir]);
  }
}
