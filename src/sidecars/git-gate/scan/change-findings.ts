/*
 * Scope: what each new commit brings at which path, compared with all its parents: names, links, submodules. Complete also where an old
 * tree is moved to another place. Out of scope: contents of files. Fail-safe direction: output of git that is not understood is an error.
 */
import { TerokError } from '../../../core/errors.ts';
import type { Finding } from './finding.ts';
import { foldName, isGitDirectoryName, nameProblem } from './hostile-name.ts';
import { type PushRange, rangeInput } from './push-range.ts';
import { startGit } from './quarantine-git.ts';
import { readParts } from './read-lines.ts';

/** Links that are read of one push; more of them are a finding */
const MAX_LINKS = 20_000;

export interface PushedLink {
  /** latin1 */
  readonly path: string;
  readonly blob: string;
}

/** Walks all commits that can be reached from the tips and from no trusted commit. */
export async function findInChanges(range: PushRange, report: (finding: Finding) => void): Promise<readonly PushedLink[]> {
  const list = startGit(['rev-list', '--ignore-missing', '--stdin']);
  const diff = startGit([
    'diff-tree',
    '--stdin',
    '-r',
    '-c',
    '--root',
    '--raw',
    '-z',
    '--no-renames',
    '--no-abbrev',
    '--no-commit-id',
    '--ignore-submodules=none',
  ]);
  const links: PushedLink[] = [];
  try {
    list.input.end(rangeInput(range));
    list.output.pipe(diff.input);
    const stopBoth = (): void => {
      list.stop();
      diff.stop();
    };
    for (const { ended } of [list, diff]) ended.catch(stopBoth);
    let entry: Entry | undefined;
    for await (const part of readParts(diff.output, 0)) {
      if (entry === undefined) entry = parseEntry(part);
      else {
        inspect(entry, part, { report, links });
        entry = undefined;
      }
    }
    await Promise.all([list.ended, diff.ended]);
  } finally {
    list.stop();
    diff.stop();
  }
  if (links.length > MAX_LINKS) report({ rule: 'links', path: '', what: `brings more than ${MAX_LINKS} symbolic links` });
  return links.slice(0, MAX_LINKS);
}

interface Entry {
  readonly mode: string;
  readonly id: string;
}

/** `:<mode> <mode> <id> <id> <status>`, with one more colon, mode and id for each further parent of a merge. */
function parseEntry(text: string): Entry {
  const fields = text.split(' ');
  const parents = /^:+/.exec(text)?.[0].length ?? 0;
  const [mode, id] = [fields[parents], fields[2 * parents + 1]];
  if (parents === 0 || mode === undefined || id === undefined)
    throw new TerokError('GIT_FAILED', 'git described a change in a way that is not understood.');
  return { mode, id };
}

interface Sink {
  readonly report: (finding: Finding) => void;
  readonly links: PushedLink[];
}

function inspect({ mode, id }: Entry, path: string, { report, links }: Sink): void {
  if (mode === '000000') return;
  const problem = nameProblem(path);
  if (problem !== undefined) report({ rule: 'names', path, what: `has a name that ${problem}`, object: id });
  const parts = path.split('/');
  if (parts.some(isGitDirectoryName)) report({ rule: 'embeddedRepositories', path, what: 'lies in a `.git` directory', object: id });
  if (parts.length === 1 && foldName(path) === '.gitmodules')
    report({ rule: 'submodules', path, what: 'says which other repositories git fetches', object: id });
  if (mode === '160000') report({ rule: 'submodules', path, what: 'is a commit of another repository, not its files', object: id });
  if (mode === '120000' && links.length <= MAX_LINKS) links.push({ path, blob: id });
}
