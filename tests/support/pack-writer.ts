/** Pushes without git of packs that git would not make, to show what the gate does with them. */
import http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { packet } from '../../src/redteam/git/pack-writer.ts';

export * from '../../src/redteam/git/pack-writer.ts';

export interface RawPush {
  readonly old: string;
  readonly next: string;
  readonly ref: string;
}

/** Posts a push to a gate; gives what the pusher would see on the terminal, or the HTTP status and its text. */
export async function pushPack(url: string, { old, next, ref }: RawPush, pack: Iterable<Buffer>): Promise<string> {
  const { hostname, port, pathname } = new URL(`${url}/git-receive-pack`);
  return await new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-git-receive-pack-request' };
    const request = http.request({ hostname, port, path: pathname, method: 'POST', headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve(`${response.statusCode} ${Buffer.concat(parts).toString('latin1')}`));
      response.on('error', reject);
    });
    request.on('error', reject);
    const commands = Buffer.from(`${packet(`${old} ${next} ${ref}\0report-status side-band-64k`)}0000`, 'latin1');
    pipeline(Readable.from(withFirst(commands, pack)), request).catch(reject);
  });
}

function* withFirst(first: Buffer, rest: Iterable<Buffer>): Generator<Buffer> {
  yield first;
  yield* rest;
}
