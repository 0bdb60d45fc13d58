/**
 * What it costs to look 10 KiB through for the forms of twenty secrets, and for credentials of known kinds. Beside it, a SHA-256 of the
 * same bytes. Usage: node bench/data-loss.bench.ts [rounds]; prints JSON; fails above 1 ms.
 */
import { createHash, randomBytes } from 'node:crypto';
import { cpus, loadavg } from 'node:os';
import { ByteSearch, type SearchOptions } from '../src/sidecars/egress/data-loss/byte-search.ts';
import { loadDetectors } from '../src/sidecars/egress/data-loss/detectors.ts';
import { needleSetOf } from '../src/sidecars/egress/data-loss/watched-values.ts';

const BYTES = 10 * 1024;
const BUDGET_MS = 1;
const rounds = Number(process.argv[2] ?? 300);
const values = Array.from({ length: 20 }, (_, index) => ({
  kind: 'secret' as const,
  name: `s${index}`,
  value: `sk-live-${randomBytes(60).toString('base64url')}`,
}));
const set = needleSetOf(values);
const detect = await loadDetectors();
const bodies = {
  json: Buffer.from(
    JSON.stringify({ messages: Array.from({ length: 200 }, (_, at) => ({ role: 'user', content: `line ${at} of the text` })) }),
  ),
  base64: Buffer.from(randomBytes(BYTES).toString('base64')),
  binary: randomBytes(BYTES),
};

const results: Record<string, unknown> = {};
let isMet = true;
for (const [name, whole] of Object.entries(bodies)) {
  const body = whole.subarray(0, BYTES);
  const [values20, withDetectors, sha256]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round += 1) {
    values20.push(await timeOf(() => search(body, undefined)));
    withDetectors.push(await timeOf(() => search(body, detect)));
    sha256.push(await timeOf(async () => createHash('sha256').update(body).digest()));
  }
  const p50 = { values20: median(values20), withDetectors: median(withDetectors), sha256: median(sha256) };
  isMet &&= p50.values20 <= BUDGET_MS && p50.withDetectors <= BUDGET_MS;
  results[name] = { p50Ms: p50, timesSha256: p50.values20 / p50.sha256 };
}
console.log(JSON.stringify({ machine: { cpus: cpus().length, node: process.version, load: loadavg() }, bytes: BYTES, results }, null, 2));
process.exitCode = isMet ? 0 : 1;

async function search(body: Buffer, detector: SearchOptions['detect']): Promise<void> {
  const options = { set, detect: detector, masksSecrets: false, masksDetected: false, judge: async () => undefined };
  const bytes = new ByteSearch(options);
  await bytes.push(body);
  await bytes.end();
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
