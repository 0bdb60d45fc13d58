import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadGlobalConfig } from '../../src/core/config/index.ts';
import { resolvePaths, type TerokPaths } from '../../src/core/index.ts';
import { ensureGate, importSource } from '../../src/projects/git/index.ts';
import { identifyProject } from '../../src/projects/index.ts';
import { createTerok } from '../../src/tasks/index.ts';
import { planGate } from '../../src/tasks/plan-gate.ts';
import { writeTask } from '../../src/tasks/task-record.ts';
import { Secret, Vault } from '../../src/vault/index.ts';
import { Forge } from '../support/forge.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

interface Bench extends AsyncDisposable {
  readonly lab: GitLab;
  readonly forge: Forge;
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
  readonly source: string;
  readonly clone: string;
  readonly repository: string;
}

/** A project of the class `online` whose upstream is a forge on loopback, with one task that pushes to its gate. */
async function openBench(settings = 'git:\n  class: online\n'): Promise<Bench> {
  const lab = await GitLab.create();
  const forge = await Forge.start();
  await forge.createRepository('team/shop');
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH };
  for (const name of ['CONFIG', 'DATA', 'STATE', 'CACHE', 'RUNTIME']) env[`TEROK_${name}_DIR`] = path.join(lab.root, name.toLowerCase());
  const paths = resolvePaths(env);
  await mkdir(paths.config, { recursive: true });
  await writeFile(path.join(paths.config, 'config.yml'), settings);
  const source = await lab.userRepository('shop');
  await mustGit(source, ['push', '--quiet', forge.directory('team/shop'), 'main']);
  await new Vault(path.join(paths.data, 'secrets')).set('forge', new Secret(forge.token));
  await createTerok({ env }).git.setUpstream(source, { url: forge.remote('team/shop'), secret: 'forge' });
  const project = await identifyProject(paths, source);
  const gate = await ensureGate(project.dataDir, source);
  const imported = await importSource({ gate, source, slug: 'shop' });
  if (imported.kind !== 'git') throw new Error('no repository');
  await writeTask(paths, {
    version: 1,
    slug: 'shop',
    project: { ...project },
    backend: 'podman',
    image: 'none',
    argv: ['true'],
    gate,
    base: { branch: 'main', commit: imported.baseCommit },
    startedAt: new Date().toISOString(),
    finishedAt: new Date().toISOString(),
    notes: [],
  });
  const { value } = await loadGlobalConfig(paths);
  const { mergeSettings } = await import('../../src/core/config/index.ts');
  const context = { env, paths, backend: () => Promise.reject(new Error('no backend is needed')) };
  const plan = planGate(context, { project, slug: 'shop', settings: mergeSettings(value, {}).settings.git, gate });
  const url = await lab.serve(imported, 'shop', [], { ...plan, vaultDir: path.join(paths.data, 'secrets') });
  return {
    lab,
    forge,
    paths,
    env,
    source,
    clone: await lab.clone(url, 'shop'),
    repository: imported.repository,
    async [Symbol.asyncDispose]() {
      await forge[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
    },
  };
}

async function upstreamTip({ forge }: Bench, ref = 'terok/shop'): Promise<string> {
  return (await gitIn(forge.directory('team/shop'), ['rev-parse', '--verify', '--quiet', ref])).stdout.trim();
}

async function forwards({ repository }: Bench): Promise<string> {
  return await readFile(path.join(repository, 'terok/forwards.json'), 'utf8');
}

describe('a push of an online project', () => {
  test('that meets every rule is at the upstream when it ends, and the pusher is told', async () => {
    await using bench = await openBench();
    const tip = await bench.lab.commit(bench.clone, { 'src/a.ts': 'export const a = 1;\n' }, 'Add a');
    const result = await gitIn(bench.clone, ['push']);
    expect(result.stderr).toContain('remote: terok: terok/shop was forwarded to 127.0.0.1.');
    expect(await upstreamTip(bench)).toBe(tip);
    expect(result.stderr).not.toContain(bench.forge.token);
  });

  test.each([
    ['a changed workflow', { '.github/workflows/ci.yml': 'on: push\n' }, /it changes what runs elsewhere \(\.github\/workflows\/ci\.yml\)/],
    ['a native program', { tool: Buffer.from('\x7fELF\x02\x01\x01\x00\x00\x00', 'latin1') }, /the scan holds it \(tool is an ELF program/],
  ])('with %s waits for a person', async (_name, files, words) => {
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, files, 'Change');
    expect((await gitIn(bench.clone, ['push'])).stderr).toMatch(words);
    expect(await upstreamTip(bench)).toBe('');
    expect(await forwards(bench)).toContain('waiting');
  });

  test('with a workflow in an older commit alone waits as well', async () => {
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, { '.github/workflows/ci.yml': 'on: push\n' }, 'Add');
    await mustGit(bench.clone, ['rm', '--quiet', '-r', '.github']);
    await bench.lab.commit(bench.clone, { 'a.txt': 'a\n' }, 'Remove');
    expect((await gitIn(bench.clone, ['push'])).stderr).toContain('it changes what runs elsewhere');
    expect(await upstreamTip(bench)).toBe('');
  });

  test('to a branch that no pattern names, or over other commits of the upstream, waits', async () => {
    await using unnamed = await openBench('git:\n  class: online\n  forward: ["release/**"]\n');
    await unnamed.lab.commit(unnamed.clone, { 'a.txt': 'a\n' }, 'A');
    expect((await gitIn(unnamed.clone, ['push'])).stderr).toContain('no pattern of `git.forward` names it');
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, { 'a.txt': 'a\n' }, 'A');
    const other = await bench.lab.commit(bench.source, { 'b.txt': 'b\n' }, 'B');
    await mustGit(bench.source, ['push', '--quiet', bench.forge.directory('team/shop'), 'HEAD:terok/shop']);
    expect((await gitIn(bench.clone, ['push', 'origin', 'HEAD:terok/shop'])).stderr).toContain('the upstream has another history of it');
    expect(await upstreamTip(bench)).toBe(other);
  });

  test('that cannot reach the upstream is kept, and goes on with the next sync', async () => {
    await using bench = await openBench();
    const token = bench.forge.token;
    bench.forge.token = 'revoked';
    const tip = await bench.lab.commit(bench.clone, { 'a.txt': 'a\n' }, 'A');
    const result = await gitIn(bench.clone, ['push']);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain('was not forwarded');
    expect(await mustGit(bench.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
    bench.forge.token = token;
    const report = await createTerok({ env: bench.env }).git.sync(bench.source);
    expect(report.retried).toEqual(['terok/shop was forwarded to 127.0.0.1.']);
    expect(await upstreamTip(bench)).toBe(tip);
    expect((await createTerok({ env: bench.env }).git.sync(bench.source)).retried).toEqual([]);
  });

  test('that the upstream refuses by a hook of its own is kept in the gate', async () => {
    await using bench = await openBench();
    await bench.forge.setHook('team/shop', 'pre-receive', '#!/bin/sh\nexit 1\n');
    const tip = await bench.lab.commit(bench.clone, { 'a.txt': 'a\n' }, 'A');
    expect((await gitIn(bench.clone, ['push'])).stderr).toContain('refuses the push by a rule of its own');
    expect(await mustGit(bench.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
  });

  test('of the default class stays in the gate, whatever the repository asks for', async () => {
    await using bench = await openBench('sudo: false\n');
    await bench.lab.commit(bench.clone, { 'a.txt': 'a\n', '.terok.yml': 'agent: claude\n' }, 'A');
    expect((await gitIn(bench.clone, ['push'])).stderr).not.toContain('forwarded');
    expect(await upstreamTip(bench)).toBe('');
  });
});
