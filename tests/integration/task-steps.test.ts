// SIGKILL of each part at the steps of a task's life beside the work of its agent, which `task-faults.test.ts` has.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/core/index.ts';
import { leftovers } from '../support/leftovers.ts';
import { type CliResult, phaseOf, processesWith, sampleRepository, type TerokCli, terokCli, waitFor } from '../support/terok-cli.ts';

const SLUG = 'step';

let terok: TerokCli;
let repository: string;

beforeEach(async () => {
  terok = await terokCli();
  repository = await sampleRepository(terok.root);
});

afterEach(async () => {
  await terok[Symbol.asyncDispose]();
});

const PARTS = ['gateway', 'keeper', 'conmon', 'container'] as const;
type Part = (typeof PARTS)[number];

/** Processes of the task's part, found from outside. */
async function processesOf(part: Part): Promise<number[]> {
  const own = processesWith(terok.root).map(({ pid, commandLine }) => ({ pid, commandLine }));
  if (part === 'gateway') return own.filter(({ commandLine }) => /^\S*node .*\/gateway\.js /.test(commandLine)).map(({ pid }) => pid);
  if (part === 'keeper') return own.filter(({ commandLine }) => commandLine.includes('/keeper.sh ')).map(({ pid }) => pid);
  if (part === 'conmon')
    return processesWith(`terok-${SLUG}-`)
      .filter(({ commandLine }) => commandLine.includes('conmon'))
      .map(({ pid }) => pid);
  const inits = processesWith('/usr/lib/terok/init').filter(({ commandLine }) => commandLine.startsWith('/bin/bash'));
  const names = await Promise.all(inits.map(async ({ pid }) => await run(['nsenter', '--target', String(pid), '--uts', 'uname', '-n'])));
  return inits.filter((_, index) => names[index]?.stdout.toString().trim() === SLUG).map(({ pid }) => pid);
}

async function kill(part: Part): Promise<void> {
  const pids = await processesOf(part);
  expect(pids, `processes of the ${part}`).not.toEqual([]);
  for (const pid of pids) await run(['kill', '-9', String(pid)]);
}

async function keep(): Promise<void> {
  const kept = ['run', repository, '--name', SLUG, '--keep', '--', 'sh', '-c', 'echo precious >~/precious'];
  expect(await terok.run(kept)).toMatchObject({ code: 0 });
}

const read = (): Promise<CliResult> => terok.run(['exec', SLUG, '--', 'sh', '-c', 'cat ~/precious']);

/** The gate keeps what a task had pushed. */
/** The service of a killed terok ends by itself after ten idle seconds. */
async function expectNothingLeft(): Promise<void> {
  const left = async (): Promise<string[]> => (await leftovers(terok)).filter((each) => !each.endsWith('.git'));
  await expect.poll(left, { timeout: 20_000, interval: 500 }).toEqual([]);
}

describe('a kept bottle', () => {
  it.each(PARTS)('goes on or is started again after the death of its %s, with its files', async (part) => {
    await keep();
    await kill(part);
    if (part === 'container') {
      await waitFor(
        'the end of the container',
        20_000,
        async () => (await terok.json<{ status: string }>(['status', SLUG])).status === 'stopped',
      );
      expect(await read()).toMatchObject({ code: 121, stderr: expect.stringContaining(`Start it with \`terok start ${SLUG}\``) });
      expect(await terok.run(['start', SLUG])).toMatchObject({ code: 0 });
    }
    expect(await read()).toMatchObject({ code: 0, stdout: 'precious\n' });
    expect(await terok.run(['stop', SLUG])).toMatchObject({ code: 0 });
    expect(await terok.run(['rm', '--force', SLUG])).toMatchObject({ code: 0 });
    await expectNothingLeft();
  });

  it('that is stopped starts again after the death of its gateway and keeper', async () => {
    await keep();
    expect(await terok.run(['stop', SLUG])).toMatchObject({ code: 0 });
    await kill('keeper');
    await kill('gateway');
    expect(await terok.run(['start', SLUG])).toMatchObject({ code: 0 });
    expect(await read()).toMatchObject({ code: 0, stdout: 'precious\n' });
  });

  it.each(['stop', 'start', 'rm'] as const)(
    'survives the death of `terok %s` at any moment: the same command, once more, finishes',
    async (verb) => {
      await keep();
      if (verb === 'start') await terok.run(['stop', SLUG]);
      for (const afterMs of [150, 300, 600]) {
        const child = terok.start(verb === 'rm' ? ['rm', '--force', SLUG] : [verb, SLUG]);
        const ended = new Promise((resolve) => child.once('close', resolve));
        await sleep(afterMs);
        if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
        await ended;
        expect(await terok.run(['list'])).toMatchObject({ code: 0 });
      }
      if (verb === 'rm') {
        const again = await terok.run(['rm', '--force', SLUG]);
        expect(again.code === 0 || again.stderr.includes(`\`${SLUG}\``)).toBe(true);
        return await expectNothingLeft();
      }
      expect(await terok.run([verb, SLUG])).toMatchObject({ code: 0 });
      expect(phaseOf(terok.paths, SLUG)).toBe(verb === 'stop' ? 'stopped' : 'running');
      expect(await terok.run(['start', SLUG])).toMatchObject({ code: 0 });
      expect(await read()).toMatchObject({ code: 0, stdout: 'precious\n' });
    },
  );
});

describe('a bottle that is being made', () => {
  it.each(['gateway', 'keeper', 'conmon', 'container'] as const)(
    'is whole or gone after the death of its %s, and the error says why',
    async (part) => {
      const child = terok.start(['run', repository, '--name', SLUG, '--', 'true']);
      let stderr = '';
      child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
      await waitFor(`the ${part}`, 60_000, async () => child.exitCode !== null || (await processesOf(part)).length > 0);
      for (const pid of await processesOf(part)) await run(['kill', '-9', String(pid)]);
      const code = await ended;
      if (code !== 0) expect(stderr).toMatch(/^error: .+\n(.*\n)*hint: .+/m);
      await terok.run(['list']);
      await terok.run(['rm', '--force', SLUG]);
      await expectNothingLeft();
    },
  );
});
