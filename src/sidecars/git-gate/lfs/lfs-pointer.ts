import type { LfsObject } from './lfs-store.ts';

const VERSION = 'version https://git-lfs.github.com/spec/v1\n';
/** Longest pointer, extensions included */
export const MAX_POINTER_BYTES = 1_024;

/** The object that a file of the repository stands for; undefined where the file is no pointer. */
export function parseLfsPointer(bytes: Buffer): LfsObject | undefined {
  if (bytes.length > MAX_POINTER_BYTES || !bytes.subarray(0, VERSION.length).equals(Buffer.from(VERSION))) return undefined;
  const text = bytes.toString('latin1');
  const [oid, size] = [/^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1], /^size (\d{1,15})$/m.exec(text)?.[1]];
  return oid === undefined || size === undefined ? undefined : { oid, size: Number(size) };
}

/** The pointer that git-lfs writes for an object. */
export function lfsPointer({ oid, size }: LfsObject): string {
  return `${VERSION}oid sha256:${oid}\nsize ${size}\n`;
}
