/*
 * Scope: the state of a bare repository before git opens it: its configuration is terok's, what a crash left is removed, it has room.
 * Out of scope: what the objects hold. Fail-safe direction: a repository that terok did not make like this is not opened.
 */
import { lstat, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, TerokError } from '../../core/errors.ts';
import { BARE_REPOSITORY_CONFIG, type ObjectFormat } from '../../core/host-git.ts';
import { removeStaleGitLocks } from '../../core/stale-git-locks.ts';
import { LIMITS } from './limits.ts';

/** Longer than any push may take, in `ms` */
const STALE_QUARANTINE_MS = LIMITS.requestMs + 60_000;

export interface RepositoryRoom {
  readonly bytes: number;
  readonly packs: number;
}

/** The format of the repository. Throws STATE_CORRUPT where `config` is not exactly what terok writes. */
export async function assertOwnConfig(repository: string): Promise<ObjectFormat> {
  const config = await readFile(path.join(repository, 'config'), 'utf8').catch(() => undefined);
  for (const format of ['sha1', 'sha256'] as const) if (config === BARE_REPOSITORY_CONFIG[format]) return format;
  throw new TerokError('STATE_CORRUPT', `The gate's repository \`${repository}\` has a configuration that terok did not write.`, {
    context: { repository },
    hint: 'Start the task again; terok restores the file.',
  });
}

/** Removes locks, quarantine directories and files of scans that a killed process left. */
export async function sweepRepository(repository: string, now: number = Date.now()): Promise<void> {
  await removeStaleGitLocks(repository, now);
  await removeOlderIn(path.join(repository, 'objects'), ['tmp_objdir-', 'incoming-'], now);
  await removeOlderIn(path.join(repository, 'terok'), ['scan-', 'summary-'], now);
}

async function removeOlderIn(dir: string, prefixes: readonly string[], now: number): Promise<void> {
  const names = (await ignoreCodes(['ENOENT'], () => readdir(dir))) ?? [];
  const left = names.filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
  for (const name of left) await removeOlder(path.join(dir, name), now - STALE_QUARANTINE_MS);
}

/** What the packs of this repository alone hold; small pushes are kept as packs too, see `receive.unpackLimit`. */
export async function measureRepository(repository: string): Promise<RepositoryRoom> {
  const dir = path.join(repository, 'objects/pack');
  const names = ((await ignoreCodes(['ENOENT'], () => readdir(dir))) ?? []).filter((name) => name.endsWith('.pack'));
  const sizes = await Promise.all(names.map(async (name) => (await ignoreCodes(['ENOENT'], () => lstat(path.join(dir, name))))?.size ?? 0));
  return { bytes: sizes.reduce((sum, size) => sum + size, 0), packs: names.length };
}

async function removeOlder(file: string, before: number): Promise<void> {
  const found = await ignoreCodes(['ENOENT', 'ENOTDIR'], () => lstat(file));
  if (found !== undefined && found.mtimeMs < before) await rm(file, { recursive: true, force: true });
}
