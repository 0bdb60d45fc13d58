/*
 * Scope: where objects of Git LFS lie: those that a task pushed, and those that the user's repository has on this machine.
 * Out of scope: fetching any from elsewhere; what is not here is not served. Fail-safe direction: an object gets its name when its bytes
 * were seen to have that hash; of the user's repository only regular files are read, and no link is followed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { ignoreCodes, TerokError } from '../../../core/errors.ts';
import type { LfsPlan } from '../../gateway/gateway-plan.ts';

/** A file of this age in `ms` belongs to an upload that was killed */
const STALE_UPLOAD_MS = 60 * 60_000;
const OID = /^[0-9a-f]{64}$/;

export interface LfsObject {
  /** SHA-256, hexadecimal */
  readonly oid: string;
  readonly size: number;
}

export function isLfsObject(value: unknown): value is LfsObject {
  if (typeof value !== 'object' || value === null || !('oid' in value) || !('size' in value)) return false;
  return typeof value.oid === 'string' && OID.test(value.oid) && Number.isSafeInteger(value.size) && Number(value.size) >= 0;
}

/** `ab/cd/abcd…` below `directory`, as git-lfs itself lays them out. */
export function lfsFile(directory: string, oid: string): string {
  if (!OID.test(oid)) throw new TerokError('USAGE', 'The name of an LFS object is a SHA-256.');
  return path.join(directory, oid.slice(0, 2), oid.slice(2, 4), oid);
}

/** An object for reading; undefined where it is not there. The caller closes it. */
export async function openLfsObject(directory: string | undefined, oid: string): Promise<{ handle: FileHandle; size: number } | undefined> {
  if (directory === undefined) return undefined;
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await ignoreCodes(['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'], () => open(lfsFile(directory, oid), flags));
  if (handle === undefined) return undefined;
  const found = await handle.stat();
  if (found.isFile()) return { handle, size: found.size };
  await handle.close();
  return undefined;
}

export async function hasLfsObject(directory: string | undefined, { oid, size }: LfsObject): Promise<boolean> {
  if (directory === undefined) return false;
  const found = await ignoreCodes(['ENOENT', 'ENOTDIR', 'EACCES'], () => lstat(lfsFile(directory, oid)));
  return found?.isFile() === true && found.size === size;
}

/** Gives a directory the object that it lacks and another one has; its bytes are looked at again. */
export async function copyLfsObject(object: LfsObject, from: string, to: string): Promise<void> {
  if (await hasLfsObject(to, object)) return;
  const found = await openLfsObject(from, object.oid);
  if (found === undefined) return;
  try {
    await storeLfsObject({ directory: to }, object.oid, found.handle.createReadStream({ autoClose: false }), found.size);
  } finally {
    await found.handle.close();
  }
}

/** Bytes of all objects that the task pushed. */
export async function measureLfs(directory: string): Promise<number> {
  const entries = (await ignoreCodes(['ENOENT'], () => readdir(directory, { recursive: true, withFileTypes: true }))) ?? [];
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map(async (file) => (await ignoreCodes(['ENOENT'], () => lstat(file)))?.size ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Takes an upload whole or not at all; throws REFUSED where its bytes are not what its name says. */
export async function storeLfsObject({ directory }: LfsPlan, oid: string, body: Readable, maxBytes: number): Promise<number> {
  const target = lfsFile(directory, oid);
  await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
  await sweep(directory);
  const staged = path.join(directory, `.new-${randomBytes(6).toString('hex')}`);
  try {
    const { hash, bytes } = await writeHashed(staged, body, maxBytes);
    if (hash !== oid) throw new TerokError('REFUSED', 'the bytes of the LFS object have another SHA-256 than its name');
    await rename(staged, target);
    return bytes;
  } finally {
    await rm(staged, { force: true });
  }
}

async function writeHashed(file: string, body: Readable, maxBytes: number): Promise<{ hash: string; bytes: number }> {
  const hash = createHash('sha256');
  const handle = await open(file, 'wx', 0o600);
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new TerokError('REFUSED', `an LFS object of this task has at most ${maxBytes} bytes`);
      hash.update(chunk);
      await handle.write(chunk);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { hash: hash.digest('hex'), bytes };
}

async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith('.new-')) continue;
    const found = await ignoreCodes(['ENOENT'], () => lstat(path.join(directory, name)));
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_UPLOAD_MS) await rm(path.join(directory, name), { force: true });
  }
}
