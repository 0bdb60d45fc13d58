import { splitNul } from '../../core/index.ts';
import type { TreeChange } from '../../review/index.ts';
import { BASE_REF } from './gate.ts';
import { git, gitText, resolveRevision } from './git.ts';

/** More than this is for a person to judge */
const MAX_CHANGES = 20_000;
/** Longer contents give no details */
const MAX_BLOB_BYTES = 1024 ** 2;
const MAX_POINTER_BYTES = 1_024;
const POINTER_START = Buffer.from('version https://git-lfs.github.com/spec/');

/** The commit that a task began with. */
export async function resolveTask(repository: string): Promise<string | undefined> {
  return await resolveRevision(repository, BASE_REF);
}

/**
 * What each commit between `base` and `tip` changes against each of its parents, and not only what is left of it in the end: a build of an
 * older commit runs what that commit holds. Undefined where it is too much.
 */
export async function changesOfCommits(repository: string, base: string, tip: string): Promise<readonly TreeChange[] | undefined> {
  const commits = await gitText(repository, ['rev-list', '--end-of-options', tip, `^${base}`, '--']);
  if (commits === '') return [];
  const options = [
    '-r',
    '-m',
    '--root',
    '--raw',
    '-z',
    '--no-renames',
    '--no-abbrev',
    '--no-commit-id',
    '--no-ext-diff',
    '--ignore-submodules=none',
  ];
  const { stdout } = await git(repository, ['diff-tree', '--stdin', ...options], { input: `${commits}\n` });
  const parts = splitNul(stdout);
  if (parts.length > 2 * MAX_CHANGES) return undefined;
  const changes: TreeChange[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [oldMode = '', mode = '', oldId = '', id = ''] = (parts[at] ?? Buffer.alloc(0)).toString('latin1').slice(1).split(' ');
    changes.push({ path: parts[at + 1] ?? Buffer.alloc(0), oldMode, mode, oldId, id });
  }
  return changes;
}

/** A blob of a bare repository; undefined where it is none or too long. */
export async function readBlob(repository: string, id: string): Promise<Buffer | undefined> {
  const size = await gitText(repository, ['cat-file', '--batch-check=%(objecttype) %(objectsize)'], { input: `${id}\n` });
  const [, bytes] = /^blob (\d+)$/.exec(size) ?? [];
  if (bytes === undefined || Number(bytes) > MAX_BLOB_BYTES) return undefined;
  return (await git(repository, ['cat-file', 'blob', id])).stdout;
}

/** Files that stand for objects of Git LFS among what the commits since `base` bring: a push of git does not take those objects along. */
export async function lfsPointersOf(repository: string, tip: string, base: string | undefined): Promise<readonly Buffer[]> {
  const since = base === undefined ? [] : [`^${base}`];
  const ids = await gitText(repository, ['rev-list', '--objects', '--no-object-names', '--end-of-options', tip, ...since, '--']);
  const check = await gitText(repository, ['cat-file', '--batch-check=%(objectname) %(objecttype) %(objectsize)'], {
    input: `${ids}\n`,
  });
  const small = check
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, type, size]) => type === 'blob' && Number(size) <= MAX_POINTER_BYTES);
  if (small.length === 0) return [];
  const { stdout } = await git(repository, ['cat-file', '--batch'], { input: small.map(([id = '']) => `${id}\n`).join('') });
  let at = 0;
  const contents = small.map(([, , size]) => {
    const begin = stdout.indexOf('\n', at) + 1;
    at = begin + Number(size) + 1;
    return stdout.subarray(begin, at - 1);
  });
  return contents.filter((content) => content.subarray(0, POINTER_START.length).equals(POINTER_START));
}
