import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from '../../../src/core/index.ts';

let dir: string;
let file: string;
let holder: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'terok-lock-'));
  file = path.join(dir, 'deep', 'state.json');
});
afterEach(async () => {
  holder?.kill('SIGKILL');
  holder = undefined;
  await rm(dir, { recursive: true, force: true });
});

/** Another process that has the lock. */
async function startHolder(): Promise<ChildProcess> {
  const program = path.join(import.meta.dirname, '../../support/lock-holder.ts');
  holder = spawn(process.execPath, [program, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout ?? holder, 'data');
  return holder;
}

const work = async (): Promise<string> => await Promise.resolve('done');

test('changes that read first do not lose each other', async () => {
  const count = path.join(dir, 'count');
  await writeFile(count, '0');
  const add = async (): Promise<void> => {
    const read = Number(await readFile(count, 'utf8'));
    await sleep(1);
    await writeFile(count, String(read + 1));
  };
  await Promise.all(Array.from({ length: 10 }, () => withLock(file, add)));
  expect(await readFile(count, 'utf8')).toBe('10');
});

test('a lock that another process holds is waited for no longer than was said, and the error says what to do', async () => {
  await startHolder();
  await expect(withLock(file, work, { waitMs: 100 })).rejects.toMatchObject({
    code: 'TIMEOUT',
    context: { file },
    hint: expect.stringContaining('stuck'),
  });
});

test('a wait for a lock can be given up', async () => {
  await startHolder();
  const stop = new AbortController();
  const waiting = withLock(file, work, { signal: stop.signal });
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});

test('the lock of a process that was killed is taken over once its lease is over', async () => {
  const { pid } = await startHolder();
  process.kill(pid ?? 0, 'SIGKILL');
  await expect(withLock(file, work, { waitMs: 0 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  const old = new Date(Date.now() - 16_000);
  await utimes(`${file}.lock`, old, old);
  expect(await withLock(file, work, { waitMs: 5_000 })).toBe('done');
});

test('work whose lease is lost is told so and fails', async () => {
  let told: unknown;
  const lost = withLock(file, async (signal) => {
    await rm(`${file}.lock`, { recursive: true });
    await once(signal, 'abort');
    told = signal.reason;
  });
  await expect(lost).rejects.toMatchObject({ code: 'LOCK_LOST', context: { file } });
  expect(told).toMatchObject({ code: 'LOCK_LOST' });
});

test('a lock is given back where the work fails', async () => {
  await expect(withLock(file, async () => await Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await withLock(file, work, { waitMs: 0 })).toBe('done');
});
