/**
 * A private mount namespace without the cgroup2 directory of a hybrid host, in which crun works.
 *
 * Scope: making it once, finding it again, making it anew when a reboot or a crash left it unusable. Needs root.
 * Out of scope: any other change of mounts; the host's own namespace is not touched but for one bind mount below the runtime directory.
 * Fail-safe direction: a namespace that is not known to be complete is not used.
 */
import { open, stat, statfs } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { ignoreCodes, makePrivateDir, readStateFile, run, runOrThrow, withLock, writeStateFile } from '../../core/index.ts';
import { HYBRID_CGROUP_MOUNT } from './quirks.ts';

const NSFS_MAGIC = 0x6e736673;

const readySchema = z.strictObject({ inode: z.number() });

/** Returns the file that `nsenter --mount=` takes; makes the namespace where it does not exist yet. */
export async function ensureCgroupNamespace(runtimeDir: string): Promise<string> {
  const dir = path.join(runtimeDir, 'ns');
  const file = path.join(dir, 'mnt');
  if (await isReady(file)) return file;
  await makePrivateDir(dir);
  await withLock(path.join(runtimeDir, 'ns-made'), async () => {
    if (!(await isReady(file))) await makeNamespace(dir, file);
  });
  return file;
}

/** Takes the namespace away again; for tests and `terok doctor --clean`. */
export async function releaseCgroupNamespace(runtimeDir: string): Promise<void> {
  const dir = path.join(runtimeDir, 'ns');
  await unmountAll(path.join(dir, 'mnt'));
  await unmountAll(dir);
}

/** The inode of the namespace is written down after the last step, so a half-made or foreign one is not taken for ready. */
async function isReady(file: string): Promise<boolean> {
  const filesystem = await ignoreCodes(['ENOENT'], () => statfs(file));
  if (filesystem?.type !== NSFS_MAGIC) return false;
  const [{ ino }, ready] = await Promise.all([stat(file), readStateFile(markerOf(file), readySchema)]);
  return ready?.inode === ino;
}

function markerOf(file: string): string {
  return path.join(path.dirname(path.dirname(file)), 'ns-ready.json');
}

async function makeNamespace(dir: string, file: string): Promise<void> {
  await unmountAll(file);
  await unmountAll(dir);
  // a namespace file can only be bound on a private mount, and below one that is not copied into the namespace itself
  await runOrThrow(['mount', '--bind', dir, dir]);
  await runOrThrow(['mount', '--make-private', dir]);
  await (await open(file, 'a', 0o400)).close();
  await unshareMounts(file);
  await writeStateFile(markerOf(file), { inode: (await stat(file)).ino });
}

/**
 * The kernel binds only namespaces that are younger than the current one. Since Linux 6.18 it tells their age by numbers that each
 * processor hands out by itself, so that what is made on one processor can look older than what another one made before.
 */
async function unshareMounts(file: string): Promise<void> {
  const argv = ['unshare', `--mount=${file}`, 'umount', HYBRID_CGROUP_MOUNT];
  for (const processor of cpus().keys()) {
    if ((await run(['taskset', '--cpu-list', String(processor), ...argv])).exitCode === 0) return;
  }
  await runOrThrow(argv);
}

/** Mounts can be stacked by crashed attempts; the bound keeps a mount that cannot go from hanging us. */
async function unmountAll(target: string): Promise<void> {
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const result = await run(['umount', '-l', target]);
    if (result.exitCode !== 0) return;
  }
}
