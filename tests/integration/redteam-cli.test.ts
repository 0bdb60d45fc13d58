/** `terok redteam` as a user runs it: built, stopped, and killed. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Scorecard } from '../../src/redteam/index.ts';
import { processesWith, type TerokCli, terokCli, waitFor } from '../support/terok-cli.ts';

const image = process.env['TEROK_TEST_IMAGE'] ?? '';
let cli: TerokCli;

beforeAll(async () => {
  cli = await terokCli();
});
beforeEach((context) => {
  if (image === '') context.skip('there is no test image, because Podman cannot be used');
});
afterAll(async () => {
  await cli?.[Symbol.asyncDispose]();
});

const args = (...rows: string[]): string[] => ['redteam', 'egress', '--image', image, ...rows.flatMap((row) => ['--row', row])];
const directory = (): string => path.join(cli.paths.state, 'redteam');
/** Directories of runs, each named by nobody else */
const runs = (): string[] => (existsSync(directory()) ? readdirSync(directory()) : []);

/** Waits until a bottle of the run is there. */
async function startAttack(): Promise<{ readonly child: ChildProcess; readonly run: string }> {
  const child = cli.start(args('E1'));
  const bottles = (): string[] =>
    runs().flatMap((run) => {
      const dir = path.join(directory(), run, 'state/bottles');
      return existsSync(dir) ? readdirSync(dir).filter((slug) => existsSync(path.join(dir, slug, 'record.json'))) : [];
    });
  await waitFor('a bottle of the attack', 60_000, () => bottles().length > 0);
  return { child, run: runs()[0] ?? '' };
}

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('close', resolve));

describe('terok redteam', () => {
  it('prints a scorecard and leaves nothing', async () => {
    const { code, stdout } = await cli.run([...args('E8', 'e25'), '--json']);
    const { counts, rows, suite } = JSON.parse(stdout) as Scorecard;
    expect({ code, suite, counts }).toEqual({
      code: 0,
      suite: 'egress',
      counts: { held: 1, broken: 0, 'not proven': 0, unsupported: 0, 'out of scope': 1 },
    });
    expect(rows.map(({ id }) => id)).toEqual(['E8', 'E25']);
    expect(rows[0]?.observations).toContainEqual(expect.objectContaining({ kind: 'control', worked: true }));
    expect(runs()).toEqual([]);
    const table = await cli.run(args('E25'));
    expect(table.stdout).toMatch(/ROW +VERDICT +SECONDS +ATTACK\nE25 +out of scope +[\d.]+ +timing and volume/);
    expect(table.stdout).toContain('podman: 1 out of scope');
  });

  it('names the rows that there are', async () => {
    const { code, stderr } = await cli.run(args('E99'));
    expect({ code, stderr }).toEqual({ code: 121, stderr: expect.stringMatching(/no row `E99`[^]*hint: It has: E1, E2, /) as string });
  });

  it('removes everything when it is stopped', async () => {
    const { child, run } = await startAttack();
    child.kill('SIGINT');
    expect(await ended(child)).toBe(130);
    expect(runs()).toEqual([]);
    expect(processesWith(run)).toEqual([]);
  });

  it('removes what a killed run left when it is run again', async () => {
    const { child, run } = await startAttack();
    child.kill('SIGKILL');
    await ended(child);
    expect(runs()).toEqual([run]);
    expect((await cli.run(args('E25'))).code).toBe(0);
    expect(runs()).toEqual([]);
    await waitFor('the end of all its processes', 10_000, () => processesWith(run).length === 0);
  });
});
