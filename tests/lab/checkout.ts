import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { labCacheDir } from './build-lab.ts';
import { makeDisk } from './disks.ts';

const REPOSITORY = path.resolve(import.meta.dirname, '../..');
/** What of the checkout the lab sees; `dist` is there when it was built. */
const PARTS = ['src', 'tests', 'bench', 'bin', 'docs', 'scripts', 'dist', 'package.json', 'vitest.config.ts', 'tsconfig.json', 'README.md'];
const CHECKOUT_MIB = 256;
const MODULES_MIB = 1536;

/** What runs in the lab, and what it sees in its environment. */
export interface LabJob {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A disk with a copy of the checkout and the command that runs in it. */
export async function makeCheckoutDisk(dir: string, job: LabJob, signal: AbortSignal): Promise<string> {
  const staging = path.join(dir, 'checkout');
  await mkdir(path.join(staging, 'job'), { recursive: true });
  await mkdir(path.join(staging, 'checkout/node_modules'), { recursive: true });
  for (const part of PARTS) {
    if (existsSync(path.join(REPOSITORY, part)))
      await cp(path.join(REPOSITORY, part), path.join(staging, 'checkout', part), { recursive: true });
  }
  await writeFile(path.join(staging, 'job/command'), job.argv.map((word) => `${word}\0`).join(''));
  const lines = Object.entries(job.env).map(([name, value]) => `${name}='${value.replaceAll("'", `'\\''`)}'\n`);
  await writeFile(path.join(staging, 'job/environment'), lines.join(''));
  const file = path.join(dir, 'checkout.img');
  await makeDisk({ file, from: staging, mebibytes: CHECKOUT_MIB, signal });
  await rm(staging, { recursive: true });
  return file;
}

/** A disk with the npm packages that are installed here; made again when they change. */
export async function modulesDisk(signal: AbortSignal): Promise<string> {
  const installed = path.join(REPOSITORY, 'node_modules');
  const lock = await readFile(path.join(installed, '.package-lock.json'));
  const target = path.join(labCacheDir(), `modules-${createHash('sha256').update(lock).digest('hex').slice(0, 16)}.img`);
  if (existsSync(target)) return target;
  const staging = await mkdtemp(path.join(labCacheDir(), 'building-'));
  try {
    const file = path.join(staging, 'modules.img');
    await makeDisk({ file, from: installed, mebibytes: MODULES_MIB, signal });
    await rename(file, target);
    return target;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}
