/*
 * Scope: counts what lies in the user's work tree and is in no commit. Out of scope: what the changes are.
 * Fail-safe direction: `git status` and `git diff-files` run clean filters and file system monitors, so neither is used: git reads
 * the index, and files are compared by size, time and plain hash; a file that only a filter could judge counts as changed.
 */
import { createHash } from 'node:crypto';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { ignoreCodes, type ObjectFormat, splitNul } from '../../core/index.ts';
import { git } from './git.ts';

export interface DirtyState {
  readonly changed: number;
  readonly untracked: number;
}

interface IndexEntry {
  readonly path: Buffer;
  readonly mode: string;
  readonly id: string;
  readonly mtimeSeconds: number;
  readonly size: number;
}

/** A larger file with another time counts as changed without being read. */
const MAX_HASHED_BYTES = 64 * 1024 * 1024;
const SKIP_WORKTREE = 0x4000_0000;
/** The tag `?` */
const UNTRACKED = 63;

export async function readDirtyState(source: string, format: ObjectFormat): Promise<DirtyState> {
  const staged = splitNul(
    (await git(source, ['diff-index', '--cached', '--raw', '--no-renames', '--no-ext-diff', '--ignore-submodules=all', '-z', 'HEAD', '--']))
      .stdout,
  );
  const changed = new Set(staged.filter((_part, index) => index % 2 === 1).map((path) => path.toString('latin1')));
  const listing = ['ls-files', '-t', '--cached', '--others', '--exclude-standard', '--stage', '--debug', '-z'];
  const { entries, untracked } = parseListing((await git(source, listing)).stdout);
  for (const entry of entries) if (await differs(source, entry, format)) changed.add(entry.path.toString('latin1'));
  return { changed: changed.size, untracked };
}

/**
 * An untracked file is `? <path>` NUL; an entry of the index is `<tag> <mode> <id> <stage>\t<path>` NUL, then lines with what the
 * index remembers of the file.
 */
function parseListing(output: Buffer): { readonly entries: IndexEntry[]; readonly untracked: number } {
  const entries: IndexEntry[] = [];
  let untracked = 0;
  for (let start = 0; start < output.length; ) {
    const end = output.indexOf(0, start);
    if (end === -1) break;
    if (output[start] === UNTRACKED) {
      untracked += 1;
      start = end + 1;
      continue;
    }
    const tab = output.indexOf(9, start);
    const [, mode = '', id = ''] = output.subarray(start, tab).toString('latin1').split(' ');
    const debugEnd = endOfDebug(output, end + 1);
    const debug = output.subarray(end + 1, debugEnd).toString('latin1');
    const flags = Number.parseInt(/flags: ([0-9a-f]+)/.exec(debug)?.[1] ?? '0', 16);
    if ((flags & SKIP_WORKTREE) === 0) {
      entries.push({
        path: output.subarray(tab + 1, end),
        mode,
        id,
        mtimeSeconds: Number(/mtime: (\d+):/.exec(debug)?.[1] ?? -1),
        size: Number(/size: (\d+)/.exec(debug)?.[1] ?? -1),
      });
    }
    start = debugEnd;
  }
  return { entries, untracked };
}

/** Five lines: ctime, mtime, dev, uid, size. */
function endOfDebug(output: Buffer, start: number): number {
  let at = start;
  for (let line = 0; line < 5; line += 1) {
    const next = output.indexOf(10, at);
    if (next === -1) return output.length;
    at = next + 1;
  }
  return at;
}

async function differs(source: string, entry: IndexEntry, format: ObjectFormat): Promise<boolean> {
  if (entry.mode === '160000') return false;
  const file = Buffer.concat([Buffer.from(`${source}/`), entry.path]);
  const found = await ignoreCodes(['ENOENT', 'ENOTDIR'], () => lstat(file));
  if (found === undefined) return true;
  if (found.isSymbolicLink()) return entry.mode !== '120000' || blobId(await readlink(file, { encoding: 'buffer' }), format) !== entry.id;
  if (!found.isFile() || entry.mode === '120000' || ((found.mode & 0o100) !== 0) !== (entry.mode === '100755')) return true;
  if (found.size === entry.size && Math.floor(found.mtimeMs / 1000) === entry.mtimeSeconds) return false;
  if (found.size > MAX_HASHED_BYTES) return true;
  return blobId(await readFile(file), format) !== entry.id;
}

/** The object id of a blob, computed without git. */
export function blobId(content: Uint8Array, format: ObjectFormat): string {
  return createHash(format).update(`blob ${content.length}\0`).update(content).digest('hex');
}
