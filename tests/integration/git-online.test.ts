import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadGlobalConfig, mergeSettings } from '../../src/core/config/index.ts';
import { createTerok } from '../../src/tasks/index.ts';
import { planGate } from '../../src/tasks/plan-gate.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { gitIn, mustGit } from './git-harness.ts';

interface Bench extends ForgeProject {
  readonly clone: string;
  readonly repository: string;
}

/** A project of the class `online` with one task that pushes to its gate. */
async function openBench(settings = 'git:\n  class: online\n'): Promise<Bench> {
  const bench = await openForgeProject({ settings });
  const { env, paths, lab, project, gate, imported, vaultDir } = bench;
  const { value } = await loadGlobalConfig(paths);
  const context = { env, paths, onRepair: () => undefined, backend: () => Promise.reject(new Error('no backend is needed')) };
  const plan = planGate(context, { project, slug: 'shop', settings: mergeSettings(value, {}).settings.git, gate });
  const url = await lab.serve(imported, 'shop', [], { ...plan, vaultDir });
  return { ...bench, clone: await lab.clone(url, 'shop'), repository: imported.repository };
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
