import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TerminalFilter } from '../../../src/cli/terminal/terminal-filter.ts';

const show = (text: string): string => new TerminalFilter().filter(Buffer.from(text));

test('text, colours and a progress line pass as they are', () => {
  for (const text of ['plain\ttext\r\n', '\u001b[1;31mred\u001b[0m', '\r\u001b[K50 %', 'żółw 修正 👍', '\u001b[38:2:1:2:3mx'])
    expect(show(text)).toBe(text);
});

test.each([
  ['clipboard', 'a\u001b]52;c;ZXZpbA==\u0007b', 'ab'],
  ['title, ended by ST', 'a\u001b]0;owned\u001b\\b', 'ab'],
  ['title, with a C1 start and end', 'a\u009d0;owned\u009cb', 'ab'],
  ['device control', 'a\u001bP+q544e\u001b\\b', 'ab'],
  ['a question that the terminal answers as if typed', 'a\u001b[6nb\u001b[cb', 'abb'],
  ['clear screen and movement to other lines', 'a\u001b[2J\u001b[H\u001b[3Ab', 'ab'],
  ['alternate screen and mouse reports', 'a\u001b[?1049h\u001b[?1000hb', 'ab'],
  ['reset of the terminal', 'a\u001bcb', 'ab'],
  ['character set', 'a\u001b(0b', 'ab'],
  ['bell and DEL', 'a\u0007\u007fb', 'ab'],
  ['a sequence hidden in another', 'a\u001b[\u001b]52;c;x\u0007b', 'ab'],
  ['a title that never ends', 'a\u001b]0;all of this', 'a'],
])('%s is dropped', (_, text, shown) => {
  expect(show(text)).toBe(shown);
});

test('a sequence cut at any byte is judged as a whole', () => {
  const bytes = Buffer.from('x\u001b]52;c;ZXZpbA==\u0007\u001b[31mż\u001b[6n');
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const filter = new TerminalFilter();
    expect(filter.filter(bytes.subarray(0, cut)) + filter.filter(bytes.subarray(cut))).toBe('x\u001b[31mż');
  }
});

test('whatever is printed, an escape that comes through begins a colour or stays in the line', () => {
  const hostile = fc.array(
    fc.constantFrom('\u001b', '[', ']', '\u009b', '\u009d', '\u0007', '\\', '?', '6', 'n', ';', 'm', 'a', 'P', 'J', '\u0090'),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(hostile, (parts) => {
      expect(show(parts.join('')).replace(/\u001b\[[0-9;:]*[mKGCD]/g, '')).not.toMatch(/[\u0000-\u0007\u000b\u000e-\u001f\u007f-\u009f]/);
    }),
    { numRuns: 2000 },
  );
});
