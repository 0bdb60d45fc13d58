// Measures the exec channel against `podman exec` in the same run, and prints JSON. Run: `node bench/exec.bench.ts [rounds]`.
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openChannel } from '../src/exec-channel/index.ts';
import { setup } from '../tests/support/global-setup.ts';

const ROUNDS = Number(process.argv[2] ?? 200);
const PODMAN_ROUNDS = 20;
const BIG_BYTES = 1024 ** 3;
const MIB = 1024 ** 2;

const tearDown = await setup();
await using _home = { [Symbol.asyncDispose]: async () => await tearDown?.() };
// it takes the name of the image from the environment that `setup` made
const { startTestBottle, whyNoTestBottle } = await import('../tests/integration/exec-channel-bottle.ts');
const reason = await whyNoTestBottle();
if (reason !== undefined) {
  console.error(`The benchmark cannot run here: ${reason}`);
  process.exit(1);
}

await using bottle = await startTestBottle();
const channel = openChannel(bottle);
const firstMs = await timed(() => channel.exec(['true']));
const startToFirstMs = performance.now() - bottle.startedAt;
const openings = await series(10, async () => {
  const other = openChannel(bottle);
  await other.exec(['true']);
  other.close();
});
const round = await series(ROUNDS, () => channel.exec(['true']));
const podmanExec = await series(PODMAN_ROUNDS, () => bottle.podman(['exec', bottle.name, 'true']));
const parallelMs = await timed(() => Promise.all(Array.from({ length: 50 }, () => channel.exec(['true']))));
const hundredMegabytesMs = await timed(() => drain(100_000_000));
const gibibyte = await measureGibibyte();
channel.close();

const result = {
  machine: { node: process.version, cpus: (await import('node:os')).availableParallelism() },
  openToFirstResult: summary(openings),
  coldFirstResultMs: firstMs,
  startToFirstResultMs: startToFirstMs,
  exec: summary(round),
  podmanExec: summary(podmanExec),
  timesFaster: summary(podmanExec).p50 / summary(round).p50,
  fiftyParallelMs: parallelMs,
  hundredMegabytesMs,
  gibibyte,
};
const text = `${JSON.stringify(result, null, 2)}\n`;
await mkdir(path.join(import.meta.dirname, 'results'), { recursive: true });
await writeFile(path.join(import.meta.dirname, 'results/exec.json'), text);
process.stdout.write(text);

async function measureGibibyte(): Promise<{ ms: number; rssBeforeMiB: number; rssPeakMiB: number; samplesMiB: readonly number[] }> {
  const before = process.memoryUsage.rss();
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(Math.round(process.memoryUsage.rss() / MIB)), 250);
  const ms = await timed(() => drain(BIG_BYTES));
  clearInterval(timer);
  return { ms, rssBeforeMiB: Math.round(before / MIB), rssPeakMiB: Math.max(...samples), samplesMiB: samples };
}

async function drain(bytes: number): Promise<void> {
  const running = await channel.spawn(['head', '-c', String(bytes), '/dev/zero']);
  const hash = createHash('sha256');
  let seen = 0;
  for await (const chunk of running.stdout as AsyncIterable<Buffer>) {
    seen += chunk.length;
    if (bytes < BIG_BYTES) continue;
    hash.update(chunk);
  }
  if (seen !== bytes) throw new Error(`Expected ${bytes} bytes, got ${seen}.`);
}

async function series(count: number, work: () => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) times.push(await timed(work));
  return times;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function summary(times: readonly number[]): { p50: number; p99: number; count: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 100) / 100;
  return { p50: at(0.5), p99: at(0.99), count: times.length };
}
