import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { type BottleProcess, patient } from '../../../src/core/index.ts';
import { type ConformanceCase, withoutTerminal } from '../support/case.ts';
import { errorOf, sh, shOutput, waitUntil } from '../support/in-bottle.ts';
import { sized } from '../support/scale.ts';

const MIB = 1024 * 1024;
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

/** One GiB where the run is not scaled down; more than all buffers on the way hold */
const OUTPUT_MIB = Math.max(160, sized(1024));

/** Host memory that a stream of any length may cost. */
const MEMORY_BUDGET_BYTES = 256 * MIB;

export const streamCases: readonly ConformanceCase[] = [
  {
    id: 'F12',
    title: 'standard input is binary, ends when it should, and never blocks a command that does not read it',
    timeoutMs: 180_000,
    run: async ({ bottle }) => {
      expect((await bottle.exec(['cat'], { timeoutMs: patient(10_000) })).status).toEqual({ kind: 'exited', code: 0 });
      const data = randomBytes(3 * MIB);
      const echoed = await bottle.exec(['cat'], { input: data, timeoutMs: patient(30_000) });
      expect(sha256(echoed.stdout)).toBe(sha256(data));
      const early = await sh(bottle, 'head -c 4; exit 6', [], { input: Readable.from(chunks(64, MIB)) });
      expect(early.status).toEqual({ kind: 'exited', code: 6 });
      const endless = new PassThrough();
      expect((await bottle.exec(['true'], { input: endless, timeoutMs: patient(10_000) })).status).toEqual({ kind: 'exited', code: 0 });
      const amplified = await bottle.exec(['cat'], {
        input: Readable.from(chunks(sized(100), MIB)),
        maxOutputBytes: 128 * MIB,
        timeoutMs: 120_000,
      });
      expect(amplified.stdout.length).toBe(sized(100) * MIB);
    },
  },
  {
    id: 'F13',
    title: '1 GiB of output is complete, costs constant memory, and a slow reader slows the command',
    timeoutMs: 300_000,
    run: async ({ bottle, scratch }) => {
      const script = 'i=0; while [ $i -lt "$1" ]; do head -c 1048576 /dev/zero; i=$((i+1)); echo $i > "$0/written"; done';
      const writer = await bottle.spawn(['sh', '-c', script, scratch, String(OUTPUT_MIB)]);
      writer.stdin.end();
      await sleep(1_500);
      const written = (): Promise<number> => shOutput(bottle, 'cat "$0/written" 2>/dev/null || echo 0', [scratch]).then(Number);
      const standsStill = async (): Promise<boolean> => (await written()) === (await sleep(patient(500)), await written());
      await waitUntil(standsStill, 10_000, 'the command waits for its reader');
      expect(await written()).toBeLessThan(128);
      const before = process.memoryUsage.rss();
      const { bytes, peak } = await drain(writer);
      expect(bytes).toBe(OUTPUT_MIB * MIB);
      expect(await writer.exited).toEqual({ kind: 'exited', code: 0 });
      expect(peak - before).toBeLessThan(MEMORY_BUDGET_BYTES);
    },
  },
  {
    id: 'F14',
    title: '50 commands at once each get their own result',
    timeoutMs: 120_000,
    run: async ({ bottle }) => {
      const numbers = Array.from({ length: 50 }, (_, index) => index);
      const results = await Promise.all(
        numbers.map((number) =>
          sh(bottle, 'cat; echo "out $0"; echo "err $0" >&2; exit $0', [String(number)], { input: `in ${number}\n` }),
        ),
      );
      expect(results.map(({ status, stdout, stderr }) => [status, stdout.toString(), stderr.toString()])).toEqual(
        numbers.map((number) => [{ kind: 'exited', code: number }, `in ${number}\nout ${number}\n`, `err ${number}\n`]),
      );
    },
  },
  {
    id: 'F14b',
    title: 'output beyond the cap of a buffered command is an error, not a cut',
    run: async ({ bottle }) => {
      const error = await errorOf(
        bottle.exec(['head', '-c', '70000', '/dev/zero'], { maxOutputBytes: 65_536, timeoutMs: patient(20_000) }),
      );
      expect(error).toMatchObject({ code: 'RUNTIME_FAILED', context: { kind: 'outputTooLarge', stream: 'stdout' } });
      expect((await bottle.exec(['head', '-c', '65536', '/dev/zero'], { maxOutputBytes: 65_536 })).stdout.length).toBe(65_536);
    },
  },
  {
    id: 'F15',
    title: 'a terminal has its size from the start, follows a resize, and passes control keys and the exit code',
    unless: withoutTerminal,
    run: async ({ bottle }) => {
      const script =
        'test -t 0 && test -t 1 && test -t 2 && echo terminal; stty size; trap "stty size" WINCH; i=0; while [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done';
      const sized = await bottle.spawn(['sh', '-c', script], { terminal: { columns: 101, rows: 31 } });
      const text = gather(sized);
      await waitUntil(() => text().includes('31 101'), 5_000, 'the first size');
      expect(text()).toContain('terminal');
      sized.resize({ columns: 77, rows: 22 });
      await waitUntil(() => text().includes('22 77'), 5_000, 'the new size');
      sized.stdin.write('\x03');
      // A terminal program between the two reports the death of its child as 128 + 2
      expect([
        { kind: 'signalled', signal: 'INT' },
        { kind: 'exited', code: 130 },
      ]).toContainEqual(await sized.exited);
      const ended = await bottle.spawn(['sh', '-c', 'cat; echo after; exit 7'], { terminal: { columns: 80, rows: 24 } });
      const echoed = gather(ended);
      ended.stdin.write('typed\r');
      await waitUntil(() => echoed().includes('typed'), 5_000, 'the echo');
      ended.stdin.write('\x04');
      expect(await ended.exited).toEqual({ kind: 'exited', code: 7 });
      await waitUntil(() => echoed().includes('after'), 2_000, 'the last output');
    },
  },
];

function* chunks(count: number, bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(bytes, 'a');
  for (let index = 0; index < count; index += 1) yield chunk;
}

function gather(process: BottleProcess): () => string {
  const parts: Buffer[] = [];
  process.stdout.on('data', (chunk: Buffer) => parts.push(chunk));
  return () => Buffer.concat(parts).toString();
}

async function drain(running: BottleProcess): Promise<{ bytes: number; peak: number }> {
  let [bytes, peak] = [0, 0];
  const zeros = Buffer.alloc(16 * MIB);
  for await (const chunk of running.stdout as AsyncIterable<Buffer>) {
    if (!zeros.subarray(0, chunk.length).equals(chunk)) throw new Error('The output was changed on its way.');
    if (bytes < 100 * MIB && bytes + chunk.length >= 100 * MIB) await sleep(2_000);
    bytes += chunk.length;
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  return { bytes, peak };
}
