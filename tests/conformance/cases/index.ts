import type { ConformanceCase } from '../support/case.ts';
import { execCases } from './exec.ts';
import { fileCases } from './files.ts';
import { isolationCases } from './isolation.ts';
import { lifecycleCases } from './lifecycle.ts';
import { networkCases } from './network.ts';
import { streamCases } from './streams.ts';

/** Every case of the suite, in the order of its number. */
export const CASES: readonly ConformanceCase[] = [
  ...execCases,
  ...streamCases,
  ...lifecycleCases,
  ...fileCases,
  ...networkCases,
  ...isolationCases,
].toSorted((one, other) => number(one.id) - number(other.id));

function number(id: string): number {
  return Number.parseInt(id.slice(1), 10);
}
