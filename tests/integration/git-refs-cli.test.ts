/** `--ref` and the age of the upstream through the command line, with a task that pushed two branches and an upstream on loopback. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { recordFile, writeStateFile } from '../../src/core/index.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { gitIn, mustGit } from './git-harness.ts';

const CLI = fileURLToPath(new URL('../../bin/terok.mjs', import.meta.url));

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let bench: ForgeProject;
let clone: string;

beforeEach(async () => {
  bench = await openForgeProject();
  onTestFinished(async () => await bench[Symbol.asyncDispose]());
  clone = await bench.lab.clone(await bench.lab.serve(bench.imported, 'shop'), 'shop');
});

async function terok(...args: readonly string[]): Promise<Said> {
  return await new Promise((resolve) => {
    const child = execFile(process.execPath, [CLI, ...args], { env: bench.env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    child.stdin?.end();
  });
}

async function must(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await terok(...args);
  expect(code, `terok ${args.join(' ')}\n${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

const json = async <T>(...args: readonly string[]): Promise<T> => JSON.parse(await must(...args, '--json')) as T;

async function tipOf(directory: string, ref: string): Promise<string> {
  return (await gitIn(directory, ['rev-parse', '--verify', '--quiet', ref])).stdout.trim();
}

describe('a task with two branches', () => {
  let tips: { main: string; more: string };

  beforeEach(async () => {
    const main = await bench.lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['push', '--quiet']);
    await mustGit(clone, ['switch', '--quiet', '-c', 'more', 'HEAD^']);
    const more = await bench.lab.commit(clone, { 'b.txt': 'b\n' }, 'Add b');
    await mustGit(clone, ['push', '--quiet', 'origin', 'HEAD:refs/heads/terok/shop.more']);
    tips = { main, more };
  });

  const digestOf = async (...ref: readonly string[]): Promise<string> => (await json<{ digest: string }>('review', 'shop', ...ref)).digest;
  const OTHER = ['--ref', 'terok/shop.more'] as const;

  test('approve and apply take the one that is named, and an approval of one is none of the other', async () => {
    expect(await digestOf(...OTHER)).not.toBe(await digestOf());
    // What is said about each names the branch that it is about
    expect(await must('review', 'shop', '--summary')).toContain('terok review shop --ref terok/shop.more\n');
    expect((await terok('apply', 'shop', ...OTHER)).stderr).toContain('`terok approve shop --ref terok/shop.more`');
    expect((await terok('approve', 'shop', '--review', await digestOf(), ...OTHER)).code).not.toBe(0);
    await must('approve', 'shop', '--review', await digestOf(...OTHER), ...OTHER);
    expect((await terok('apply', 'shop')).stderr).toMatch(/is not approved.*\n.*`terok review shop`, then `terok approve shop`/);
    expect(await json('apply', 'shop', ...OTHER)).toMatchObject({ branch: 'terok/shop.more', commits: [{ id: tips.more }] });
    expect(await tipOf(bench.source, 'refs/heads/terok/shop.more')).toBe(tips.more);
    expect(await tipOf(bench.source, 'refs/heads/terok/shop')).toBe('');
    await must('apply', 'shop', '--approve', await digestOf());
    expect(await tipOf(bench.source, 'refs/heads/terok/shop')).toBe(tips.main);
  });

  test('push takes the one that is named to a branch of its name', async () => {
    const upstream = bench.forge.directory('team/shop');
    expect((await terok('push', 'shop', '--approve', await digestOf(), ...OTHER)).code).not.toBe(0);
    expect(await json('push', 'shop', '--approve', await digestOf(...OTHER), ...OTHER)).toMatchObject({
      branch: 'terok/shop.more',
      commit: tips.more,
    });
    expect(await tipOf(upstream, 'refs/heads/terok/shop.more')).toBe(tips.more);
    expect(await tipOf(upstream, 'refs/heads/terok/shop')).toBe('');
  });

  test('reject ends the approval of the one that is named; the agent reads about each of them', async () => {
    await must('approve', 'shop', '--review', await digestOf());
    await must('approve', 'shop', '--review', await digestOf(...OTHER), ...OTHER);
    expect(await json('reject', 'shop', ...OTHER, '-m', 'Not b.')).toMatchObject({ ref: 'refs/heads/terok/shop.more', new: tips.more });
    expect((await terok('apply', 'shop', ...OTHER)).stderr).toContain('is not approved');
    await must('apply', 'shop');
    await must('reject', 'shop', '-m', 'Not a.');
    await bench.lab.commit(clone, { 'c.txt': 'c\n' }, 'Add c');
    const { stderr } = await gitIn(clone, ['push', 'origin', 'HEAD:refs/heads/terok/shop.more']);
    expect(stderr).toContain(`terok: terok/shop.more at ${tips.more.slice(0, 12)} was not taken: Not b.`);
    expect(stderr).toContain(`terok: ${tips.main.slice(0, 12)} was not taken: Not a.`);
  });

  test('a branch of another task, and one that the task cannot write, are refused', async () => {
    for (const ref of ['terok/shop2', 'terok/shop2.more', 'main', 'refs/terok/base', 'terok/shop.more@{1}']) {
      expect((await terok('review', 'shop', '--ref', ref)).stderr, ref).toContain('is no branch of the task');
    }
  });
});

describe('the age of the upstream', () => {
  beforeEach(async () => {
    const { paths, project } = bench;
    await writeStateFile(recordFile(paths, 'shop'), {
      version: 1,
      slug: 'shop',
      project: project.id,
      backend: 'podman',
      createdAt: new Date().toISOString(),
      phase: 'removed',
    });
  });

  /** What `status` and `list` say: for a program and for a person. */
  async function seen(): Promise<{ readonly json: unknown; readonly status: string; readonly list: string }> {
    const [one, all] = [await json<{ upstream: unknown }>('status', 'shop'), await json<{ upstream: unknown }[]>('list')];
    expect(all[0]?.upstream).toEqual(one.upstream);
    const status = (await must('status', 'shop')).split('\n').find((line) => line.startsWith('upstream ')) ?? '';
    return { json: one.upstream, status, list: await must('list') };
  }

  test('is shown by status and list: never asked, up to date, commits behind, asked long ago', async () => {
    const { lab, forge, source, gate } = bench;
    const never = await seen();
    expect(never.json).toEqual({ stale: true });
    expect(never.status).toContain('terok git sync');
    expect(never.list).toMatch(/UPSTREAM[\s\S]*never asked/);

    await must('git', 'sync', source);
    const fresh = await seen();
    expect(fresh.json).toEqual({ stale: false, branch: 'main', behind: 0, lastSync: expect.any(String) });
    expect(fresh.status).toContain('up to date with main; asked now');

    for (const name of ['one', 'two']) await lab.commit(source, { [name]: 'x\n' }, name);
    await mustGit(source, ['push', '--quiet', forge.directory('team/shop'), 'HEAD:main']);
    await must('git', 'sync', source);
    expect((await seen()).json).toMatchObject({ stale: false, behind: 2 });

    const file = path.join(gate, 'upstream.json');
    const state = JSON.parse(await readFile(file, 'utf8')) as { at: string };
    await writeFile(file, JSON.stringify({ ...state, at: new Date(Date.now() - 3 * 86_400_000).toISOString() }), { mode: 0o600 });
    const old = await seen();
    expect(old.json).toMatchObject({ stale: true, behind: 2 });
    expect(old.status).toContain('2 commits behind main; asked 3 days ago, so run `terok git sync`');
    expect(old.list).toContain('2 behind, asked 3 days ago');
  });

  test('counts what the upstream has, also where its branch was rewritten and waits for a person', async () => {
    const { lab, forge, source } = bench;
    await must('git', 'sync', source);
    await mustGit(source, ['commit', '--quiet', '--amend', '--message', 'Other']);
    await lab.commit(source, { 'a.txt': 'a\n' }, 'More');
    await mustGit(source, ['push', '--quiet', '--force', forge.directory('team/shop'), 'HEAD:main']);
    await must('git', 'sync', source);
    expect((await seen()).json).toMatchObject({ behind: 2 });
  });
});
