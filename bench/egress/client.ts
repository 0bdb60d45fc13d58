/** The loads of the egress bench that count requests, events, frames and connections: the same for every side. */
import { once } from 'node:events';
import type tls from 'node:tls';
import { connect, poolOf, type Side } from './connect.ts';

export interface Rate {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly total: number;
}

const WARM_UP_MS = 500;

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

/** Time from the writing of an event to its arrival. */
export async function events(side: Side): Promise<{ readonly p50Ms: number; readonly worstMs: number }> {
  const pool = poolOf(side, 1);
  const { body } = await pool.request({ path: '/events', method: 'GET', headers: side.headers });
  const delays: number[] = [];
  for await (const chunk of body) {
    const now = performance.timeOrigin + performance.now();
    // A proxy that collects events gives several at once
    for (const [, sent] of String(chunk).matchAll(/data: ([\d.]+)\n\n/g)) delays.push(now - Number(sent));
  }
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

/** New TLS connections each second, each with one request, 16 at a time: so many, or those of the time. */
export async function handshakes(side: Side, count: number, withinMs: number): Promise<number> {
  let left = count;
  let made = 0;
  const from = performance.now();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (left > 0 && performance.now() - from < withinMs) {
        left -= 1;
        const pool = poolOf(side, 1);
        await (await pool.request({ path: '/', method: 'GET', headers: side.headers })).body.dump();
        await pool.destroy();
        made += 1;
      }
    }),
  );
  return Math.round(made / ((performance.now() - from) / 1_000));
}

export async function idleConnections(side: Side, count: number): Promise<readonly tls.TLSSocket[]> {
  return await Promise.all(Array.from({ length: count }, () => connect(side)));
}

export function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
