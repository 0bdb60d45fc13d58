import { askGit } from './quarantine-git.ts';

/** What a push brings: all that the tips reach and the trusted commits do not. */
export interface PushRange {
  readonly tips: readonly string[];
  readonly trusted: readonly string[];
}

/** For the standard input of `git rev-list --stdin`. */
export function rangeInput({ tips, trusted }: PushRange): string {
  return `${tips.join('\n')}\n${trusted.map((id) => `^${id}\n`).join('')}`;
}

/** Commits of the refs that a bottle cannot write: they came from the user. Backups keep what the bottle wrote, so they are left out. */
export async function commitsOfUser(slug: string): Promise<readonly string[]> {
  const own = new RegExp(`^refs/(?:(?:heads|notes)/terok/${slug}(?:\\.|$)|terok/backup/)`);
  const lines = (await askGit(['for-each-ref', '--format=%(objectname) %(refname)'])).toString('latin1').split('\n');
  const pairs = lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
  return [...new Set(pairs.filter(([id, ref]) => id !== '' && !own.test(ref)).map(([id]) => id))];
}
