import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseConfig, settingsSchema } from '../../../src/core/config/index.ts';
import { isTerokError, type TerokError } from '../../../src/core/errors.ts';

function failure(text: string): TerokError {
  try {
    parseConfig(text, '/c/config.yml', settingsSchema);
  } catch (error) {
    if (isTerokError(error)) return error;
    throw error;
  }
  throw new Error('the text was accepted');
}

test('an empty file, and one with comments alone, is the empty configuration', () => {
  expect(parseConfig('', 'f', settingsSchema)).toEqual({});
  expect(parseConfig('# nothing yet\n', 'f', settingsSchema)).toEqual({});
});

test('a route gets port 443 when it names none', () => {
  const parsed = parseConfig(
    'egress:\n  routes:\n    - { name: docs, hosts: [docs.example.com], mode: passthrough }\n',
    'f',
    settingsSchema,
  );
  expect(parsed.egress?.routes[0]?.ports).toEqual([443]);
});

test.each([
  ['backendd: podman\n', 1, 1, 'unknown setting `backendd`'],
  ['agent: claude\nlimits:\n  memoryMiB: lots\n', 3, 14, '`limits.memoryMiB`: Invalid input: expected number, received string; got "lots"'],
  ['limits:\n  memory: 4\n', 2, 3, '`limits`: unknown setting `memory`'],
  ['egress:\n  routes:\n    - name: docs\n      hosts: ["*"]\n      mode: inspect\n', 4, 15, 'a host has letters, digits'],
  ['egress:\n  routes:\n    - name: docs\n      mode: inspect\n', 3, 7, '`egress.routes.0.hosts`'],
  ['image:\n  base: { debian: bookworm, rootfs: /x.tar }\n', 2, 9, 'exactly one of'],
  ['- a list\n', 1, 1, 'the file: Invalid input: expected object'],
  ['agent: "unclosed\n', 2, 1, 'not valid YAML'],
  ['agent: a\nagent: b\n', 2, 1, 'not valid YAML'],
])('%j is refused with its place', (text, line, column, rule) => {
  const error = failure(text);
  expect(error.code).toBe('INVALID_CONFIG');
  expect(error.message).toContain(rule);
  expect(error.message).toContain(`line ${line}, column ${column}`);
  expect(error.context).toMatchObject({ file: '/c/config.yml', line, column });
});

test('the value of an environment variable never appears in an error', () => {
  const error = failure('env:\n  TOKEN: [hunter2]\n');
  expect(error.message).toContain('`env.TOKEN`');
  expect(JSON.stringify(error)).not.toContain('hunter2');
});

test('a text that expands through aliases is refused', () => {
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x, x]',
    ...'bcdefg'.split('').map((name, index) => `${name}: &${name} [${Array(10).fill(`*${'abcdefg'[index]}`).join(', ')}]`),
  ];
  expect(failure(bomb.join('\n')).message).toContain('aliases');
});

test('a file above 256 KiB is refused unread', () => {
  expect(failure(`# ${'x'.repeat(256 * 1024)}\n`).message).toContain('256 KiB');
});

test('any text at all is either accepted or refused with INVALID_CONFIG', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseConfig(text, 'f', settingsSchema);
      } catch (error) {
        if (!isTerokError(error) || error.code !== 'INVALID_CONFIG') throw error;
      }
    }),
    { numRuns: 300 },
  );
});
