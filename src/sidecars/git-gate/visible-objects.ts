/*
 * Scope: which objects a task may see of those that its repository can reach: it borrows the store of the project, where other tasks and
 * branches left theirs, and git gives any object whose id is known. Out of scope: who asks.
 * Fail-safe direction: what is neither in the repository itself nor reachable from a ref that the task sees is hidden.
 */
import path from 'node:path';
import { git, gitText } from '../../core/run-git.ts';
import { OwnObjects } from './scan/own-objects.ts';
import { startGit } from './scan/quarantine-git.ts';
import { readParts } from './scan/read-lines.ts';

/** Those of the ids whose objects are here and not for this task. Throws GIT_FAILED. */
export async function hiddenObjects(repository: string, ids: readonly string[], signal?: AbortSignal): Promise<ReadonlySet<string>> {
  const own = new OwnObjects(path.join(repository, 'objects'));
  const tips = await visibleTips(repository);
  const seen = new Set(tips);
  const suspects = [...new Set(ids)].filter((id) => !seen.has(id) && !own.mark(id));
  if (suspects.length === 0) return new Set();
  const types = await typesOf(repository, suspects);
  const commits = suspects.filter((id) => types.get(id) === 'commit');
  const others = new Set(suspects.filter((id) => !['commit', 'missing'].includes(types.get(id) ?? '')));
  // Most are in the newest trees; to look through all of history takes its time
  for (const options of [['--no-walk'], []]) if (others.size > 0) await removeReachable(others, { repository, tips, options, signal });
  return new Set([...(await unreachable(repository, commits, tips)), ...others]);
}

async function visibleTips(repository: string): Promise<readonly string[]> {
  const lines = (await gitText(repository, ['for-each-ref', '--format=%(objectname) %(refname)'])).split('\n');
  return lines.filter((line) => line !== '' && !line.includes(' refs/terok/')).map((line) => line.slice(0, line.indexOf(' ')));
}

async function typesOf(repository: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await git(repository, ['cat-file', '--batch-check=%(objecttype)'], { input: `${ids.join('\n')}\n` });
  const lines = stdout.toString('latin1').split('\n');
  return new Map(ids.map((id, at) => [id, /^(?:commit|tree|blob|tag)$/.exec(lines[at] ?? '')?.[0] ?? 'missing']));
}

async function unreachable(repository: string, commits: readonly string[], tips: readonly string[]): Promise<readonly string[]> {
  if (commits.length === 0) return [];
  const input = [...commits, ...tips.map((id) => `^${id}`), ''].join('\n');
  const beyond = new Set((await gitText(repository, ['rev-list', '--stdin'], { input })).split('\n'));
  return commits.filter((id) => beyond.has(id));
}

interface Walk {
  readonly repository: string;
  readonly tips: readonly string[];
  readonly options: readonly string[];
  readonly signal: AbortSignal | undefined;
}

async function removeReachable(ids: Set<string>, { repository, tips, options, signal }: Walk): Promise<void> {
  const list = startGit(['rev-list', '--objects', '--no-object-names', ...options, '--stdin'], {
    PATH: process.env['PATH'],
    GIT_DIR: repository,
  });
  const stop = (): void => list.stop();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    list.input.end(tips.map((id) => `${id}\n`).join(''));
    for await (const id of readParts(list.output, 10)) {
      ids.delete(id);
      if (ids.size === 0) return stop();
    }
    await list.ended;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
