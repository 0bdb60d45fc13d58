/** The client of the egress bench: the same for every side, through a proxy by CONNECT or straight to a port that stands for the server. */
import { once } from 'node:events';
import net from 'node:net';
import { Readable } from 'node:stream';
import tls from 'node:tls';
import { callbackify } from 'node:util';
import { Pool } from 'undici';

export interface Side {
  readonly port: number;
  /** CA that signs what the client sees; anything is taken where absent, because some peers make their own */
  readonly ca?: string;
  /** Name of the server as this side knows it */
  readonly name: string;
  /** Port of the server where the side is a proxy that is asked with CONNECT */
  readonly connectTo?: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Rate {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly total: number;
}

const WARM_UP_MS = 1_000;
/** A peer that is slower than this with one stream gets no figure. */
const STREAM_MS = 60_000;

export async function requests(
  side: Side,
  connections: number,
  options: { readonly seconds: number; readonly http2?: boolean },
): Promise<Rate> {
  const pool = poolOf(side, connections, options.http2);
  let total = 0;
  const times: number[] = [];
  const one = async (): Promise<void> => {
    const from = performance.now();
    const { body, statusCode } = await pool.request({ path: '/', method: 'GET', headers: side.headers });
    await body.dump();
    if (statusCode !== 200) throw new Error(`status ${statusCode}`);
    times.push(performance.now() - from);
    total += 1;
  };
  const load = (untilMs: number): Promise<unknown> =>
    Promise.all(
      Array.from({ length: connections }, async () => {
        while (performance.now() < untilMs) await one();
      }),
    );
  await load(performance.now() + WARM_UP_MS);
  times.length = 0;
  const from = performance.now();
  await load(from + options.seconds * 1_000);
  const elapsed = (performance.now() - from) / 1_000;
  await pool.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): number => round(times[Math.floor(times.length * share)] ?? 0);
  return { perSecond: Math.round(times.length / elapsed), p50Ms: at(0.5), p99Ms: at(0.99), total };
}

/** MiB each second on one stream; undefined where it did not end in time. */
export async function download(side: Side, bytes: number): Promise<number | undefined> {
  const pool = poolOf(side, 1);
  const from = performance.now();
  let total = 0;
  try {
    const signal = AbortSignal.timeout(STREAM_MS);
    const { body } = await pool.request({ path: `/down/${bytes}`, method: 'GET', headers: side.headers, signal });
    for await (const chunk of body) total += (chunk as Buffer).length;
  } catch (error) {
    if (performance.now() - from < STREAM_MS) throw error;
    return undefined;
  } finally {
    await pool.destroy();
  }
  if (total !== bytes) throw new Error(`got ${total} bytes`);
  return mibPerSecond(bytes, from);
}

export async function upload(side: Side, bytes: number): Promise<number | undefined> {
  const pool = poolOf(side, 1);
  const chunk = Buffer.alloc(64 * 1_024, 'z');
  async function* body(): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0; left -= chunk.length) yield left >= chunk.length ? chunk : chunk.subarray(0, left);
  }
  const from = performance.now();
  try {
    const headers = { ...side.headers, 'content-length': String(bytes) };
    const answer = await pool.request({
      path: '/',
      method: 'POST',
      headers,
      body: Readable.from(body()),
      signal: AbortSignal.timeout(STREAM_MS),
    });
    await answer.body.dump();
  } catch (error) {
    if (performance.now() - from < STREAM_MS) throw error;
    return undefined;
  } finally {
    await pool.destroy();
  }
  return mibPerSecond(bytes, from);
}

/** Time from the writing of an event to its arrival. */
export async function events(side: Side): Promise<{ readonly p50Ms: number; readonly worstMs: number }> {
  const pool = poolOf(side, 1);
  const { body } = await pool.request({ path: '/events', method: 'GET', headers: side.headers });
  const delays: number[] = [];
  for await (const chunk of body) delays.push(performance.timeOrigin + performance.now() - Number(String(chunk).slice(6)));
  await pool.destroy();
  delays.sort((a, b) => a - b);
  return { p50Ms: round(delays[Math.floor(delays.length / 2)] ?? 0), worstMs: round(delays.at(-1) ?? 0) };
}

/** Round trip of a small message of a WebSocket. */
export async function webSocket(side: Side, frames: number): Promise<{ readonly p50Ms: number; readonly p99Ms: number }> {
  const socket = await connect(side);
  const lines = Object.entries({
    host: `${side.name}:80`,
    ...side.headers,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET /ws HTTP/1.1\r\n${lines.join('')}\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  if (!head.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error('no WebSocket');
  const frame = Buffer.concat([Buffer.of(0x81, 0x80 | 16, 0, 0, 0, 0), Buffer.alloc(16, 'm')]);
  const times: number[] = [];
  for (let count = 0; count < frames; count += 1) {
    const from = performance.now();
    socket.write(frame);
    await once(socket, 'data');
    times.push(performance.now() - from);
  }
  socket.destroy();
  times.sort((a, b) => a - b);
  return { p50Ms: round(times[Math.floor(frames / 2)] ?? 0), p99Ms: round(times[Math.floor(frames * 0.99)] ?? 0) };
}

/** New TLS connections each second, each with one request, 16 at a time. */
export async function handshakes(side: Side, count: number): Promise<number> {
  let left = count;
  const from = performance.now();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (left > 0) {
        left -= 1;
        const pool = poolOf(side, 1);
        await (await pool.request({ path: '/', method: 'GET', headers: side.headers })).body.dump();
        await pool.destroy();
      }
    }),
  );
  return Math.round(count / ((performance.now() - from) / 1_000));
}

export async function idleConnections(side: Side, count: number): Promise<readonly tls.TLSSocket[]> {
  return await Promise.all(Array.from({ length: count }, () => connect(side)));
}

function poolOf(side: Side, connections: number, allowH2 = false): Pool {
  return new Pool(`https://${side.name}`, {
    connections,
    allowH2,
    connect: (_options, done) => {
      callbackify(() => connect(side, allowH2 ? ['h2'] : ['http/1.1']))((error, socket) => {
        if (error === null) done(null, socket);
        else done(error, null);
      });
    },
  });
}

async function connect(side: Side, ALPNProtocols: readonly string[] = ['http/1.1']): Promise<tls.TLSSocket> {
  const socket = net.connect({ port: side.port, host: '127.0.0.1', noDelay: true });
  if (side.connectTo !== undefined) {
    socket.write(`CONNECT ${side.name}:${side.connectTo} HTTP/1.1\r\nHost: ${side.name}:${side.connectTo}\r\n\r\n`);
    await once(socket, 'data');
  }
  const trust = side.ca === undefined ? { rejectUnauthorized: false } : { ca: side.ca };
  const secured = tls.connect({ socket, servername: side.name, ALPNProtocols: [...ALPNProtocols], ...trust });
  await once(secured, 'secureConnect');
  return secured;
}

function mibPerSecond(bytes: number, from: number): number {
  return Math.round(bytes / 2 ** 20 / ((performance.now() - from) / 1_000));
}

export function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
