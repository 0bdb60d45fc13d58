import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { run } from '../../src/core/index.ts';
import {
  type CliResult,
  phaseOf,
  processesWith,
  sampleRepository,
  slugsOf,
  type TerokCli,
  terokCli,
  waitFor,
} from '../support/terok-cli.ts';

/** Writes a file, tells the test by a marker on stdout, then waits: an agent with work that is not committed. */
const PRECIOUS = ['sh', '-c', 'echo precious > precious.txt; echo working; sleep 300'];

let terok: TerokCli;
let repository: string;

beforeEach(async () => {
  terok = await terokCli();
  repository = await sampleRepository(terok.root);
});

afterEach(async () => {
  await terok[Symbol.asyncDispose]();
});

/** Nothing of the task is left on the machine but its record: no process (one that was being started ends by itself), no socket, no namespace. */
async function expectNothingLeft(slug: string): Promise<void> {
  await expect.poll(() => processesWith(path.join(terok.paths.runtime, 'b', slug))).toEqual([]);
  await expect.poll(() => processesWith(path.join(terok.paths.state, 'bottles', slug))).toEqual([]);
  expect(existsSync(path.join(terok.paths.runtime, 'b', slug))).toBe(false);
}

/** A phase may last a millisecond only: kills runs until one was hit in that very phase. */
async function killedIn(phase: string): Promise<string> {
  for (let attempt = 1; attempt <= 10; attempt += 1) {
    const slug = `cut-${attempt}`;
    const child = terok.start(['run', repository, '--name', slug, '--', 'true']);
    const ended = new Promise((resolve) => child.once('close', resolve));
    await waitFor(`phase ${phase} of ${slug}`, 60_000, () => [phase, 'running', 'removed'].includes(phaseOf(terok.paths, slug) ?? ''));
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await ended;
    if (phaseOf(terok.paths, slug) === phase) return slug;
    await terok.run(['list']);
  }
  throw new Error(`No run of 10 was killed in phase ${phase}`);
}

async function startWorking(slug: string, command: readonly string[] = PRECIOUS): Promise<{ pid: number; ended: Promise<unknown> }> {
  const child = terok.start(['run', repository, '--name', slug, '--', ...command]);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  let hasEnded = false;
  const ended = new Promise((resolve) => child.once('close', resolve)).finally(() => (hasEnded = true));
  await waitFor(`the agent of ${slug}`, 60_000, () => {
    if (hasEnded) throw new Error(`terok ended before the agent worked: ${output}`);
    return output.includes('working');
  });
  return { pid: child.pid ?? 0, ended };
}

async function containers(): Promise<string[]> {
  return (await terok.json<{ slug: string; status: string }[]>(['list']))
    .filter(({ status }) => status !== 'missing')
    .map(({ slug }) => slug);
}

describe('terok killed with SIGKILL', () => {
  it.each(['planned', 'created', 'sealed'] as const)('in phase %s: the next command removes what was half made', async (phase) => {
    const slug = await killedIn(phase);
    const listed = await terok.run(['list']);
    expect(listed.stderr).toMatch(new RegExp(`\`${slug}\` was (interrupted before its agent ran|never started); removed`));
    expect(await containers()).toEqual([]);
    expect(slugsOf(terok.paths)).not.toContain(slug);
    await expectNothingLeft(slug);
  });

  it('while the agent works: the next command brings uncommitted work into the gate', async () => {
    const { pid, ended } = await startWorking('cut');
    process.kill(-pid, 'SIGKILL');
    await ended;
    const diff = await terok.run(['diff', 'cut']);
    expect(diff.stdout).toContain('+precious');
    await expectNothingLeft('cut');
  });

  it('while the work is collected: nothing is lost', async () => {
    const child = terok.start(['run', repository, '--name', 'cut', '--', 'sh', '-c', 'echo precious > precious.txt']);
    const task = path.join(terok.paths.state, 'bottles', 'cut', 'task.json');
    await waitFor('the end of the agent', 120_000, () => existsSync(task) && readFileSync(task, 'utf8').includes('"status"'));
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    expect((await terok.run(['diff', 'cut'])).stdout).toContain('+precious');
    await expectNothingLeft('cut');
  });

  it('and two commands repair at the same time: one of them does it, both succeed', async () => {
    const { pid, ended } = await startWorking('cut');
    process.kill(-pid, 'SIGKILL');
    await ended;
    const results = await Promise.all([terok.run(['list']), terok.run(['list'])]);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    expect((await terok.run(['diff', 'cut'])).stdout).toContain('+precious');
    await expectNothingLeft('cut');
  });

  it('between the removal of the bottle and the record of it: the next command finishes the task', async () => {
    const { pid, ended } = await startWorking('cut');
    process.kill(-pid, 'SIGKILL');
    await ended;
    await createPodmanBackend({ paths: terok.paths, env: process.env }).remove('cut');
    expect((await terok.run(['list'])).stderr).toContain('has lost its bottle');
    expect((await terok.run(['list'])).stderr).toBe('');
    expect(phaseOf(terok.paths, 'cut')).toBe('removed');
    await expectNothingLeft('cut');
  });
});

describe('another part killed with SIGKILL while the agent works', () => {
  it('gateway: it is started again, the work comes out', async () => {
    const { ended } = await startWorking('cut');
    const gateway = processesWith('/gateway.js').filter(({ commandLine }) => commandLine.includes(terok.root));
    expect(gateway).not.toEqual([]);
    for (const { pid } of gateway) process.kill(pid, 'SIGKILL');
    await ended;
    expect((await terok.run(['diff', 'cut'])).stdout).toContain('+precious');
    await expectNothingLeft('cut');
  });

  it('gateway and keeper of a kept bottle: the next command makes them again, and is run', async () => {
    expect((await terok.run(['run', repository, '--name', 'cut', '--keep', '--', 'true'])).code).toBe(0);
    const behind = ['/keeper.sh', '/gateway.js'].flatMap(processesWith).filter(({ commandLine }) => commandLine.includes(terok.root));
    expect(behind.length).toBeGreaterThanOrEqual(2);
    for (const { pid } of behind) process.kill(pid, 'SIGKILL');
    expect(await terok.run(['exec', 'cut', '--', 'echo', 'alive'])).toMatchObject({ code: 0, stdout: 'alive\n' });
  });

  it('conmon: the work comes out, the container goes', async () => {
    const { ended } = await startWorking('cut');
    for (const { pid } of processesWith('conmon').filter(({ commandLine }) => commandLine.includes('terok-cut')))
      process.kill(pid, 'SIGKILL');
    await terok.run(['stop', 'cut']);
    await ended;
    expect((await terok.run(['diff', 'cut'])).stdout).toContain('+precious');
    await expectNothingLeft('cut');
  });

  it('the container itself: the bottle is started again to fetch the work', async () => {
    const { ended } = await startWorking('cut');
    for (const { pid } of processesWith('/usr/lib/terok/init').filter(({ commandLine }) => commandLine.startsWith('/bin/bash')))
      await killWhenOf(pid, 'cut');
    await ended;
    await terok.run(['list']);
    expect((await terok.run(['diff', 'cut'])).stdout).toContain('+precious');
  });

  it('the host reboots (no process, no runtime directory): the work comes out', async () => {
    const { pid, ended } = await startWorking('cut');
    process.kill(-pid, 'SIGKILL');
    await ended;
    for (const each of processesWith(terok.root)) await run(['kill', '-9', String(each.pid)]);
    for (const each of processesWith('conmon').filter(({ commandLine }) => commandLine.includes('terok-cut')))
      await run(['kill', '-9', String(each.pid)]);
    for (const each of processesWith('/usr/lib/terok/init').filter(({ commandLine }) => commandLine.startsWith('/bin/bash')))
      await killWhenOf(each.pid, 'cut');
    await rm(path.join(terok.paths.runtime, 'b'), { recursive: true, force: true });
    expect((await terok.run(['diff', 'cut'])).stdout).toContain('+precious');
    await expectNothingLeft('cut');
  });
});

/** Kills a bottle's init, told from those of other tasks by its host name. */
async function killWhenOf(pid: number, slug: string): Promise<void> {
  const name = await run(['nsenter', '--target', String(pid), '--uts', 'uname', '-n']);
  if (name.stdout.toString().trim() === slug) process.kill(pid, 'SIGKILL');
}

describe('what agents do', () => {
  const end = async (...command: string[]): Promise<CliResult> => await terok.run(['run', repository, '--', ...command]);

  it.each([0, 1, 42, 137])('exits with %i: terok exits with the same', async (code) => {
    expect((await end('sh', '-c', `exit ${code}`)).code).toBe(code);
  });

  it('dies of a signal: terok exits with 128 and its number', async () => {
    expect((await end('sh', '-c', 'kill -TERM $$')).code).toBe(143);
  });

  it('is missing: a clear error with the name', async () => {
    const result = await end('no-such-agent');
    expect(result.code).toBe(127);
    expect(result.stderr).toContain('no-such-agent');
  });

  it('hangs: SIGINT ends it cleanly and keeps its work', async () => {
    const { pid, ended } = await startWorking('hung');
    process.kill(pid, 'SIGINT');
    await ended;
    expect((await terok.run(['diff', 'hung'])).stdout).toContain('+precious');
    await expectNothingLeft('hung');
  });

  it('leaves daemons: they end with the bottle', async () => {
    const result = await end('sh', '-c', 'setsid sh -c "exec sleep 4711.25" >/dev/null 2>&1 </dev/null & exit 0');
    expect(result.code).toBe(0);
    expect(processesWith('sleep 4711.25')).toEqual([]);
  });

  it('floods its output with 1 GiB: all of it arrives, the log on disk stays bounded', async () => {
    const child = terok.start(['run', repository, '--name', 'flood', '--', 'sh', '-c', 'head -c 1073741824 /dev/zero']);
    let bytes = 0;
    child.stdout?.on('data', (chunk: Buffer) => (bytes += chunk.length));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(bytes).toBe(1_073_741_824);
    const kept = ['output.log', 'output.log.1'].map((name) => readFileSync(path.join(terok.paths.state, 'bottles', 'flood', name)).length);
    expect(kept.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(64 * 1024 * 1024);
  }, 300_000);
});

describe('many at once', () => {
  it('two runs that want the same name: one gets it', async () => {
    const results = await Promise.all([0, 1].map(() => terok.run(['run', repository, '--name', 'twin', '--', 'true'])));
    expect(results.map(({ code }) => code).sort()).toEqual([0, 121]);
  });

  it('20 runs at the same instant: all succeed with names and networks of their own', async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, () => terok.run(['run', repository, '--json', '--memory', '256m', '--', 'true'])),
    );
    expect(results.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual(Array.from({ length: 20 }, () => 0));
    expect(new Set(results.map(({ stdout }) => (JSON.parse(stdout) as { slug: string }).slug)).size).toBe(20);
    expect(await containers()).toEqual([]);
  }, 600_000);
});
