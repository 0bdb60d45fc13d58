import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SeedFile } from '../../core/index.ts';
import { underRoot } from './bottle-path.ts';

/** Writes the files that a bottle is born with; all belong to the current user, whoever their owner is meant to be. */
export async function writeSeeds(root: string, seeds: readonly SeedFile[]): Promise<void> {
  for (const seed of seeds) {
    const file = underRoot(root, seed.path);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, seed.content, { mode: seed.mode });
  }
}
