import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadSuite } from '../../../src/redteam/index.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const page = readFileSync(path.join(ROOT, 'docs/security.md'), 'utf8');

/** ``| claim | `file` "words", "words"; `file` "words" |`` → file and the words that it must hold. */
function references(): { readonly file: string; readonly words: readonly string[] }[] {
  const cells = page.split('\n').flatMap((line) => (line.startsWith('| ') ? [line.split('|')[2] ?? ''] : []));
  return cells.flatMap((cell) =>
    [...cell.matchAll(/`(tests\/[^`]+)`((?: ?,? ?"[^"]+")+)/g)].map(([, file = '', list = '']) => ({
      file,
      words: [...list.matchAll(/"([^"]+)"/g)].map(([, words = '']) => words),
    })),
  );
}

describe('docs/security.md', () => {
  it('has a test for every claim', () => {
    const claims = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| claim'));
    expect(claims.length).toBeGreaterThan(20);
    expect(claims.filter((line) => !/\| `tests\//.test(line))).toEqual([]);
  });

  it.each(references())('names tests that exist in $file', ({ file, words }) => {
    expect(existsSync(path.join(ROOT, file))).toBe(true);
    const source = readFileSync(path.join(ROOT, file), 'utf8').replaceAll("\\'", "'");
    expect(words.filter((each) => !source.includes(each))).toEqual([]);
  });

  it('links each row of the egress suite to a claim, and names no other row', async () => {
    const named = page.split('\n').flatMap((line) => (line.startsWith('| ') ? [...(line.split('|')[3] ?? '').matchAll(/[EC]\d+/g)] : []));
    const rows = (await loadSuite('egress')).rows.filter(({ run }) => typeof run === 'function');
    expect([...new Set(named.map(([id]) => id))].sort()).toEqual(rows.map(({ id }) => id).sort());
  });
});
