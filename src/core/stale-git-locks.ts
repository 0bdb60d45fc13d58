/*
 * Scope: locks that a killed git left in a bare repository of terok. Out of scope: locks in a repository of the user.
 * Fail-safe direction: a lock that could belong to a running git stays.
 */
import { lstat, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from './errors.ts';

/** git holds a lock on a ref for milliseconds; one of this age in `ms` belongs to a process that was killed. */
const STALE_LOCK_MS = 60_000;

/** Removes the locks on refs, packed refs and HEAD that are older than a minute. */
export async function removeStaleGitLocks(repository: string, now: number = Date.now()): Promise<void> {
  const named = ['packed-refs.lock', 'HEAD.lock'].map((name) => path.join(repository, name));
  for (const lock of [...(await findLocks(path.join(repository, 'refs'))), ...named]) {
    const found = await ignoreCodes(['ENOENT', 'ENOTDIR'], () => lstat(lock));
    if (found !== undefined && found.mtimeMs < now - STALE_LOCK_MS) await rm(lock, { force: true });
  }
}

async function findLocks(dir: string): Promise<string[]> {
  const entries = (await ignoreCodes(['ENOENT'], () => readdir(dir, { withFileTypes: true, recursive: true }))) ?? [];
  return entries.filter((entry) => entry.isFile() && entry.name.endsWith('.lock')).map((entry) => path.join(entry.parentPath, entry.name));
}
