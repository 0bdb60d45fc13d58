import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { identifyProcess } from '../../../src/core/index.ts';
import { withClaim } from '../../../src/images/claim.ts';
import { withStaging } from '../../../src/images/staging.ts';
import { temporaryPaths } from '../../support/temporary-paths.ts';

const WORKER = fileURLToPath(new URL('claim-worker.ts', import.meta.url));

function startBuilder(root: string, buildMs: number): { child: ChildProcess; output: Promise<string> } {
  const child = spawn(process.execPath, [WORKER, `${root}/x.claim`, `${root}/result`, `${root}/log`, String(buildMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { child, output: new Promise((resolve) => child.once('close', () => resolve(Buffer.concat(chunks).toString()))) };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !condition(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(condition()).toBe(true);
}

describe('withClaim', () => {
  it('lets exactly one of several processes build', async () => {
    await using temporary = await temporaryPaths();
    const outputs = await Promise.all(Array.from({ length: 5 }, () => startBuilder(temporary.root, 400).output));
    expect(outputs.sort()).toEqual(['built', 'cached', 'cached', 'cached', 'cached']);
    expect(readFileSync(`${temporary.root}/log`, 'utf8').split('\n').filter(Boolean)).toHaveLength(1);
    expect(existsSync(`${temporary.root}/x.claim`)).toBe(false);
  });

  it('passes the work of a killed builder on', async () => {
    await using temporary = await temporaryPaths();
    const first = startBuilder(temporary.root, 60_000);
    await until(() => existsSync(`${temporary.root}/log`));
    const second = startBuilder(temporary.root, 10);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(existsSync(`${temporary.root}/result`)).toBe(false);
    first.child.kill('SIGKILL');
    expect(await second.output).toBe('built');
  });

  it('is not fooled by a claim that was cut off, or whose pid belongs to another process', async () => {
    await using temporary = await temporaryPaths();
    const file = path.join(temporary.root, 'x.claim');
    const build = () => withClaim(file, { isDone: async () => undefined }, async () => 'built');
    await writeFile(file, '{"token": "a", "hol');
    expect(await build()).toBe('built');
    await writeFile(file, JSON.stringify({ token: 'a', holder: { ...identifyProcess(process.ppid), startTime: '1' } }));
    expect(await build()).toBe('built');
  });

  it('frees the claim when the build fails', async () => {
    await using temporary = await temporaryPaths();
    const file = path.join(temporary.root, 'x.claim');
    const failing = withClaim(file, { isDone: async () => undefined }, () => Promise.reject(new Error('no mirror')));
    await expect(failing).rejects.toThrow('no mirror');
    expect(await withClaim(file, { isDone: async () => undefined }, async () => 'built')).toBe('built');
  });

  it('stops waiting when it is cancelled', async () => {
    await using temporary = await temporaryPaths();
    const file = path.join(temporary.root, 'x.claim');
    await writeFile(file, JSON.stringify({ token: 'a', holder: identifyProcess(process.ppid) }));
    const signal = AbortSignal.timeout(300);
    await expect(withClaim(file, { isDone: async () => undefined, signal }, async () => 'built')).rejects.toThrow(/aborted|timeout/i);
  });
});

describe('withStaging', () => {
  it('removes what killed builders left, and nothing of live ones', async () => {
    await using temporary = await temporaryPaths();
    const parent = path.join(temporary.paths.cache, 'staging');
    const parentProcess = identifyProcess(process.ppid);
    const live = `${process.ppid}.${parentProcess?.startTime}.aa`;
    await mkdir(path.join(parent, `${process.ppid}.1.bb/deep`), { recursive: true });
    await mkdir(path.join(parent, live), { recursive: true });
    await withStaging(temporary.paths, async (dir) => {
      expect((await readdir(parent)).sort()).toEqual([live, path.basename(dir)].sort());
    });
    expect(await readdir(parent)).toEqual([live]);
  });
});
