import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, parseSlug } from '../../core/index.ts';

/** Tasks that have a repository in a gate, sorted. */
export async function taskSlugs(gate: string): Promise<string[]> {
  const names = (await ignoreCodes(['ENOENT'], () => readdir(path.join(gate, 'tasks')))) ?? [];
  return names
    .filter((name) => /^[a-z][a-z0-9-]*\.git$/.test(name))
    .map((name) => parseSlug(name.slice(0, -4)))
    .sort();
}
