import type { RedBench } from './bench/index.ts';
import type { Trial } from './trial.ts';

/** One attack on one claim, run on the machine of whoever asks. */
export interface Row<Bench extends RedBench = RedBench> {
  /** Short and stable, for example `E3`; `--row` takes it */
  readonly id: string;
  /** What is tried, a few words */
  readonly title: string;
  /** What terok promises */
  readonly claim: string;
  /** What the hostile program does */
  readonly attack: string;
  /** What stands in its way */
  readonly defence: string;
  /** How the same attack is shown to work with that defence off */
  readonly control: string;
  /**
   * Carries the attack out and says what happened. Whatever is made here belongs to the bench, which removes it.
   * Throwing means that the row itself failed: the claim counts as not proven.
   */
  readonly run: ((trial: Trial, bench: Bench) => Promise<void>) | OutOfScope;
}

/** A row that is listed and counted, but that terok makes no claim about. */
export interface OutOfScope {
  readonly outOfScope: string;
}

/** Rows that are run on one kind of bench. */
export interface Suite<Bench extends RedBench = RedBench> {
  readonly name: SuiteName;
  readonly rows: readonly Row<Bench>[];
  /** Makes what all rows share; the caller disposes of it */
  open(bench: RedBench): Promise<Bench>;
  /** What a person should know about the programs of this machine beside the verdicts */
  notes?(bench: Bench): Promise<readonly string[]>;
}

export const SUITE_NAMES = ['egress', 'git'] as const;
export type SuiteName = (typeof SUITE_NAMES)[number];
