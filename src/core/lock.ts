import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { lock } from 'proper-lockfile';
import { messageOf, TerokError } from './errors.ts';

export interface LockOptions {
  readonly signal?: AbortSignal;
  /** How long to wait for the lock, 30 000 by default: longer than a crashed holder's lease */
  readonly waitMs?: number;
}

/** A holder that does not renew its lease for this long has lost it; above any pause of a healthy process. */
const LEASE_MS = 15_000;
const RENEW_MS = 3_000;

/**
 * Runs `work` while this process alone holds the lock on `file` (which need not exist). The lock is a lease: hold it for one
 * read-modify-write of one file, never across a call to a runtime. Where the lease is lost while `work` runs, its signal aborts
 * and the call fails with LOCK_LOST.
 */
export async function withLock<T>(file: string, work: (signal: AbortSignal) => Promise<T>, options: LockOptions = {}): Promise<T> {
  const lost = new AbortController();
  const release = await acquire(file, lost, options);
  try {
    const result = await work(lost.signal);
    lost.signal.throwIfAborted();
    return result;
  } finally {
    if (!lost.signal.aborted) await release();
  }
}

async function acquire(file: string, lost: AbortController, options: LockOptions): Promise<() => Promise<void>> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const deadline = Date.now() + (options.waitMs ?? 30_000);
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      return await lock(file, {
        realpath: false,
        stale: LEASE_MS,
        update: RENEW_MS,
        onCompromised: (error) =>
          lost.abort(
            new TerokError('LOCK_LOST', `The lock on \`${file}\` was lost: ${error.message}`, { context: { file }, cause: error }),
          ),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
      if (Date.now() > deadline) {
        throw new TerokError('TIMEOUT', `Another terok process holds the lock on \`${file}\`: ${messageOf(error)}`, {
          context: { file },
          hint: 'Wait for it to end, or look for a stuck `terok` process.',
        });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
  }
}
