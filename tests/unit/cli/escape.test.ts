import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeLines, escapeText } from '../../../src/cli/escape.ts';

test.each([
  ['\u001b]52;c;ZXZpbA==\u0007', '\\u{1b}]52;c;ZXZpbA==\\u{7}'],
  ['\u009b2J', '\\u{9b}2J'],
  ['safe\r\nerror: forged', 'safe\\r\\nerror: forged'],
  ['a\u202eb', 'a\\u{202e}b'],
  ['zero\u200bwidth', 'zero\\u{200b}width'],
  ['\ud800', '\\u{d800}'],
])('%j is shown as %j', (text, shown) => {
  expect(escapeText(text)).toBe(shown);
});

test('ordinary text in any script stays as it is', () => {
  for (const text of ['feature/żółw', '修正', 'ok 👍', 'a  b']) expect(escapeText(text)).toBe(text);
});

test('nothing that a terminal acts on gets through', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(escapeText(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(escapeLines(text).replace(/[\n\t]/g, '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
});
