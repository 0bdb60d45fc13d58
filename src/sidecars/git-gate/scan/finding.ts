import type { RuleName } from '../../../core/gate-rules.ts';

/** Rules that no configuration changes. */
export type FixedRule = 'vaultValue' | 'canary' | 'limits' | 'lfs';

export function isFixedRule(rule: RuleName | FixedRule): rule is FixedRule {
  return rule === 'vaultValue' || rule === 'canary' || rule === 'limits' || rule === 'lfs';
}

/** One thing in a push that breaks a rule. Holds no secret. */
export interface Finding {
  readonly rule: RuleName | FixedRule;
  /** Untrusted bytes as latin1, relative to the top of the tree; empty where the finding is in no file */
  readonly path: string;
  /** What was found, one clause without a subject: `holds a GitHub token` */
  readonly what: string;
  /** Object that it was found in */
  readonly object?: string;
  /** From 1 */
  readonly line?: number;
}
