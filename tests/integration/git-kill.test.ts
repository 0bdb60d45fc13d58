/** terok is killed at each call of git that a sync or a forward makes: by a `git` on its search path that ends its caller. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile, utimes } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { storeOf } from '../../src/projects/git/gate.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { gitIn, mustGit } from './git-harness.ts';
import { endOf, killingPath, MOST_CALLS } from './killing-git.ts';

const FORWARDER = fileURLToPath(new URL('../../src/tasks/forward-main.ts', import.meta.url));
const CLI = fileURLToPath(new URL('../../bin/terok.mjs', import.meta.url));

/** Its gate forwards nothing by itself. */
const openBench = (): Promise<ForgeProject> => openForgeProject({ settings: 'git:\n  class: online\n' });

async function locksBelow(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.lock') || name.includes('tmp_objdir'));
}

function syncWith(bench: ForgeProject, searchPath: string): ChildProcess {
  return spawn(process.execPath, [CLI, 'git', 'sync', bench.source], { env: { ...bench.env, PATH: searchPath } });
}

describe.each(['before', 'after'] as const)('killed with SIGKILL %s each call of git', (when) => {
  test('a sync leaves branches of which each is the old one or the new one, and the next sync ends the work', async () => {
    await using bench = await openBench();
    const upstream = bench.forge.directory('team/shop');
    await bench.terok.git.sync(bench.source);
    let outcome: string = 'killed';
    for (let at = 1; outcome === 'killed'; at += 1) {
      expect(at).toBeLessThan(MOST_CALLS);
      const old = await mustGit(bench.source, ['rev-parse', 'HEAD']);
      const next = await bench.lab.commit(bench.source, { 'a.txt': `${at}\n` }, `Change ${at}`);
      await mustGit(bench.source, ['push', '--quiet', upstream, 'HEAD:main', `HEAD:new-${at}`]);
      outcome = await endOf(syncWith(bench, await killingPath(bench.lab.root, at, when)));
      const left = await mustGit(storeOf(bench.gate), [
        'for-each-ref',
        '--format=%(objectname)',
        'refs/heads/main',
        `refs/heads/new-${at}`,
      ]);
      if (outcome === 'killed') expect([old, `${next}\n${next}`]).toContain(left);
      expect(await endOf(syncWith(bench, bench.env.PATH ?? ''))).toBe('done');
      const store = storeOf(bench.gate);
      expect(await mustGit(store, ['rev-parse', 'refs/heads/main', `refs/heads/new-${at}`])).toBe(`${next}\n${next}`);
      expect(await locksBelow(store)).toEqual([]);
    }
    await mustGit(storeOf(bench.gate), ['fsck', '--connectivity-only']);
  });

  test('a forward leaves the branch of the upstream whole or absent, and a sync takes it there', async () => {
    await using bench = await openBench();
    const upstream = bench.forge.directory('team/shop');
    const { repository } = bench.imported;
    const clone = await bench.lab.clone(await bench.lab.serve(bench.imported, 'shop'), 'shop');
    let outcome: string = 'killed';
    for (let at = 1; outcome === 'killed'; at += 1) {
      expect(at).toBeLessThan(MOST_CALLS);
      const old = (await gitIn(upstream, ['rev-parse', '--verify', '--quiet', 'terok/shop'])).stdout.trim();
      const next = await bench.lab.commit(clone, { 'src/a.ts': `export const a = ${at};\n` }, `Change ${at}`);
      await mustGit(clone, ['push', '--quiet', 'origin', 'HEAD']);
      const forwarder = spawn(process.execPath, [FORWARDER, JSON.stringify({ paths: bench.paths, slug: 'shop' })], {
        env: { ...bench.env, PATH: await killingPath(bench.lab.root, at, when) },
      });
      outcome = await endOf(forwarder, `${old || '0'.repeat(40)} ${next} refs/heads/terok/shop\n`);
      const left = (await gitIn(upstream, ['rev-parse', '--verify', '--quiet', 'terok/shop'])).stdout.trim();
      expect([old, next]).toContain(left);
      expect(await endOf(syncWith(bench, bench.env.PATH ?? ''))).toBe('done');
      expect(await mustGit(upstream, ['rev-parse', 'terok/shop'])).toBe(next);
      expect(await mustGit(repository, ['rev-parse', 'terok/shop'])).toBe(next);
      expect(await locksBelow(repository)).toEqual([]);
      expect(await readFile(path.join(repository, 'terok/forwards.json'), 'utf8')).toContain(next);
    }
  });
});

test('a git that is killed with a branch locked: a sync says so at once, and removes the lock when it is old', async () => {
  await using bench = await openBench();
  const terok = bench.terok;
  await terok.git.sync(bench.source);
  const store = storeOf(bench.gate);
  const old = await mustGit(store, ['rev-parse', 'refs/heads/main']);
  const next = await bench.lab.commit(bench.source, { 'a.txt': 'a\n' }, 'A');
  await mustGit(bench.source, ['push', '--quiet', bench.forge.directory('team/shop'), 'HEAD:main']);
  await killWithLock(store, old);
  await expect(terok.git.sync(bench.source)).rejects.toMatchObject({ hint: expect.stringContaining('again in a minute') });
  expect(await mustGit(store, ['rev-parse', 'refs/heads/main'])).toBe(old);
  const past = new Date(Date.now() - 2 * 60_000);
  const locks = await locksBelow(store);
  expect(locks).toContain('refs/heads/main.lock');
  for (const lock of locks) await utimes(path.join(store, lock), past, past);
  expect(await terok.git.sync(bench.source)).toMatchObject({ forwarded: ['main'], pending: [] });
  expect(await mustGit(store, ['rev-parse', 'refs/heads/main'])).toBe(next);
  expect(await locksBelow(store)).toEqual([]);
});

/** Leaves what a real git leaves that dies between taking the lock and letting it go. */
async function killWithLock(store: string, commit: string): Promise<void> {
  const git = spawn('git', ['-C', store, 'update-ref', '--stdin'], { stdio: ['pipe', 'pipe', 'ignore'] });
  git.stdin.write(`start\nupdate refs/heads/main ${commit} ${commit}\nprepare\n`);
  let said = '';
  await new Promise<void>((resolve) => {
    git.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('prepare: ok')) resolve();
    });
  });
  const ended = new Promise((resolve) => git.once('close', resolve));
  git.kill('SIGKILL');
  await ended;
}
