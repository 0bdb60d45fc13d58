/*
 * Scope: where the symbolic links of a push lead. Out of scope: reading through them.
 * Fail-safe direction: a target that can only be judged by following other links is refused.
 */

import type { PushedLink } from './change-findings.ts';
import type { Finding } from './finding.ts';
import { isGitDirectoryName } from './hostile-name.ts';

/** Longest target that Linux takes */
export const MAX_TARGET_BYTES = 4_096;

/** Findings for links whose target is known; latin1 throughout. */
export function linkFindings(links: readonly PushedLink[], targets: ReadonlyMap<string, string>): Finding[] {
  return links.flatMap(({ path, blob }) => {
    const target = targets.get(blob);
    const what = target === undefined ? 'is a symbolic link whose target is too long' : targetProblem(path, target);
    return what === undefined ? [] : [{ rule: 'links' as const, path, what, object: blob }];
  });
}

/** What is wrong with a target, or undefined. */
export function targetProblem(path: string, target: string): string | undefined {
  if (target.startsWith('/')) return 'is a symbolic link to an absolute path';
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.some(isGitDirectoryName)) return 'is a symbolic link into `.git`';
  const down = parts.findIndex((part) => part !== '..');
  const ups = down === -1 ? parts.length : down;
  if (ups > path.split('/').length - 1) return 'is a symbolic link that leaves the repository';
  return parts.lastIndexOf('..') >= ups && down !== -1 ? 'is a symbolic link with `..` behind another name' : undefined;
}
