/**
 * Speed and memory of the egress side in one run, with the same client and server: straight, through a plain pipe, a pipe that ends TLS on
 * both sides, a relay written by hand without any decision, `inspect`, `passthrough`, and other programs that read TLS in between. Needs the built code (`npm run build`).
 * Usage: node bench/egress.bench.ts [seconds of each rate] [seconds of the soak] [MiB of a stream] [names of sides, with commas]; prints JSON.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { events, handshakes, idleConnections, requests, webSocket } from './egress/client.ts';
import type { Side } from './egress/connect.ts';
import { freePort, memory, type Part, startCommand, startPart, writeCertificates } from './egress/parts.ts';
import { PEER_NAMES, peerCommand } from './egress/peers.ts';
import { download, upload } from './egress/streams.ts';
import { topFunctions } from './egress/top-functions.ts';

const NAME = 'bench.test.example';
const PHANTOM = 'phantom-token-of-the-bench';
/** After this long without traffic memory counts as at rest again, see `collect-when-idle.ts`. */
const QUIET_MS = 20_000;
/** One stream, and the new connections, end after this long; the figure is of what passed until then. */
const MEASURED_MS = 5_000;
const [seconds = 3, soakSeconds = 30, streamMiB = 1_024] = process.argv.slice(2, 5).map(Number);
/** A side that takes longer for one figure gets none. */
const ATTEMPT_MS = (seconds + 12) * 1_000;
const only = process.argv[5]?.split(',');
const limits = { bytes: streamMiB * 2 ** 20, withinMs: MEASURED_MS };
const begin = performance.now();

interface Candidate {
  readonly name: string;
  readonly part: Part;
  readonly side: Side;
  readonly http2: boolean;
}

const dir = await mkdtemp(path.join(tmpdir(), 'terok-bench-'));
const children: ChildProcess[] = [];
try {
  process.stdout.write(`${JSON.stringify(await measure(), null, 2)}\n`);
} finally {
  for (const child of children) child.kill();
  await rm(dir, { recursive: true, force: true });
}

async function measure(): Promise<Record<string, unknown>> {
  await writeCertificates(dir, NAME);
  const upstream = await startPart('upstream', { dir, children });
  await writeFile(`${dir}/config.json`, JSON.stringify({ dir, name: NAME, upstreamPort: upstream.port }));
  const absent: Record<string, string> = {};
  const candidates = [...(await ownCandidates(upstream)), ...(await peerCandidates(upstream, absent))];
  const rate: Record<string, unknown> = {};
  const streams: Record<string, unknown> = {};
  const latency: Record<string, unknown> = {};
  const memories: Record<string, unknown> = {};
  for (const candidate of candidates.filter(({ name }) => only?.includes(name) !== false)) {
    const atRest = memory(candidate.part);
    Object.assign(rate, await rates(candidate));
    const { side, name } = candidate;
    latency[name] = {
      events: await attempt(`${name} events`, () => events(side)),
      webSocket: await attempt(`${name} WebSocket`, () => webSocket(side, 300)),
      newConnectionsPerSecond: await attempt(`${name} new connections`, () => handshakes(side, 1_000, MEASURED_MS)),
    };
    streams[name] = {
      downMiBps: await attempt(`${name} download`, () => download(side, limits)),
      upMiBps: await attempt(`${name} upload`, () => upload(side, limits)),
    };
    memories[name] = { readyMs: candidate.part.readyMs, atRest, afterTraffic: await restedMemory(candidate) };
  }
  const inspect = candidates.find(({ name }) => name === 'inspect');
  const soaked = inspect === undefined || soakSeconds === 0 ? undefined : await soak(inspect);
  return {
    machine: { cpus: cpus().length, node: process.version, load: loadavg() },
    seconds,
    streamMiB,
    absent,
    rate,
    latency,
    streams,
    memory: memories,
    soak: soaked,
    profile: await profile(upstream),
  };
}

async function ownCandidates(upstream: Part): Promise<Candidate[]> {
  const ca = (file: string): string => readFileSync(path.join(dir, file), 'utf8');
  const headers = { host: `${NAME}:${upstream.port}`, 'x-api-key': PHANTOM };
  const of = (name: string, part: Part, file: string): Candidate => ({
    name,
    part,
    http2: true,
    side: { port: part.port, ca: ca(file), name: NAME, headers },
  });
  return [
    of('direct', upstream, 'upstream-ca.pem'),
    of('pipe', await startPart('pipe', { dir, children }), 'upstream-ca.pem'),
    of('tlsPipe', await startPart('tls-pipe', { dir, children }), 'ca.pem'),
    of('relay', await startPart('relay', { dir, children }), 'ca.pem'),
    of('inspect', await startPart('gateway', { dir, children }), 'ca.pem'),
    of('passthrough', await startPart('gateway', { dir, children, env: { BENCH_MODE: 'passthrough' } }), 'upstream-ca.pem'),
  ];
}

async function peerCandidates(upstream: Part, absent: Record<string, string>): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const name of PEER_NAMES.filter((peer) => only?.includes(peer) !== false)) {
    const port = await freePort();
    const argv = peerCommand(name, port, dir);
    if ('absent' in argv) {
      absent[name] = argv.absent;
      continue;
    }
    const part = await startCommand(argv, port, children);
    const side = { port, name: 'localhost', connectTo: upstream.port, headers: { host: `localhost:${upstream.port}` } };
    found.push({ name, part, side, http2: name !== 'http-mitm-proxy' });
  }
  return found;
}

async function rates({ name, side, part, http2 }: Candidate): Promise<Record<string, unknown>> {
  const figures: Record<string, unknown> = {};
  for (const connections of [1, 16]) {
    const before = cpuMicros(part);
    const rate = await attempt(`${name} x${connections}`, () => requests(side, connections, { seconds }));
    const spent = cpuMicros(part) - before;
    figures[`${name}${connections}`] = 'failed' in rate ? rate : { ...rate, cpuMicrosPerRequest: Math.round(spent / rate.total) };
    const secondly = `${name}Http2x${connections}`;
    if (http2) figures[secondly] = await attempt(secondly, () => requests(side, connections, { seconds, http2: true }));
  }
  return figures;
}

/** Memory after traffic; of our own gateway also after a pause, and then with a hundred idle connections. */
async function restedMemory({ name, part, side }: Candidate): Promise<Record<string, unknown>> {
  if (name !== 'inspect') return memory(part);
  await sleep(QUIET_MS);
  const rested = memory(part);
  const idle = await attempt('idle connections', () => idleConnections(side, 100));
  await sleep(QUIET_MS);
  const withIdle = memory(part);
  if (!('failed' in idle)) for (const socket of idle) socket.destroy();
  return { ...rested, with100Idle: withIdle };
}

/** Load without pause; memory of the first and of the last third of it. */
async function soak({ part, side }: Candidate): Promise<Record<string, unknown>> {
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(memory(part).rssMiB), 1_000);
  const rate = await attempt('soak', () => requests(side, 16, { seconds: soakSeconds }), ATTEMPT_MS + soakSeconds * 1_000);
  clearInterval(timer);
  const mean = (part_: readonly number[]): number => Math.round(part_.reduce((sum, value) => sum + value, 0) / Math.max(1, part_.length));
  const third = Math.ceil(samples.length / 3);
  return { seconds: soakSeconds, rate, firstThirdMiB: mean(samples.slice(0, third)), lastThirdMiB: mean(samples.slice(-third)) };
}

/** Where the time of a gateway goes under load, so that a figure that is missed says why. */
async function profile(upstream: Part): Promise<Record<string, number>> {
  const profileDir = path.join(dir, 'profile');
  const part = await startPart('gateway', { dir, children, flags: ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] });
  const ca = readFileSync(path.join(dir, 'ca.pem'), 'utf8');
  const side = { port: part.port, ca, name: NAME, headers: { host: `${NAME}:${upstream.port}` } };
  await attempt('profile', () => requests(side, 16, { seconds }));
  part.child.kill('SIGTERM');
  await once(part.child, 'exit');
  return topFunctions(profileDir);
}

function cpuMicros({ child }: Part): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // Ticks of 10 ms
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** One figure, within a time and with a line of progress; a side that cannot do something says so in the figures. */
async function attempt<T>(what: string, work: () => Promise<T>, withinMs = ATTEMPT_MS): Promise<T | { readonly failed: string }> {
  const from = performance.now();
  const stop = new AbortController();
  try {
    const tooLate = sleep(withinMs, undefined, { signal: stop.signal }).then(() => Promise.reject(new Error('not in time')));
    return await Promise.race([work(), tooLate]);
  } catch (error) {
    return { failed: error instanceof Error ? error.message.slice(0, 200) : String(error) };
  } finally {
    stop.abort();
    const at = (ms: number): string => (ms / 1_000).toFixed(1);
    console.error(`egress ${at(performance.now() - begin)} s: ${what} (${at(performance.now() - from)} s)`);
  }
}
