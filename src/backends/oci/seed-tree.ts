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
import { ignoreCodes, type SeedFile, TerokError } from '../../core/index.ts';
import type { PodmanHost } from './podman-host.ts';
import { packSeeds, USER_IDS } from './seed-archive.ts';
import type { ContainerStorage } from './storage-record.ts';

/** Writes the seeds; on return all are in place. */
export async function writeSeeds(
  host: PodmanHost,
  storage: ContainerStorage,
  seeds: readonly SeedFile[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  for (const seed of seeds) assertSeedPath(seed.path);
  const { layers } = storage;
  const later = layers === undefined ? [...seeds] : await writeIntoLayer(host, layers.upper, layers.lower, seeds);
  if (later.length === 0) return;
  await host.call('put files into the new container', ['cp', '--archive=false', '-', `${storage.id}:/`], {
    ...options,
    input: await packSeeds(later),
  });
}

function assertSeedPath(file: string): void {
  const clean =
    path.posix.isAbsolute(file) && path.posix.normalize(file) === file && file !== '/' && !file.endsWith('/') && !file.includes('\0');
  if (!clean) throw new TerokError('USAGE', `\`${file}\` is not an absolute, normalised path of a file in a bottle.`);
}

interface Directory {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

const NEW_DIRECTORY_MODE = 0o755;

/** Returns the seeds that cannot be written this way. */
async function writeIntoLayer(host: PodmanHost, upper: string, lower: readonly string[], seeds: readonly SeedFile[]): Promise<SeedFile[]> {
  const later: SeedFile[] = [];
  const ids = idsOnHost(host);
  // without root's rights even an owner needs the write bit, which `/` of an image often lacks: modes are set last
  const modes = new Map([[upper, (await lstat(upper)).mode & 0o7777]]);
  await chmod(upper, 0o700);
  const tree: Tree = { host, upper, lower, modes, made: new Map() };
  try {
    for (const seed of seeds) {
      const owner = ids(USER_IDS[seed.owner]);
      if (owner === undefined || !(await makeParents(tree, path.posix.dirname(seed.path)))) later.push(seed);
      else await writeSeed(path.join(upper, seed.path), seed, owner);
    }
  } finally {
    for (const [dir, mode] of modes) await chmod(dir, mode);
  }
  return later;
}

interface Tree {
  readonly host: PodmanHost;
  readonly upper: string;
  readonly lower: readonly string[];
  /** Directories that were made or opened up, with the mode that they get in the end */
  readonly modes: Map<string, number>;
  /** Directories of the bottle that were looked at, and whether files can be put there */
  readonly made: Map<string, boolean>;
}

async function writeSeed(file: string, seed: SeedFile, owner: number): Promise<void> {
  await writeFile(file, seed.content, { flag: 'wx', mode: 0o600 });
  if (process.getuid?.() === 0) await lchown(file, owner, owner);
  await chmod(file, seed.mode);
}

/** Which host id a container id is on disk; rootless, only root's (this user) is ours to give. */
function idsOnHost(host: PodmanHost): (id: number) => number | undefined {
  if (!host.facts.rootless) return (id) => id;
  return (id) => (id === 0 ? host.machine.uid : undefined);
}

async function makeParents(tree: Tree, dir: string): Promise<boolean> {
  const known = tree.made.get(dir);
  if (known !== undefined) return known;
  if (dir === '/') return true;
  const fits = (await makeParents(tree, path.posix.dirname(dir))) && (await makeDirectory(tree, dir));
  tree.made.set(dir, fits);
  return fits;
}

async function makeDirectory({ host, upper, lower, modes }: Tree, dir: string): Promise<boolean> {
  const found = await findDirectory(lower, dir);
  const { rootless } = host.facts;
  if (found === 'other' || (rootless && found !== undefined && found.uid !== host.machine.uid)) return false;
  const target = path.join(upper, dir);
  await mkdir(target, { mode: 0o700 });
  if (!rootless && found !== undefined) await lchown(target, found.uid, found.gid);
  modes.set(target, found?.mode ?? NEW_DIRECTORY_MODE);
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
