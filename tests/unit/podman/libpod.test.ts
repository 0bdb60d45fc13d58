import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiService } from '../../../src/backends/oci/api-service.ts';
import { Libpod } from '../../../src/backends/oci/libpod.ts';

/** A service that ends, in the way given, with the first request that it finds in its socket; the next one answers. */
const SERVICE = `
  const { existsSync, writeFileSync } = require('node:fs');
  const [way, ended, socket] = [process.argv[2], process.argv[3], process.argv.at(-1).replace('unix://', '')];
  require('node:http').createServer((_, response) => {
    if (existsSync(ended)) return response.end('again');
    writeFileSync(ended, '');
    if (way === 'killed') process.kill(process.pid, 'SIGKILL');
    process.exit(0);
  }).listen(socket);
`;

let dir: string;
let service: ApiService;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'terok-libpod-'));
  await writeFile(path.join(dir, 'service.cjs'), SERVICE);
});
afterEach(async () => {
  await service.close();
  await rm(dir, { recursive: true });
});

function open(way: 'by itself' | 'killed'): Libpod {
  const globalArguments = [path.join(dir, 'service.cjs'), way, path.join(dir, 'ended')];
  service = new ApiService({ binary: process.execPath, globalArguments, launcher: [], env: {} }, path.join(dir, 'run'));
  return new Libpod(service);
}

describe('a request that a service drops', () => {
  it('is sent again where the service ended by itself, for lack of work', async () => {
    expect(await open('by itself').call('ask', { method: 'POST', path: '/x' })).toEqual({ status: 200, text: 'again' });
  });

  it('is an error where the service was killed, which may have done a part of it', async () => {
    await expect(open('killed').call('ask', { method: 'POST', path: '/x' })).rejects.toMatchObject({ code: 'RUNTIME_FAILED' });
  });
});
