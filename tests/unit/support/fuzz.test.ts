import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fuzz } from '../../support/fuzz.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'terok-fuzz-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Tried inputs, in order; every one with a zero byte breaks the property while it is broken. */
function run(isBroken: boolean, seen: string[] = []): Promise<void> {
  const property = fc.asyncProperty(fc.string(), fc.constantFrom('\0', 'a\xff'), async (text, end) => {
    seen.push(text + end);
    expect(isBroken && end === '\0').toBe(false);
  });
  return fuzz('example', property, { directory, parameters: { numRuns: 50, seed: 1 } });
}

test('an input that breaks a property is kept as a file, once, and is tried first from then on', async () => {
  await expect(run(true)).rejects.toThrow(/seed: 1[^]*kept as .*example\/[0-9a-f]{12}\.json/);
  const [file = '', ...others] = readdirSync(path.join(directory, 'example'));
  expect(others).toEqual([]);
  expect(JSON.parse(readFileSync(path.join(directory, 'example', file), 'utf8'))).toMatchObject({ seed: 1, input: ['', '\0'] });
  const seen: string[] = [];
  await expect(run(true, seen)).rejects.toThrow();
  expect(seen[0]).toBe('\0');
  expect(readdirSync(path.join(directory, 'example'))).toEqual([file]);
  seen.length = 0;
  await run(false, seen);
  expect(seen[0]).toBe('\0');
  expect(seen).toHaveLength(50);
});
