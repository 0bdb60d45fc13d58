import { messageOf, type ObjectFormat, splitNul } from '../../core/index.ts';
import { readDirtyState } from './dirty-state.ts';
import { git } from './git.ts';

interface Import {
  readonly store: string;
  readonly commit: string;
  readonly shallow: boolean;
  /** What `dirtyNote` said */
  readonly dirty: string | undefined;
}

/** What a clone of `commit` lacks of what the user sees in the directory, one sentence each. */
export async function describeLosses({ store, commit, shallow, dirty }: Import): Promise<string[]> {
  const files = splitNul((await git(store, ['ls-tree', '-r', '-z', '--full-tree', commit])).stdout).map(parseTreeLine);
  const submodules = files.filter(({ mode }) => mode === '160000').length;
  const notes = [dirty];
  if (submodules > 0)
    notes.push(`${count(submodules, 'submodule')} of the repository ${submodules === 1 ? 'is' : 'are'} empty in the clone.`);
  if (await usesLfs(store, files))
    notes.push('Files of Git LFS are pointers in the clone; `git lfs pull` there gives those whose contents are on this machine.');
  if (shallow) notes.push('The repository is shallow: the clone ends where its history ends.');
  return notes.filter((note) => note !== undefined);
}

/** What of the user's work is in no commit; never an error. */
export async function dirtyNote(source: string, format: ObjectFormat): Promise<string | undefined> {
  try {
    const { changed, untracked } = await readDirtyState(source, format);
    const parts = [
      changed > 0 ? `${count(changed, 'changed file')}` : '',
      untracked > 0 ? `${count(untracked, 'untracked file')}` : '',
    ].filter((part) => part !== '');
    return parts.length === 0 ? undefined : `Not in the clone, because not committed: ${parts.join(' and ')}.`;
  } catch (error) {
    return `Whether the directory holds uncommitted work could not be told: ${messageOf(error)}`;
  }
}

function parseTreeLine(line: Buffer): { mode: string; id: string; name: string } {
  const tab = line.indexOf(9);
  const [mode = '', , id = ''] = line.subarray(0, tab).toString('latin1').split(' ');
  return { mode, id, name: line.subarray(tab + 1).toString('latin1') };
}

async function usesLfs(store: string, files: readonly { id: string; name: string }[]): Promise<boolean> {
  const ids = files.filter(({ name }) => name === '.gitattributes' || name.endsWith('/.gitattributes')).map(({ id }) => id);
  if (ids.length === 0) return false;
  const contents = await git(store, ['cat-file', '--batch'], { input: `${ids.join('\n')}\n` });
  return /filter=lfs\b/.test(contents.stdout.toString('latin1'));
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
