import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiService } from '../../../src/backends/oci/api-service.ts';
import { Libpod } from '../../../src/backends/oci/libpod.ts';

/** Answers each request with the number of its process, which it notes when it starts; `/killed` kills it. */
const SERVICE = `
  const { appendFileSync } = require('node:fs');
  appendFileSync(process.argv[2], process.pid + '\\n');
  require('node:http').createServer((request, response) => {
    if (request.url.endsWith('/killed')) process.kill(process.pid, 'SIGKILL');
    else response.end(String(process.pid));
  }).listen(process.argv.at(-1).replace('unix://', ''));
`;

let dir: string;
let service: ApiService;
let libpod: Libpod;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'terok-libpod-'));
  await writeFile(path.join(dir, 'service.cjs'), SERVICE);
  const globalArguments = [path.join(dir, 'service.cjs'), path.join(dir, 'started')];
  service = new ApiService({ binary: process.execPath, globalArguments, launcher: [], env: {} }, path.join(dir, 'run'));
  libpod = new Libpod(service);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await service.abandon();
  await rm(dir, { recursive: true });
});

const ask = async (way = ''): Promise<number> => Number((await libpod.call('ask', { method: 'POST', path: `/${way}` })).text);
const started = async (): Promise<number[]> => (await readFile(path.join(dir, 'started'), 'utf8')).trim().split('\n').map(Number);

/** As if so many seconds had gone by. */
function wait(seconds: number): void {
  const now = performance.now() + seconds * 1000;
  vi.spyOn(performance, 'now').mockReturnValue(now);
}

describe('the service of Podman', () => {
  it('is started once, also for requests that come at the same moment, and answers those that follow soon', async () => {
    const [first, second] = await Promise.all([ask(), ask()]);
    wait(4);
    expect([second, await ask()]).toEqual([first, first]);
    expect(await started()).toEqual([first]);
  });

  it('that was idle for half of its time, and could end at any moment, is asked no more, and works on', async () => {
    const first = await ask();
    wait(6);
    const second = await ask();
    expect(await started()).toEqual([first, second]);
    expect(() => process.kill(first, 0)).not.toThrow();
    await service.abandon();
    for (const pid of [first, second]) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('that is killed at a request may have done a part of it: that is an error, and the next request finds another one', async () => {
    const first = await ask();
    await expect(ask('killed')).rejects.toMatchObject({ code: 'RUNTIME_FAILED' });
    expect(await ask()).not.toBe(first);
  });
});
