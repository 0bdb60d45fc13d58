import { truncate, writeFile } from 'node:fs/promises';
import { runOrThrow } from '../../src/core/index.ts';

export interface DiskRequest {
  readonly file: string;
  /** Directory whose files the disk holds */
  readonly from: string;
  readonly mebibytes: number;
  readonly signal: AbortSignal;
}

const MKE2FS_MS = 10 * 60_000;

/** Makes a sparse file with an ext4 file system that holds a directory; nothing is mounted. */
export async function makeDisk({ file, from, mebibytes, signal }: DiskRequest): Promise<void> {
  await makeEmptyDisk(file, mebibytes);
  const features = ['-O', '^has_journal', '-E', 'lazy_itable_init=1', '-m', '0'];
  await runOrThrow(['mke2fs', '-q', '-t', 'ext4', ...features, '-d', from, file], { timeoutMs: MKE2FS_MS, signal });
}

/** A file of zeros that takes no room. */
export async function makeEmptyDisk(file: string, mebibytes: number): Promise<void> {
  await writeFile(file, '', { mode: 0o600 });
  await truncate(file, mebibytes * 1024 * 1024);
}
