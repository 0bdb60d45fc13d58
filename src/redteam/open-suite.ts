import { type BenchOptions, openBench, type RedBench } from './bench/index.ts';
import type { Row, Suite, SuiteName } from './row.ts';
import { runRow } from './run-row.ts';
import type { RowResult } from './scorecard.ts';

/** A suite with its bench: targets and shared bottles are there, rows can be run. */
export interface OpenSuite extends AsyncDisposable {
  readonly rows: readonly Row[];
  readonly bench: RedBench;
  run(row: Row): Promise<RowResult>;
  notes(): Promise<readonly string[]>;
}

/** Each suite is loaded when it is used. Its rows fit its own bench, which the union of suites cannot say. */
export async function loadSuite(name: SuiteName): Promise<Suite> {
  switch (name) {
    case 'egress':
      return (await import('./egress/index.ts')).EGRESS_SUITE as unknown as Suite;
    case 'git':
      return (await import('./git/index.ts')).GIT_SUITE;
    default:
      return name satisfies never;
  }
}

/** Everything that was made goes when the suite is disposed of. Throws what making a bottle throws. */
export async function openSuite(name: SuiteName, options: BenchOptions): Promise<OpenSuite> {
  const suite = await loadSuite(name);
  const base = await openBench(options);
  try {
    const bench = await suite.open(base);
    return {
      rows: suite.rows,
      bench,
      run: (row) => runRow(row, bench),
      notes: async () => (await suite.notes?.(bench)) ?? [],
      [Symbol.asyncDispose]: () => base[Symbol.asyncDispose](),
    };
  } catch (error) {
    await base[Symbol.asyncDispose]();
    throw error;
  }
}
