import type { GateRules } from '../../../core/gate-rules.ts';
import type { LfsPlan } from '../../gateway/gateway-plan.ts';

/** What the gate tells the scanner, as JSON in `TEROK_SCAN`. Holds no secret. */
export interface ScanJob {
  readonly repository: string;
  readonly slug: string;
  readonly rules: GateRules;
  /** Vault whose values no push may hold; absent where there is none */
  readonly vaultDir?: string;
  /** File with the token that was put into the bottle to be noticed when it leaves; absent where there is none */
  readonly canaryFile?: string;
  readonly lfs?: LfsPlan;
  /** File for the summary that the gate records */
  readonly summaryFile: string;
}

export interface ScanSummary {
  readonly outcome: 'clean' | 'held' | 'refused';
  readonly findings: number;
  /** The push held the canary of the bottle */
  readonly canary?: boolean;
  /** The first finding, safe to print */
  readonly first?: string;
  readonly objects: number;
  readonly bytes: number;
  readonly durationMs: number;
}
