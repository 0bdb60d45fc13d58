/**
 * Files that are in a bottle before its first process.
 *
 * Scope: writing them into the container's own, still empty and unmounted layer. The image is hostile: its links must lead nowhere.
 * Out of scope: what the files say.
 * Fail-safe direction: a directory of the image that is not a plain directory is not walked through here; `podman cp`, which
 * resolves links below the container's root, takes those files.
 */
import { chmod, lchown, lstat, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type BottleUser, ignoreCodes, type SeedFile, TerokError } from '../../core/index.ts';
import type { ContainerStorage, PodmanHost } from '../oci/index.ts';
import { packSeeds } from './seed-archive.ts';

export const USER_IDS: Readonly<Record<BottleUser, number>> = { root: 0, agent: 1000 };

/** Writes the seeds; on return all are in place. */
export async function writeSeeds(host: PodmanHost, storage: ContainerStorage, seeds: readonly SeedFile[], options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  for (const seed of seeds) assertSeedPath(seed.path);
  const { layers } = storage;
  const later = layers === undefined ? [...seeds] : await writeIntoLayer(host, layers.upper, layers.lower, seeds);
  if (later.length === 0) return;
  await host.call('put files into the new container', ['cp', '--archive=true', '-', `${storage.id}:/`], { ...options, input: await packSeeds(later) });
}

function assertSeedPath(file: string): void {
  const clean = path.posix.isAbsolute(file) && path.posix.normalize(file) === file && file !== '/' && !file.endsWith('/') && !file.includes('\0');
  if (!clean) throw new TerokError('USAGE', `\`${file}\` is not an absolute, normalised path of a file in a bottle.`);
}

interface Directory {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

const NEW_DIRECTORY: Directory = { mode: 0o755, uid: 0, gid: 0 };

/** Returns the seeds that cannot be written this way. */
async function writeIntoLayer(host: PodmanHost, upper: string, lower: readonly string[], seeds: readonly SeedFile[]): Promise<SeedFile[]> {
  const later: SeedFile[] = [];
  const made = new Map<string, boolean>();
  const ids = idsOnHost(host);
  for (const seed of seeds) {
    const owner = ids(USER_IDS[seed.owner]);
    if (owner === undefined || !(await makeParents(upper, lower, path.posix.dirname(seed.path), made, host))) {
      later.push(seed);
      continue;
    }
    const file = path.join(upper, seed.path);
    await writeFile(file, seed.content, { flag: 'wx', mode: 0o600 });
    await lchown(file, owner, owner);
    await chmod(file, seed.mode);
  }
  return later;
}

/** Which host id a container id is on disk; rootless, only root's is ours to give. */
function idsOnHost(host: PodmanHost): (id: number) => number | undefined {
  if (!host.facts.rootless) return (id) => id;
  return (id) => (id === 0 ? host.machine.uid : undefined);
}

async function makeParents(upper: string, lower: readonly string[], dir: string, made: Map<string, boolean>, host: PodmanHost): Promise<boolean> {
  const known = made.get(dir);
  if (known !== undefined) return known;
  if (dir === '/') return true;
  const parentFits = await makeParents(upper, lower, path.posix.dirname(dir), made, host);
  const fits = parentFits && (await makeDirectory(upper, lower, dir, host));
  made.set(dir, fits);
  return fits;
}

async function makeDirectory(upper: string, lower: readonly string[], dir: string, host: PodmanHost): Promise<boolean> {
  const found = await findDirectory(lower, dir);
  if (found === 'other') return false;
  const rootless = host.facts.rootless;
  const like = found ?? { ...NEW_DIRECTORY, uid: host.machine.uid, gid: rootless ? (process.getgid?.() ?? host.machine.uid) : 0 };
  if (rootless && like.uid !== host.machine.uid) return false;
  const target = path.join(upper, dir);
  await mkdir(target);
  await lchown(target, like.uid, like.gid);
  await chmod(target, like.mode);
  return true;
}

/** The directory as the layers below show it; every step is a plain directory of a layer, so no link of the image is followed. */
async function findDirectory(lower: readonly string[], dir: string): Promise<Directory | 'other' | undefined> {
  let layers = lower;
  let found: Directory | 'other' | undefined;
  let relative = '';
  for (const part of dir.split('/').filter((piece) => piece !== '')) {
    relative = path.join(relative, part);
    found = undefined;
    const next: string[] = [];
    for (const layer of layers) {
      const entry = await ignoreCodes(['ENOENT', 'ENOTDIR', 'EACCES'], () => lstat(path.join(layer, relative)));
      if (entry === undefined) continue;
      if (!entry.isDirectory()) {
        found ??= isWhiteout(entry) ? undefined : 'other';
        break;
      }
      found ??= { mode: entry.mode & 0o7777, uid: entry.uid, gid: entry.gid };
      next.push(layer);
    }
    if (found === undefined || found === 'other') return found;
    layers = next;
  }
  return found;
}

/** overlayfs hides a name of the layers below with a character device 0/0. */
function isWhiteout(entry: { isCharacterDevice(): boolean; rdev: number }): boolean {
  return entry.isCharacterDevice() && entry.rdev === 0;
}

/** Is there such a plain file in the image? Undefined where the layers cannot be looked into. */
export async function hasFile(lower: readonly string[], file: string): Promise<boolean | undefined> {
  if (lower.length === 0) return undefined;
  const [dir, name] = [path.posix.dirname(file), path.posix.basename(file)];
  if ((await findDirectory(lower, dir)) === 'other') return undefined;
  for (const layer of lower) {
    const entry = await ignoreCodes(['ENOENT', 'ENOTDIR', 'EACCES'], () => lstat(path.join(layer, dir, name)));
    if (entry !== undefined) return !isWhiteout(entry);
  }
  return false;
}
