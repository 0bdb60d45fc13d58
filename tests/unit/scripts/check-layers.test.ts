import { expect, test } from 'vitest';
import { findViolations, readSources } from '../../../scripts/check-layers.mjs';

const PLANTED = [
  { file: 'src/core/planted.ts', text: "export { createPodmanHost } from '../backends/oci/index.ts';", rule: 'core-imports-core-alone' },
  { file: 'src/agents/planted.ts', text: "export { Vault } from '../vault/index.ts';", rule: 'layer-agents' },
  { file: 'src/images/planted.ts', text: "export type { Vault } from '../vault/index.ts';", rule: 'layer-images' },
  { file: 'src/cli/planted.ts', text: "export const load = () => import('../vault/index.ts');", rule: 'layer-cli' },
  { file: 'src/tasks/planted.ts', text: "export { loadRoster } from '../agents/load-roster.ts';", rule: 'through-the-index' },
  { file: 'src/vault/planted.ts', text: "export { planted } from './other.ts';", rule: 'no-unresolvable' },
  { file: 'src/backends/fake/planted.ts', text: "export * from '../podman/index.ts';", rule: 'backends-do-not-know-each-other' },
];

test('the layers hold', () => {
  expect(findViolations(readSources())).toEqual([]);
});

test.each(PLANTED)('$rule is broken by $file', ({ file, text, rule }) => {
  const found = findViolations(new Map([...readSources(), [file, `${text}\n`]]));
  expect(found).toEqual([expect.stringMatching(new RegExp(`^${rule}.*: ${file} → `))]);
});

test('a cycle is found', () => {
  const cycle = new Map([
    ['src/vault/one.ts', "import { two } from './two.ts';\nexport const one = two;\n"],
    ['src/vault/two.ts', "import { one } from './one.ts';\nexport const two = one;\n"],
  ]);
  expect(findViolations(cycle)).toEqual([expect.stringContaining('no-cycles: src/vault/')]);
});

test('files that the check cannot read make it fail', () => {
  expect(() => findViolations(new Map([['elsewhere/one.ts', 'export const one = 1;\n']]))).toThrow(/did not read 1 of 1|printed nothing/);
});
