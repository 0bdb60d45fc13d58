/*
 * Scope: what differs between two trees, by plumbing. Out of scope: renames, which would hide a path that is new.
 * Fail-safe direction: more changes than the cap are an error, never a shorter list.
 */
import { hostGitEnvironment, runOrThrow, splitNul, TerokError } from '../core/index.ts';
import type { TreeChange } from './trust-surface.ts';

export interface CountedChange extends TreeChange {
  /** Undefined for a binary file and a submodule */
  readonly insertions: number | undefined;
  readonly deletions: number | undefined;
}

export interface TreeRange {
  /** Bare repository that terok wrote */
  readonly repository: string;
  /** Commit or tree */
  readonly from: string;
  readonly to: string;
  /** Added to the environment of git, for example the object directories of a quarantine */
  readonly env?: Readonly<Record<string, string>>;
}

/** More than any person looks at, and little enough to hold */
const MAX_CHANGES = 200_000;
const MAX_OUTPUT_BYTES = 256 * 1024 ** 2;
const TIMEOUT_MS = 10 * 60_000;

export const DIFF_TREE = ['diff-tree', '-r', '--no-renames', '--full-index', '--no-ext-diff', '--no-textconv', '--no-color'] as const;

/** Every path that differs; throws REFUSED where there are more than 200 000. */
export async function readTreeChanges({ repository, from, to, env = {} }: TreeRange): Promise<readonly CountedChange[]> {
  const args = ['--ignore-submodules=none', '-z', '--raw', '--numstat', '--end-of-options', from, to, '--'];
  const { stdout } = await runOrThrow(['git', '-C', repository, ...DIFF_TREE, ...args], {
    env: { ...hostGitEnvironment(), ...env },
    timeoutMs: TIMEOUT_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
  });
  return parseRawAndNumstat(splitNul(stdout));
}

/** First pairs of `:<mode> <mode> <id> <id> <status>` and a path, then as many `<insertions>\t<deletions>\t<path>`. */
export function parseRawAndNumstat(parts: readonly Buffer[]): readonly CountedChange[] {
  let at = 0;
  const changes: TreeChange[] = [];
  for (; at + 1 < parts.length && parts[at]?.[0] === 58; at += 2) {
    const [oldMode = '', mode = '', oldId = '', id = ''] = (parts[at] ?? Buffer.alloc(0)).toString('latin1').slice(1).split(' ');
    changes.push({ path: parts[at + 1] ?? Buffer.alloc(0), oldMode, mode, oldId, id });
    if (changes.length > MAX_CHANGES) throw new TerokError('REFUSED', `A change of more than ${MAX_CHANGES} files is not reviewed.`);
  }
  const counts = parts.slice(at).map((part) => /^(\d+)\t(\d+)\t/.exec(part.subarray(0, 64).toString('latin1')));
  return changes.map((change, index) => ({ ...change, insertions: countOf(counts[index]?.[1]), deletions: countOf(counts[index]?.[2]) }));
}

function countOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
