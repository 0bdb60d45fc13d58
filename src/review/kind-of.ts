import type { FileKind } from './file-kind.ts';
import { FILE_KINDS } from './kinds/index.ts';

/** One pattern for all, so that a path that nothing matches costs one test. */
const ANY = new RegExp(FILE_KINDS.map(({ pattern }) => pattern.source).join('|'), 'i');

/**
 * The kind of a file that makes something run, by its path (`/` between components, relative to the top). Names that a file system
 * without case, or one that drops trailing dots and spaces, takes for the same are the same here.
 */
export function kindOf(path: string): FileKind | undefined {
  const plain = foldPath(path);
  return ANY.test(plain) ? FILE_KINDS.find(({ pattern }) => pattern.test(plain)) : undefined;
}

/** What HFS+, APFS and NTFS leave out or take for the same in a name. */
function foldPath(path: string): string {
  return path
    .normalize('NFKC')
    .replaceAll(/[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad]/g, '')
    .replaceAll(/[. ]+(?=\/|$)/g, (end, at: number, whole: string) => (at === 0 || whole[at - 1] === '/' ? end : ''))
    .replaceAll(/:(?:\$[a-z_]+|[^/]*)(?=\/|$)/gi, '');
}
