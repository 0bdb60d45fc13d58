/*
 * Scope: copies between host and bottle. Out of scope: a bottle that changes its files while they are copied, beyond what O_NOFOLLOW
 * stops. Fail-safe direction: a link is never followed; what may not come out is named in the report; on failure nothing is left.
 */
import { constants, type Stats } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readlink, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import {
  type CopiedFile,
  type CopyInOptions,
  type CopyOutOptions,
  type CopyReport,
  ignoreCodes,
  systemCodeOf,
  TerokError,
} from '../../core/index.ts';
import { resolveInRoot } from './bottle-path.ts';

const DEFAULT_MAX_BYTES = 2 * 1024 ** 3;
const DEFAULT_MAX_ENTRIES = 200_000;
const CHUNK_BYTES = 1024 * 1024;

interface CopyRequest<T> {
  readonly source: string;
  readonly target: string;
  readonly options: T;
}

interface Copy {
  readonly links: 'copy' | 'refuse';
  readonly maxBytes: number;
  readonly maxEntries: number;
  readonly signal: AbortSignal | undefined;
  readonly refused: { path: string; reason: string }[];
  readonly list: CopiedFile[];
  readonly beforePublish?: CopyOutOptions['beforePublish'] | undefined;
  files: number;
  bytes: number;
  entries: number;
}

export async function copyIntoBottle(root: string, { source, target, options }: CopyRequest<CopyInOptions>): Promise<CopyReport> {
  const copy = {
    ...counters(options.signal),
    links: 'copy',
    maxBytes: Number.POSITIVE_INFINITY,
    maxEntries: Number.POSITIVE_INFINITY,
  } as const;
  return await copyAll(source, await resolveInRoot(root, target), copy);
}

export async function copyOutOfBottle(root: string, { source, target, options }: CopyRequest<CopyOutOptions>): Promise<CopyReport> {
  const { maxBytes = DEFAULT_MAX_BYTES, maxEntries = DEFAULT_MAX_ENTRIES } = options;
  const { beforePublish } = options;
  const copy = { ...counters(options.signal), links: 'refuse', maxBytes, maxEntries, beforePublish } as const;
  return await copyAll(await resolveInRoot(root, source), target, copy);
}

function counters(signal: AbortSignal | undefined): Pick<Copy, 'signal' | 'refused' | 'list' | 'files' | 'bytes' | 'entries'> {
  return { signal, refused: [], list: [], files: 0, bytes: 0, entries: 0 };
}

async function copyAll(source: string, target: string, copy: Copy): Promise<CopyReport> {
  const info = await ignoreCodes(['ENOENT', 'ENOTDIR'], () => lstat(source));
  if (info === undefined) throw new TerokError('NOT_FOUND', `There is nothing at \`${source}\` to copy.`, { context: { source } });
  const reason = refusal(info, copy);
  if (reason !== undefined) throw new TerokError('COPY_REFUSED', `\`${source}\` cannot be copied: ${reason}.`, { context: { source } });
  if ((await ignoreCodes(['ENOENT', 'ENOTDIR'], () => lstat(target))) !== undefined) {
    throw new TerokError('ALREADY_EXISTS', `\`${target}\` exists; a copy never replaces anything.`, { context: { target } });
  }
  try {
    await copyEntry(source, target, info, copy);
    await copy.beforePublish?.(copy.list.map((file) => ({ ...file, path: path.relative(target, file.path) })));
    return { files: copy.files, bytes: copy.bytes, refused: copy.refused };
  } catch (error) {
    await rm(target, { recursive: true, force: true });
    throw error;
  }
}

async function copyEntry(source: string, target: string, info: Stats, copy: Copy): Promise<void> {
  copy.signal?.throwIfAborted();
  copy.entries += 1;
  if (copy.entries > copy.maxEntries) throw new TerokError('COPY_REFUSED', `The copy has more than ${copy.maxEntries} entries.`);
  if (info.isSymbolicLink()) return await symlink(await readlink(source), target);
  if (info.isFile()) return await copyFile(source, target, copy);
  await mkdir(target, { mode: 0o700 });
  for (const name of await readdir(source)) {
    const child = await lstat(path.join(source, name));
    const reason = refusal(child, copy);
    if (reason === undefined) await copyEntry(path.join(source, name), path.join(target, name), child, copy);
    else copy.refused.push({ path: name, reason });
  }
  await chmod(target, info.mode & 0o777);
}

async function copyFile(source: string, target: string, copy: Copy): Promise<void> {
  await using input = await openRegular(source);
  await using output = await open(target, 'wx', 0o600);
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (;;) {
    copy.signal?.throwIfAborted();
    const { bytesRead } = await input.read(chunk);
    if (bytesRead === 0) break;
    copy.bytes += bytesRead;
    if (copy.bytes > copy.maxBytes) throw new TerokError('COPY_REFUSED', `The copy has more than ${copy.maxBytes} bytes.`);
    await output.writeFile(chunk.subarray(0, bytesRead));
  }
  const mode = (await input.stat()).mode & 0o777;
  await output.chmod(mode);
  copy.list.push({ path: target, executable: (mode & 0o111) !== 0 });
  copy.files += 1;
}

/** The file that was opened is the one that is checked. */
async function openRegular(source: string): ReturnType<typeof open> {
  try {
    const file = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    if (systemCodeOf(error) !== 'ELOOP') throw error;
  }
  throw new TerokError('COPY_REFUSED', `\`${source}\` was replaced while it was copied.`);
}

function refusal(info: Stats, { links }: Copy): string | undefined {
  if (info.isFile() || info.isDirectory()) return undefined;
  if (info.isSymbolicLink()) return links === 'copy' ? undefined : 'it is a symbolic link';
  return 'it is neither a file nor a directory';
}
