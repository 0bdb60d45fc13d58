import { statfs } from 'node:fs/promises';
import { type ErrorCode, ignoreCodes, isTerokError, messageOf, systemCodeOf, TerokError, type TerokPaths } from '../core/index.ts';

/** Programs that run out of space say so in many ways, or not at all; with less than this left it is taken for the reason. */
const NEARLY_NOTHING_BYTES = 256 * 1024;

/** Failures of programs and system calls; an error of any other code has a better reason. */
const OF_THE_MACHINE: readonly ErrorCode[] = [
  'RUNTIME_FAILED',
  'GATEWAY_FAILED',
  'GIT_FAILED',
  'CHANNEL_LOST',
  'STATE_CORRUPT',
  'BACKEND_UNAVAILABLE',
];

/** DISK_FULL where one of terok's directories has no space left, otherwise the error itself. */
export async function explainFullDisk(error: unknown, paths: TerokPaths): Promise<unknown> {
  if (isTerokError(error) && !OF_THE_MACHINE.includes(error.code)) return error;
  const full = await fullDirectory(paths);
  if (full === undefined && systemCodeOf(error) !== 'ENOSPC' && systemCodeOf(error) !== 'EDQUOT') return error;
  return new TerokError('DISK_FULL', `No space is left${full === undefined ? '' : ` in \`${full}\``}: ${messageOf(error)}`, {
    hint: 'Free some space, then run the command again.',
    cause: error,
  });
}

async function fullDirectory(paths: TerokPaths): Promise<string | undefined> {
  for (const dir of Object.values(paths) as string[]) {
    const found = await ignoreCodes(['ENOENT'], () => statfs(dir));
    if (found === undefined) continue;
    if (found.bavail * found.bsize < NEARLY_NOTHING_BYTES || (found.files > 0 && found.ffree === 0)) return dir;
  }
  return undefined;
}
