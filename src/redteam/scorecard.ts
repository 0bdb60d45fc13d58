import type { SuiteName } from './row.ts';
import type { Observation, Verdict } from './trial.ts';

/** A row with what came of it. */
export interface RowResult {
  readonly id: string;
  readonly title: string;
  readonly claim: string;
  readonly attack: string;
  readonly defence: string;
  readonly control: string;
  readonly verdict: Verdict;
  /** Absent where the claim was held */
  readonly reason?: string;
  /** The row itself failed, which is a fault of the suite or of the machine */
  readonly failed: boolean;
  readonly observations: readonly Observation[];
  /** `ms` */
  readonly durationMs: number;
}

/** All results of one run; the JSON of `terok redteam … --json`. */
export interface Scorecard {
  readonly suite: SuiteName;
  readonly backend: string;
  /** ISO 8601 */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  /** About programs of this machine, for a person; known flaws of git */
  readonly notes: readonly string[];
  readonly rows: readonly RowResult[];
}

export function countVerdicts(rows: readonly RowResult[]): Scorecard['counts'] {
  const of = (verdict: Verdict): number => rows.filter((row) => row.verdict === verdict).length;
  return {
    held: of('held'),
    broken: of('broken'),
    'not proven': of('not proven'),
    unsupported: of('unsupported'),
    'out of scope': of('out of scope'),
  };
}
