/** When a file of this kind is run, or decides what is run. */
export type RunsWhen =
  /** By a CI system, a bot or a forge, away from this machine */
  | 'ci'
  /** By git itself */
  | 'git'
  /** By a package manager */
  | 'install'
  /** By a build, a test or a linter */
  | 'build'
  /** By an editor, a file viewer or a debugger that opens the directory or the file */
  | 'open'
  /** By a shell, a terminal or an interpreter that is started in the directory */
  | 'enter'
  /** By another AI agent that works in the directory */
  | 'agent'
  /** By a person who believes that it is theirs: a program, a library, a document with macros */
  | 'use';

/** A kind of file that makes something run. */
export interface FileKind {
  /** Stable name, for example `github-workflow` */
  readonly id: string;
  readonly when: RunsWhen;
  /** Tested against the whole path with `/` between components, without regard to case */
  readonly pattern: RegExp;
  /** Who runs it */
  readonly runs: string;
  /** What that means, one clause */
  readonly why: string;
  /** Paths that it matches */
  readonly examples: readonly string[];
}

/** One line of a catalogue: id, when, pattern, who runs it, what that means, examples. */
export type KindRow = readonly [id: string, when: RunsWhen, pattern: RegExp, runs: string, why: string, ...examples: string[]];

export function toKinds(rows: readonly KindRow[]): readonly FileKind[] {
  return rows.map(([id, when, pattern, runs, why, ...examples]) => ({ id, when, pattern, runs, why, examples }));
}
