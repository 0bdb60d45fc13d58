import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../core/index.ts';
import type { RedBottle } from '../bench/index.ts';

/** The decisions of a bottle's gateway in order; a line that is still being written is left out. */
export async function readAudit(bottle: RedBottle): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const text = await ignoreCodes(['ENOENT'], () => readFile(path.join(bottle.stateDirectory, 'audit.jsonl'), 'utf8'));
  const lines = (text ?? '').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
