// Scope: reads a file or directory of the host for a bottle: regular files, directories and links as they are.
// Out of scope: whether the user wanted this path copied. Fail-safe direction: a link is never followed; what changed its kind while
// it was read is refused; special files, names that are no UTF-8 and set-user-id bits stay behind.
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { systemCodeOf, TerokError } from '../core/index.ts';

export type HostEntry =
  | { readonly kind: 'directory'; readonly name: string; readonly mode: number; readonly mtime: Date }
  | { readonly kind: 'link'; readonly name: string; readonly target: string; readonly mtime: Date }
  | {
      readonly kind: 'file';
      readonly name: string;
      readonly mode: number;
      readonly mtime: Date;
      readonly size: number;
      readonly handle: FileHandle;
    }
  | { readonly kind: 'refused'; readonly name: string; readonly reason: string };

const MODE_BITS = 0o777;

/** Every entry at and below `source`, parents first; names start with `root`. The reader closes the handle of a file. */
export async function* walkHost(source: string, root: string): AsyncGenerator<HostEntry, undefined> {
  const stats = await lstat(source).catch((error: unknown) => {
    if (systemCodeOf(error) !== 'ENOENT' && systemCodeOf(error) !== 'ENOTDIR') throw error;
    throw new TerokError('NOT_FOUND', `\`${source}\` does not exist on the host.`, { context: { kind: 'source', source }, cause: error });
  });
  yield* walkEntry(source, root, stats);
}

async function* walkEntry(file: string, name: string, stats: Stats): AsyncGenerator<HostEntry> {
  if (stats.isSymbolicLink()) yield await readLinkEntry(file, name, stats);
  else if (stats.isFile()) yield await openFile(file, name, stats);
  else if (stats.isDirectory()) yield* walkDirectory(file, name, stats);
  else yield { kind: 'refused', name, reason: 'neither file, directory nor link' };
}

async function* walkDirectory(dir: string, name: string, stats: Stats): AsyncGenerator<HostEntry> {
  yield { kind: 'directory', name, mode: stats.mode & MODE_BITS, mtime: stats.mtime };
  for (const bytes of await readdir(dir, { encoding: 'buffer' })) {
    const child = bytes.toString('utf8');
    const childName = `${name}/${child}`;
    if (!Buffer.from(child).equals(bytes)) {
      yield { kind: 'refused', name: childName, reason: 'name is not UTF-8' };
      continue;
    }
    const childPath = path.join(dir, child);
    const childStats = await lstat(childPath).catch(() => undefined);
    if (childStats === undefined) yield { kind: 'refused', name: childName, reason: 'vanished while it was copied' };
    else yield* walkEntry(childPath, childName, childStats);
  }
}

async function readLinkEntry(file: string, name: string, stats: Stats): Promise<HostEntry> {
  const bytes = await readlink(file, { encoding: 'buffer' });
  const target = bytes.toString('utf8');
  if (!Buffer.from(target).equals(bytes)) return { kind: 'refused', name, reason: 'link target is not UTF-8' };
  return { kind: 'link', name, target, mtime: stats.mtime };
}

async function openFile(file: string, name: string, seen: Stats): Promise<HostEntry> {
  let handle: FileHandle;
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return { kind: 'refused', name, reason: `cannot be opened (${systemCodeOf(error) ?? 'unknown error'})` };
  }
  const stats = await handle.stat();
  if (stats.isFile() && stats.ino === seen.ino && stats.dev === seen.dev) {
    return { kind: 'file', name, mode: stats.mode & MODE_BITS, mtime: stats.mtime, size: stats.size, handle };
  }
  await handle.close();
  return { kind: 'refused', name, reason: 'was replaced while it was copied' };
}
