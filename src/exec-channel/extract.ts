// Scope: writes the entries of a bottle's archive below one fresh directory of the host, which nobody else writes to.
// Out of scope: what the files hold. Fail-safe direction: only regular files and directories are made, each by its own exclusive
// create; a path that could leave the directory, or an entry that comes twice, ends the whole copy.
import { constants } from 'node:fs';
import { chmod, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { type CopiedFile, type CopyReport, systemCodeOf, TerokError } from '../core/index.ts';
import { MAX_REFUSED } from './copy-common.ts';
import { readTar, refused, type TarEntry } from './tar-reader.ts';

export interface ExtractOptions {
  /** Name of the one entry that all others are below */
  readonly base: string;
  /** Where that entry goes; its parent exists */
  readonly target: string;
  readonly maxBytes: number;
  readonly maxEntries: number;
}

const KINDS: Readonly<Record<string, string>> = { '1': 'a hard link', '2': 'a link', '3': 'a device', '4': 'a device', '6': 'a fifo' };
/** Linux: NAME_MAX and PATH_MAX */
const MAX_COMPONENT_BYTES = 255;
const MAX_PATH_BYTES = 4_096;
const REPLACEMENT = '\ufffd';

/** What was made, with every file of it */
export interface Extracted extends CopyReport {
  readonly list: readonly CopiedFile[];
}

export async function extract(source: AsyncIterable<Buffer>, options: ExtractOptions): Promise<Extracted> {
  const state = {
    entries: 0,
    files: 0,
    bytes: 0,
    refused: [] as { path: string; reason: string }[],
    directories: new Map<string, number>(),
    list: [] as CopiedFile[],
  };
  for await (const entry of readTar(source)) {
    if (++state.entries > options.maxEntries) throw refused(`it has more than ${options.maxEntries} entries`);
    if (entry.size > options.maxBytes - state.bytes) throw refused(`it holds more than ${options.maxBytes} bytes`);
    const relative = relativePath(entry.name, options.base);
    const reason = refusalOf(entry);
    if (reason !== undefined) {
      if (state.refused.length < MAX_REFUSED) state.refused.push({ path: relative, reason });
    } else if (entry.type === '5') {
      await makeDirectory(path.join(options.target, relative));
      state.directories.set(path.join(options.target, relative), entry.mode);
    } else {
      await writeEntry(path.join(options.target, relative), entry);
      state.list.push({ path: relative, executable: (entry.mode & 0o111) !== 0 });
      state.files++;
      state.bytes += entry.size;
    }
  }
  for (const [directory, mode] of [...state.directories].reverse()) await chmod(directory, (mode & 0o777) | 0o700);
  return { files: state.files, bytes: state.bytes, refused: state.refused, list: state.list };
}

/** The path below the base entry, empty for the base itself. */
function relativePath(name: string, base: string): string {
  if (Buffer.byteLength(name) > MAX_PATH_BYTES || name.includes('\0')) throw refused('a name is malformed');
  const [first, ...rest] = name.replace(/^\.\//, '').replace(/\/$/, '').split('/');
  if (first !== base) throw refused(`an entry lies outside of \`${printable(base)}\``);
  for (const component of rest) {
    if (component === '' || component === '.' || component === '..') throw refused('a name leads elsewhere');
    if (Buffer.byteLength(component) > MAX_COMPONENT_BYTES) throw refused('a name is too long');
  }
  return rest.join('/');
}

function refusalOf(entry: TarEntry): string | undefined {
  if (entry.name.includes(REPLACEMENT)) return 'name is not UTF-8';
  return entry.type === '0' || entry.type === '5' || entry.type === '7'
    ? undefined
    : `${KINDS[entry.type] ?? 'an unknown kind of entry'} may not leave a bottle`;
}

async function makeDirectory(target: string): Promise<void> {
  await create(() => mkdir(target, { mode: 0o700 }));
}

async function writeEntry(target: string, entry: TarEntry): Promise<void> {
  const handle = await create(() => open(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600));
  try {
    for await (const chunk of entry.content) await handle.writeFile(chunk);
    await handle.utimes(entry.mtime, entry.mtime);
    await handle.chmod(entry.mode & 0o777);
  } finally {
    await handle.close();
  }
}

async function create<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'EEXIST') throw refused('an entry comes twice');
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') throw refused('an entry has no directory to be in');
    throw error;
  }
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

/** DISK_FULL for what the file system means by it, otherwise the error itself. */
export function explainWriteError(error: unknown, target: string): unknown {
  const code = systemCodeOf(error);
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new TerokError('DISK_FULL', `No space left to copy into \`${target}\`.`, {
    context: { target },
    hint: 'Free some space, then copy again.',
    cause: error,
  });
}
