import { expect, it } from 'vitest';
import { patient } from '../../../src/core/index.ts';

it.each([
  [undefined, 1_000],
  ['10', 10_000],
  ['1.5', 1_500],
  ['0.1', 1_000],
  ['-3', 1_000],
  ['soon', 1_000],
  ['1e9', 30_000],
])('a deadline of one second with TEROK_PATIENCE=%s is %i ms', (factor, expected) => {
  expect(patient(1_000, factor === undefined ? {} : { TEROK_PATIENCE: factor })).toBe(expected);
});
