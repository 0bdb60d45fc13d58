/*
 * Scope: the rules that a push into the gate is held against, as data. Out of scope: checking them, see the scanner of the git gate.
 * Fail-safe direction: a rule without a word of the user keeps its default, which refuses or holds.
 */

/**
 * What happens where a push breaks a rule: `refuse` takes nothing of it; `hold` takes it into the gate, where a person must look at it
 * before it goes on; `allow` ignores it.
 */
export type RuleAction = 'refuse' | 'hold' | 'allow';

/** Rules that a project may change, each with its default. */
export const DEFAULT_RULE_ACTIONS = {
  /** Text that looks like a credential. Exact values of the vault are refused whatever this says */
  secretPatterns: 'refuse',
  /** A file above the largest size */
  largeFiles: 'refuse',
  /** Native programs and libraries */
  programs: 'hold',
  /** A new or changed `.gitmodules`, or a commit of another repository in a tree */
  submodules: 'refuse',
  /** A directory that git would take for a repository */
  embeddedRepositories: 'refuse',
  /** Names with control, bidirectional or invisible characters, that are no UTF-8, or that collide on some file systems */
  names: 'refuse',
  /** Symbolic links that leave the tree or lead into `.git` */
  links: 'refuse',
} as const satisfies Record<string, RuleAction>;

export type RuleName = keyof typeof DEFAULT_RULE_ACTIONS;

export interface GateRules {
  readonly actions: Readonly<Record<RuleName, RuleAction>>;
  /** Largest file that is taken without `largeFiles` */
  readonly maxFileBytes: number;
  /** Globs of paths for which `secretPatterns`, `programs` and `largeFiles` are not asked */
  readonly allowedPaths: readonly string[];
}

export const DEFAULT_GATE_RULES: GateRules = {
  actions: DEFAULT_RULE_ACTIONS,
  // Below what the known forges take, far above any source file
  maxFileBytes: 50 * 1024 ** 2,
  allowedPaths: [],
};
