import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, resolvePaths } from '../../src/core/index.ts';
import { aptSourcesFor, withoutCredentials } from '../../src/images/apt-sources.ts';
import { makeDisk } from './disks.ts';
import { BUILD_PACKAGES, KRUN_PACKAGES, makeRoot, ROOT_PACKAGES, SUITE } from './root-filesystem.ts';

/** The parts of the lab that do not change with the checkout. */
export interface Lab {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** What every step of the lab is given. */
export interface LabWork {
  /** Hears what takes time */
  readonly onStep: (message: string) => void;
  /** Ends the step; what it made so far is removed */
  readonly signal: AbortSignal;
}

const ROOT_DISK_MIB = 4096;
const ABANDONED_MS = 60 * 60_000;

/** Where everything of the lab is kept. */
export function labCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return env.TEROK_LAB_CACHE_DIR ?? path.join(resolvePaths({ ...env, TEROK_CACHE_DIR: undefined }).cache, 'lab');
}

/** Gives the lab of this checkout; builds it where its inputs have changed. */
export async function buildLab({ onStep, signal }: LabWork): Promise<Lab> {
  const target = path.join(labCacheDir(), `root-${await inputsHash()}`);
  if (!existsSync(target)) {
    onStep('building the root filesystem: Debian, crun, libkrun');
    await buildInto(target, signal);
  }
  return { disk: path.join(target, 'root.img'), kernel: path.join(target, 'vmlinuz'), initrd: path.join(target, 'initrd.img') };
}

/** `recipe` is raised where `root-filesystem.ts` does something else with the same inputs. */
export async function inputsHash(): Promise<string> {
  const dir = path.join(import.meta.dirname, 'image');
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const sources = (await aptSourcesFor(SUITE)).map(withoutCredentials);
  const inputs = { recipe: 2, texts, sources, ROOT_PACKAGES, BUILD_PACKAGES, KRUN_PACKAGES, ROOT_DISK_MIB };
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
}

/** What is complete appears under its name in one step; what a killed build left is removed by a later one. */
async function buildInto(target: string, signal: AbortSignal): Promise<void> {
  const cache = path.dirname(target);
  await mkdir(cache, { recursive: true, mode: 0o700 });
  await removeAbandoned(cache);
  const staging = await mkdtemp(path.join(cache, 'building-'));
  try {
    const root = await makeRoot(staging, signal);
    const done = path.join(staging, 'done');
    await mkdir(done);
    const boot = await readdir(path.join(root, 'boot'));
    for (const [prefix, name] of [
      ['vmlinuz-', 'vmlinuz'],
      ['initrd.img-', 'initrd.img'],
    ] as const)
      await copyFile(path.join(root, 'boot', boot.find((file) => file.startsWith(prefix)) ?? prefix), path.join(done, name));
    await makeDisk({ file: path.join(done, 'root.img'), from: root, mebibytes: ROOT_DISK_MIB, signal });
    await ignoreCodes(['ENOTEMPTY', 'EEXIST'], () => rename(done, target));
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const dir = path.join(cache, name);
    const found = name.startsWith('building-') ? await ignoreCodes(['ENOENT'], () => stat(dir)) : undefined;
    if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(dir, { recursive: true, force: true });
  }
}
