/** One stream through a side in each direction, in MiB each second: all its bytes, or those of the time that it has. */
import { Readable } from 'node:stream';
import { poolOf, type Side } from './connect.ts';

export interface StreamLimits {
  readonly bytes: number;
  readonly withinMs: number;
}

export async function download(side: Side, { bytes, withinMs }: StreamLimits): Promise<number> {
  const pool = poolOf(side, 1);
  try {
    const from = performance.now();
    const { body } = await pool.request({ path: `/down/${bytes}`, method: 'GET', headers: side.headers });
    let total = 0;
    for await (const chunk of body) {
      total += (chunk as Buffer).length;
      if (performance.now() - from > withinMs) return mibPerSecond(total, from);
    }
    if (total !== bytes) throw new Error(`got ${total} bytes`);
    return mibPerSecond(total, from);
  } finally {
    await pool.destroy();
  }
}

/** The body is chunked, so that it may end when its time is over; the answer of the server is waited for. */
export async function upload(side: Side, { bytes, withinMs }: StreamLimits): Promise<number> {
  const pool = poolOf(side, 1);
  const chunk = Buffer.alloc(64 * 1_024, 'z');
  const from = performance.now();
  let total = 0;
  async function* body(): AsyncGenerator<Buffer> {
    for (; total < bytes && performance.now() - from < withinMs; total += chunk.length) yield chunk;
  }
  try {
    const answer = await pool.request({ path: '/', method: 'POST', headers: side.headers, body: Readable.from(body()) });
    await answer.body.dump();
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
    return mibPerSecond(total, from);
  } finally {
    await pool.destroy();
  }
}

function mibPerSecond(bytes: number, from: number): number {
  return Math.round(bytes / 2 ** 20 / ((performance.now() - from) / 1_000));
}
