import { type BottleProcess, type ExecOptions, type ExitStatus, TerokError } from '../core/index.ts';

/** Refused entries that a report names; an archive full of links fills no memory. */
export const MAX_REFUSED = 1_000;
const MAX_TAIL_BYTES = 4 * 1024;

/** As the kernel says it, and as GNU tar does when only a part of a block could be written. */
const FULL_DISK = /no space left on device|disk quota exceeded|wrote only \d+ of \d+ bytes/i;

export function assertBottlePath(path: string): void {
  if (!path.startsWith('/') || path.includes('\0') || path.length < 2)
    throw new TerokError('USAGE', `A path in a bottle is absolute and not the root; got \`${path}\`.`);
}

/** Where copying runs its programs. */
export interface CommandRunner {
  spawn(argv: readonly string[], options?: ExecOptions): Promise<BottleProcess>;
}

/** The last bytes that the program prints to stderr, when it has ended. */
export async function readTail(process: BottleProcess): Promise<string> {
  let tail = Buffer.alloc(0);
  for await (const chunk of process.stderr as AsyncIterable<Buffer>) tail = Buffer.concat([tail, chunk]).subarray(-MAX_TAIL_BYTES);
  return tail.toString('utf8').trim();
}

export interface CopyFailure {
  readonly verb: 'into' | 'out of';
  readonly path: string;
  readonly status: ExitStatus;
  readonly stderr: string;
}

/** The error for a program of the bottle that did not copy. What it printed is shown as it is, without control characters. */
export function copyFailure({ verb, path, status, stderr }: CopyFailure): TerokError {
  const context = { kind: 'copy', path, status };
  if (status.kind === 'cancelled' || status.kind === 'timedOut')
    return new TerokError('CANCELLED', `Copying \`${path}\` ${verb} the bottle was cancelled.`, { context });
  if (status.kind === 'lost')
    return new TerokError('CHANNEL_LOST', `The way into the bottle was lost while \`${path}\` was copied: ${status.reason}`, { context });
  const printable = stderr.replace(/[^\x20-\x7e\n]/g, '?');
  if (FULL_DISK.test(stderr))
    return new TerokError('DISK_FULL', `No space left in the bottle to copy \`${path}\` ${verb} it.`, {
      context,
      hint: 'Free some space, then copy again.',
    });
  return new TerokError(
    'RUNTIME_FAILED',
    `Copying \`${path}\` ${verb} the bottle failed: ${printable === '' ? JSON.stringify(status) : printable}`,
    { context },
  );
}
