import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, TerokError } from '../core/index.ts';

/** Where the base image comes from. */
export type BaseImage =
  | { readonly kind: 'debian'; readonly suite?: string }
  | { readonly kind: 'registry'; readonly reference: string }
  /** OCI or Docker archive */
  | { readonly kind: 'archive'; readonly file: string }
  /** Tar archive or directory of a root filesystem */
  | { readonly kind: 'rootfs'; readonly path: string };

/** `image.base` of the configuration, of which exactly one member is present. */
export interface BaseSetting {
  readonly debian?: string | undefined;
  readonly registry?: string | undefined;
  readonly archive?: string | undefined;
  readonly rootfs?: string | undefined;
}

/** Debian where nothing is set. */
export function toBaseImage(setting: BaseSetting | undefined): BaseImage {
  if (setting?.registry !== undefined) return { kind: 'registry', reference: setting.registry };
  if (setting?.archive !== undefined) return { kind: 'archive', file: setting.archive };
  if (setting?.rootfs !== undefined) return { kind: 'rootfs', path: setting.rootfs };
  return setting?.debian === undefined ? { kind: 'debian' } : { kind: 'debian', suite: setting.debian };
}

/** More entries than any root filesystem; bounds the look at a directory that was named by mistake. */
const MAX_ENTRIES = 1_000_000;

/** What tells one state of a file or directory from another, without reading contents: names, sizes, times. */
export async function identityOf(file: string): Promise<unknown> {
  const stat = await ignoreCodes(['ENOENT', 'ENOTDIR'], () => lstat(file));
  if (stat === undefined) {
    throw new TerokError('IMAGE_UNAVAILABLE', `The base image \`${file}\` does not exist.`, {
      context: { file },
      hint: 'Correct `image.base` in the configuration.',
    });
  }
  if (!stat.isDirectory()) return [file, stat.size, stat.mtimeMs, stat.ino];
  const names = await readdir(file, { recursive: true });
  if (names.length > MAX_ENTRIES)
    throw new TerokError(
      'IMAGE_UNAVAILABLE',
      `The directory \`${file}\` has more than ${MAX_ENTRIES} entries; it is not a root filesystem.`,
    );
  const entries: unknown[] = [];
  for (const name of names.sort()) {
    const entry = await lstat(path.join(file, name));
    entries.push([name, entry.size, entry.mtimeMs, entry.mode]);
  }
  return [file, entries];
}
