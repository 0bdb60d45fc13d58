import { expect, test } from 'vitest';
import { parseEnvironment } from '../../../src/cli/environment-options.ts';

test('a value is given or taken from here, and may hold anything', () => {
  expect(parseEnvironment(['A=1=2', 'B', 'C='], { B: 'multi\nline' })).toEqual({ A: '1=2', B: 'multi\nline', C: '' });
});

test('a variable that is not set here is refused by name', () => {
  expect(() => parseEnvironment(['NOPE'], {})).toThrow(/`NOPE` is not set/);
});

test.each(['=x', '1A=x', 'A-B=x', 'A B'])('%j names no variable', (entry) => {
  expect(() => parseEnvironment([entry], {})).toThrow(/not the name of a variable/);
});
