import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { type Bottle, type BufferedExecOptions, type ExecResult, isTerokError, patient, type TerokError } from '../../../src/core/index.ts';

/** Runs a shell program; `$0`, `$1`, … are `words`. */
export function sh(bottle: Bottle, script: string, words: readonly string[] = [], options: BufferedExecOptions = {}): Promise<ExecResult> {
  return bottle.exec(['sh', '-c', script, ...words], { timeoutMs: patient(60_000), ...options });
}

/** As `sh`, for a program that must succeed: its output without the final newline. */
export async function shOutput(
  bottle: Bottle,
  script: string,
  words: readonly string[] = [],
  options: BufferedExecOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await sh(bottle, script, words, options);
  expect({ status, stderr: stderr.toString() }).toMatchObject({ status: { kind: 'exited', code: 0 } });
  return stdout.toString().replace(/\n$/, '');
}

/** A word that no other process has. */
export function uniqueWord(): string {
  return `tkmark${randomBytes(8).toString('hex')}`;
}

/** Number of processes that show the word in their command line; the search does not find itself. */
export async function countMarked(bottle: Bottle, word: string): Promise<number> {
  const pattern = `[${word.charAt(0)}]${word.slice(1)}`;
  return Number(await shOutput(bottle, 'grep -las -e "$0" /proc/[0-9]*/cmdline | wc -l', [pattern]));
}

export async function waitUntil(condition: () => Promise<boolean> | boolean, withinMs: number, what: string): Promise<void> {
  const deadline = Date.now() + patient(withinMs);
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Not within ${patient(withinMs)} ms: ${what}`);
    await sleep(50);
  }
}

/** The `TerokError` that a promise rejects with; anything else fails the test. */
export async function errorOf(promise: Promise<unknown>): Promise<TerokError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in outcome && isTerokError(outcome.error)) return outcome.error;
  throw new Error(`Expected a TerokError; got ${JSON.stringify('error' in outcome ? String(outcome.error) : outcome.value)}`);
}

export async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
