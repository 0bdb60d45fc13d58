/**
 * Speed and memory of the egress side: requests through `inspect` against the same requests made directly, and through a relay written
 * by hand without any decision, in one run. Needs the built code (`npm run build`).
 * Usage: node bench/egress.bench.ts [seconds]; prints JSON.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { type BottleCa, issuerOf, loadCertificateBuilder } from '../src/core/index.ts';
import { mintBottleCa } from '../src/core/resolve/index.ts';
import { GATEWAY_ENV, GATEWAY_FLAGS } from '../src/sidecars/gateway/keeper.ts';

const NAME = 'bench.test.example';
const PHANTOM = 'phantom-token-of-the-bench';
/** After this long without traffic memory counts as at rest again. */
const QUIET_MS = 15_000;
const BULK_BYTES = 200 * 1_000_000;
const seconds = Number(process.argv[2] ?? 5);

interface Side {
  readonly port: number;
  readonly ca: string;
}

interface Helper {
  readonly child: ChildProcess;
  readonly next: () => Promise<Record<string, number>>;
}

const dir = await mkdtemp(path.join(tmpdir(), 'terok-bench-'));
const helpers: Helper[] = [];
try {
  process.stdout.write(`${JSON.stringify(await measure(), null, 2)}\n`);
} finally {
  for (const { child } of helpers) child.kill();
  await rm(dir, { recursive: true, force: true });
}

async function measure(): Promise<Record<string, unknown>> {
  await writeCertificates();
  const upstream = await start('upstream');
  const direct: Side = { port: upstream.first.port ?? 0, ca: readFileSync(`${dir}/upstream-ca.pem`, 'utf8') };
  await writeFile(`${dir}/config.json`, JSON.stringify({ dir, name: NAME, upstreamPort: direct.port }));
  const gateway = await start('gateway');
  const inspect: Side = { port: gateway.first.port ?? 0, ca: readFileSync(`${dir}/ca.pem`, 'utf8') };
  const relay = await start('relay');
  const byHand: Side = { port: relay.first.port ?? 0, ca: inspect.ca };
  const rate: Record<string, unknown> = {};
  for (const connections of [1, 16]) {
    rate[`direct${connections}`] = await requests(direct, connections, direct.port);
    rate[`relay${connections}`] = await requests(byHand, connections, direct.port);
    const before = await usage(gateway.helper);
    const inspected = await requests(inspect, connections, direct.port);
    const after = await usage(gateway.helper);
    rate[`inspect${connections}`] = {
      ...inspected,
      cpuMicrosPerRequest: Math.round((after.cpuMicros - before.cpuMicros) / inspected.total),
    };
  }
  rate.relayHttp2x16 = await requests(byHand, 16, direct.port, true);
  rate.inspectHttp2x16 = await requests(inspect, 16, direct.port, true);
  const bulk = {
    downDirectS: await download(direct, direct.port),
    downInspectS: await download(inspect, direct.port),
    upDirectS: await upload(direct, direct.port),
    upInspectS: await upload(inspect, direct.port),
  };
  const events = { direct: await firstEvent(direct, direct.port), inspect: await firstEvent(inspect, direct.port) };
  const { rssMiB } = await usage(gateway.helper);
  const { rssMiB: relayRssMiB } = await usage(relay.helper);
  await sleep(QUIET_MS);
  const { rssMiB: rssQuietMiB } = await usage(gateway.helper);
  return {
    machine: { cpus: cpus().length, node: process.version, load: loadavg() },
    seconds,
    rssAtRestMiB: gateway.first.rssMiB,
    rssAfterMiB: rssMiB,
    rssQuietMiB,
    relayRssAfterMiB: relayRssMiB,
    rate,
    bulk,
    events,
  };
}

async function requests(
  side: Side,
  connections: number,
  port: number,
  allowH2 = false,
): Promise<{ readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number; readonly total: number }> {
  const pool = poolOf(side, connections, allowH2);
  let total = 0;
  const times: number[] = [];
  const one = async (): Promise<void> => {
    const from = performance.now();
    const { body, statusCode } = await pool.request({ path: '/', method: 'GET', headers: headersFor(port) });
    await body.dump();
    if (statusCode !== 200) throw new Error(`status ${statusCode}`);
    times.push(performance.now() - from);
    total += 1;
  };
  const load = (untilMs: number) =>
    Promise.all(
      Array.from({ length: connections }, async () => {
        while (performance.now() < untilMs) await one();
      }),
    );
  await load(performance.now() + 1_000);
  times.length = 0;
  const from = performance.now();
  await load(from + seconds * 1_000);
  const elapsed = (performance.now() - from) / 1_000;
  await pool.close();
  times.sort((a, b) => a - b);
  const at = (share: number): number => round(times[Math.floor(times.length * share)] ?? 0);
  return { perSecond: Math.round(times.length / elapsed), p50Ms: at(0.5), p99Ms: at(0.99), total };
}

async function download(side: Side, port: number): Promise<number> {
  const pool = poolOf(side, 1);
  const from = performance.now();
  const { body } = await pool.request({ path: `/down/${BULK_BYTES}`, method: 'GET', headers: headersFor(port) });
  let total = 0;
  for await (const chunk of body) total += (chunk as Buffer).length;
  if (total !== BULK_BYTES) throw new Error(`got ${total} bytes`);
  await pool.close();
  return round((performance.now() - from) / 1_000);
}

async function upload(side: Side, port: number): Promise<number> {
  const from = performance.now();
  await new Promise<void>((resolve, reject) => {
    const request = https.request(
      {
        host: '127.0.0.1',
        port: side.port,
        servername: NAME,
        ca: side.ca,
        method: 'POST',
        headers: { host: `${NAME}:${port}`, 'content-length': BULK_BYTES, 'x-api-key': PHANTOM },
      },
      (response) => response.resume().on('end', resolve),
    );
    request.on('error', reject);
    const chunk = Buffer.alloc(64 * 1_000, 'z');
    let left = BULK_BYTES;
    const push = (): void => {
      while (left > 0) {
        left -= chunk.length;
        if (!request.write(chunk)) return void request.once('drain', push);
      }
      request.end();
    };
    push();
  });
  return round((performance.now() - from) / 1_000);
}

async function usage({ child, next }: Helper): Promise<{ readonly rssMiB: number; readonly cpuMicros: number }> {
  child.kill('SIGUSR2');
  const { rssMiB = 0, cpuMicros = 0 } = await next();
  return { rssMiB, cpuMicros };
}

/** Time from an event's writing to its arrival, and from the request to the first. */
async function firstEvent(side: Side, port: number): Promise<Record<string, number>> {
  const pool = poolOf(side, 1);
  await (await pool.request({ path: '/', method: 'GET', headers: headersFor(port) })).body.dump();
  const from = performance.now();
  const { body } = await pool.request({ path: '/events', method: 'GET', headers: headersFor(port) });
  const delays: number[] = [];
  let first = 0;
  for await (const chunk of body) {
    if (first === 0) first = performance.now() - from;
    delays.push(Date.now() - Number(String(chunk).slice(6)));
  }
  await pool.close();
  return { firstMs: round(first), worstDelayMs: Math.max(...delays), chunks: delays.length };
}

function poolOf(side: Side, connections: number, allowH2 = false): Pool {
  return new Pool(`https://127.0.0.1:${side.port}`, { connections, allowH2, connect: { ca: side.ca, servername: NAME } });
}

function headersFor(port: number): Record<string, string> {
  return { host: `${NAME}:${port}`, 'x-api-key': PHANTOM };
}

async function start(role: string): Promise<{ readonly helper: Helper; readonly first: Record<string, number> }> {
  const isGateway = role === 'gateway';
  const child = spawn(
    process.execPath,
    [...(isGateway ? GATEWAY_FLAGS : []), path.join(import.meta.dirname, 'egress-server.mjs'), role, dir],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...(isGateway ? GATEWAY_ENV : {}) },
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, number>> => JSON.parse(String((await lines.next()).value)) as Record<string, number>;
  const helper = { child, next };
  helpers.push(helper);
  return { helper, first: await next() };
}

async function writeCertificates(): Promise<void> {
  const [ca, upstreamCa, build] = [await mintBottleCa('bench'), await mintBottleCa('upstream'), await loadCertificateBuilder()];
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = (issuer: BottleCa) =>
    build(
      {
        subject: NAME,
        publicKey,
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + 86_400_000),
        use: { kind: 'server', name: NAME },
      },
      issuerOf(issuer),
    );
  const [server, leaf] = [certificate(upstreamCa), certificate(ca)];
  const files = {
    'ca.pem': ca.certificatePem,
    'ca.key': ca.keyPem,
    'upstream-ca.pem': upstreamCa.certificatePem,
    'server.pem': server,
    'leaf.pem': leaf,
    'server.key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(path.join(dir, name), text, { mode: 0o600 })));
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
