import { TerokError } from '../core/index.ts';
import type { BenchOptions } from './bench/index.ts';
import { loadSuite, openSuite } from './open-suite.ts';
import type { Row, Suite, SuiteName } from './row.ts';
import { countVerdicts, type RowResult, type Scorecard } from './scorecard.ts';

export interface RedteamRequest extends BenchOptions {
  readonly suite: SuiteName;
  /** Ids of rows, in any case; all where absent or empty */
  readonly rows?: readonly string[];
}

/**
 * Attacks bottles that it makes itself, against servers that it starts itself, and says which claims held. Everything that it made is
 * removed at the end, also when it is stopped.
 *
 * @throws NOT_FOUND for an unknown row, CANCELLED when `signal` stops it, and what making a bottle throws
 */
export async function runRedteam(request: RedteamRequest): Promise<Scorecard> {
  const rows = chooseRows(await loadSuite(request.suite), request.rows ?? []);
  const startedAt = new Date();
  request.onProgress?.(`${request.suite}: making the targets`);
  await using suite = await openSuite(request.suite, request);
  const results: RowResult[] = [];
  for (const [index, row] of rows.entries()) {
    request.onProgress?.(`${index + 1}/${rows.length} ${row.id}: ${row.title}`);
    results.push(await suite.run(row));
  }
  return {
    suite: request.suite,
    backend: suite.bench.backend,
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    counts: countVerdicts(results),
    notes: await suite.notes(),
    rows: results,
  };
}

function chooseRows(suite: Suite, wanted: readonly string[]): readonly Row[] {
  if (wanted.length === 0) return suite.rows;
  const ids = new Set(wanted.map((id) => id.toUpperCase()));
  const unknown = [...ids].filter((id) => !suite.rows.some((row) => row.id === id));
  if (unknown.length > 0)
    throw new TerokError('NOT_FOUND', `The suite \`${suite.name}\` has no row \`${unknown[0]}\`.`, {
      hint: `It has: ${suite.rows.map(({ id }) => id).join(', ')}.`,
    });
  return suite.rows.filter(({ id }) => ids.has(id));
}
