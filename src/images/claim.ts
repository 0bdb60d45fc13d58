/*
 * Scope: of all terok processes, exactly one builds an image; a dead builder's claim passes on. The claim is a file with the
 * builder's identity, because a lease lock cannot be held over a build of minutes.
 * Fail-safe direction: a claim that cannot be read counts as abandoned; the worst result is that the same image is built twice.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import {
  identifyProcess,
  isAlive,
  isTerokError,
  processIdentitySchema,
  readStateFile,
  TerokError,
  withLock,
  writeStateFile,
} from '../core/index.ts';

const claimSchema = z.strictObject({
  token: z.string(),
  holder: processIdentitySchema,
});

type Claim = z.output<typeof claimSchema>;

const POLL_MS = 200;

export interface ClaimOptions<T> {
  /** Looked at before each attempt; anything but undefined ends the wait without a claim */
  readonly isDone: () => Promise<T | undefined>;
  readonly onWait?: (holderPid: number) => void;
  readonly signal?: AbortSignal;
}

/** Gives what `isDone` finds, or runs `work` while this call alone holds the claim on `file`. */
export async function withClaim<T>(file: string, options: ClaimOptions<T>, work: () => Promise<T>): Promise<T> {
  const token = randomUUID();
  let told = false;
  for (;;) {
    options.signal?.throwIfAborted();
    const done = await options.isDone();
    if (done !== undefined) return done;
    const holder = await take(file, token, options.signal);
    if (holder === undefined) break;
    if (!told) options.onWait?.(holder);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  try {
    // The image may have been finished between the last look and the claim
    return (await options.isDone()) ?? (await work());
  } finally {
    await release(file, token);
  }
}

/** Undefined where the claim is now ours, otherwise the pid of the live holder. */
async function take(file: string, token: string, signal: AbortSignal | undefined): Promise<number | undefined> {
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new TerokError('RUNTIME_FAILED', '`/proc` does not show this process; terok needs a mounted `/proc`.');
  return await withLock(
    file,
    async () => {
      const claim = await readClaim(file);
      if (claim !== undefined && isAlive(claim.holder)) return claim.holder.pid;
      await writeStateFile(file, { token, holder: self } satisfies Claim);
      return undefined;
    },
    signal === undefined ? {} : { signal },
  );
}

async function release(file: string, token: string): Promise<void> {
  await withLock(file, async () => {
    if ((await readClaim(file))?.token === token) await rm(file, { force: true });
  });
}

async function readClaim(file: string): Promise<Claim | undefined> {
  try {
    return await readStateFile(file, claimSchema);
  } catch (error) {
    if (isTerokError(error) && error.code === 'STATE_CORRUPT') return undefined;
    throw error;
  }
}
