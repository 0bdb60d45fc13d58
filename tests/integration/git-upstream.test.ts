import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSshKey } from '../../src/core/index.ts';
import { ensureGate, storeOf } from '../../src/projects/git/gate.ts';
import { readSync, syncUpstream, takePending } from '../../src/projects/git/index.ts';
import { ensureProjectKey, parseUpstreamUrl, projectKeyFile, Upstream, type UpstreamRecord } from '../../src/upstream/index.ts';
import { Secret, Vault } from '../../src/vault/index.ts';
import { Forge } from '../support/forge.ts';
import { SshForge } from '../support/ssh-forge.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

interface Bench extends AsyncDisposable {
  readonly lab: GitLab;
  readonly forge: Forge;
  readonly vault: Vault;
  readonly source: string;
  readonly gate: string;
  open(record?: Partial<UpstreamRecord>, env?: NodeJS.ProcessEnv): Promise<Upstream>;
}

async function openBench(init: readonly string[] = []): Promise<Bench> {
  const lab = await GitLab.create();
  const forge = await Forge.start();
  await forge.createRepository('team/shop', init);
  const source = await lab.userRepository('shop', init);
  // ssh cuts options at spaces and expands signs of percent
  const vaultDir = path.join(lab.root, `the "user's" vault, 100%d`);
  const vault = new Vault(vaultDir);
  await vault.set('forge', new Secret(forge.token));
  return {
    lab,
    forge,
    vault,
    source,
    gate: await ensureGate(lab.dataDir, source),
    open: async (record = {}, env = process.env) =>
      await Upstream.open({
        env,
        record: { version: 1, url: forge.remote('team/shop'), secret: 'forge', ...record },
        vault,
        keyFile: projectKeyFile(vaultDir, 'shop-1'),
        knownHostsFile: path.join(vaultDir, 'known hosts'),
        rootsFile: path.join(vaultDir, 'roots.pem'),
      }),
    async [Symbol.asyncDispose]() {
      await forge[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
    },
  };
}

/** `ssh-agent` with one key. */
async function startAgent(dir: string, key: string): Promise<{ readonly socket: string } & AsyncDisposable> {
  const socket = path.join(dir, 'socket');
  const file = path.join(dir, 'key');
  await mkdir(dir, { mode: 0o700 });
  await writeFile(file, key, { mode: 0o600 });
  const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  const ended = once(child, 'close');
  await expect.poll(() => existsSync(socket)).toBe(true);
  execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
  return {
    socket,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

/** Pushes as the team does, beside terok. */
async function teamPush({ forge, source }: Bench, ...refspecs: readonly string[]): Promise<void> {
  await mustGit(forge.directory('team/shop'), ['config', 'receive.denyDeleteCurrent', 'ignore']);
  await mustGit(source, ['push', '--quiet', '--force', forge.directory('team/shop'), ...refspecs]);
}

describe('an upstream over HTTPS', () => {
  test('is pushed to by compare and swap, with a credential that no process shows', async () => {
    await using bench = await openBench();
    const { forge, source } = bench;
    const seen = new Set<string>();
    const watch = setInterval(() => {
      for (const text of processTexts()) if (text.includes(forge.token)) seen.add(text.slice(0, 200));
    }, 3);
    try {
      const upstream = await bench.open();
      const first = await mustGit(source, ['rev-parse', 'HEAD']);
      await upstream.push(source, { ref: 'refs/heads/terok/a', next: first, expected: undefined });
      expect(await upstream.branches(source)).toEqual({ branches: new Map([['terok/a', first]]), head: undefined });
      const second = await bench.lab.commit(source, { 'a.txt': 'a\n' }, 'A');
      await expect(upstream.push(source, { ref: 'refs/heads/terok/a', next: second, expected: undefined })).rejects.toThrow(
        'has other commits by now',
      );
      await upstream.push(source, { ref: 'refs/heads/terok/a', next: second, expected: first });
      expect(await mustGit(forge.directory('team/shop'), ['rev-parse', 'terok/a'])).toBe(second);
    } finally {
      clearInterval(watch);
    }
    expect([...seen]).toEqual([]);
    expect(await mustGit(source, ['config', '--list', '--local'])).not.toContain(forge.token);
    // Positive control: the watcher sees a token that is given as git users do
    const noticed: string[] = [];
    const control = setInterval(() => noticed.push(...processTexts().filter((text) => text.includes(forge.token))), 3);
    await gitIn(source, ['ls-remote', forge.remote('team/shop').replace('//', `//git:${forge.token}@`)]);
    clearInterval(control);
    expect(noticed.length).toBeGreaterThan(0);
  });

  test('follows no redirect, so that the credential goes to the upstream alone', async () => {
    await using bench = await openBench();
    await using other = await Forge.start({ token: 'another-token' });
    const redirecting = await redirectTo(other.remote('team/shop'));
    try {
      // Positive control: git as a user runs it goes there
      await gitIn(bench.source, ['ls-remote', redirecting.url]);
      const before = other.requests.length;
      expect(before).toBeGreaterThan(0);
      const redirected = await bench.open({ url: redirecting.url });
      await expect(redirected.branches(bench.source)).rejects.toThrow();
      expect(other.requests.slice(before)).toEqual([]);
    } finally {
      redirecting.close();
    }
  });

  test('says in words what is wrong: revoked token, no such repository, nobody there', async () => {
    await using bench = await openBench();
    const upstream = await bench.open();
    bench.forge.token = 'renewed';
    await expect(upstream.branches(bench.source)).rejects.toMatchObject({
      message: expect.stringContaining('does not take the credential'),
      hint: expect.stringContaining('terok secret set'),
    });
    await bench.vault.set('forge', new Secret('renewed'));
    const absent = await bench.open({ url: bench.forge.remote('team/other') });
    await expect(absent.branches(bench.source)).rejects.toThrow('has no such repository');
    const nobody = await bench.open({ url: 'http://127.0.0.1:9/team/shop.git' });
    await expect(nobody.branches(bench.source)).rejects.toThrow('cannot be reached');
  });

  test('is no address with a credential, an option or a program in it', () => {
    for (const text of [
      'https://user:pw@host/a.git',
      'ext::sh -c id',
      'file:///etc',
      '/etc',
      'http://example.com/a.git',
      'ssh://-oProxyCommand=id/a',
      'https://host/a?x',
      'ssh://git@host/../a b',
      'git://host/a',
      'https://host/a/../../b\nc',
    ])
      expect(() => parseUpstreamUrl(text), text).toThrow(/cannot be the upstream/);
    expect(parseUpstreamUrl('git@git.example.com:team/shop.git')).toMatchObject({
      kind: 'ssh',
      url: 'ssh://git@git.example.com/team/shop.git',
      path: 'team/shop',
    });
  });
});

describe('an upstream over SSH', () => {
  test('takes the deploy key of the project and the pinned host key, and nothing of the user', async () => {
    await using bench = await openBench();
    const key = await ensureProjectKey(bench.vault, 'shop-1');
    expect(await ensureProjectKey(bench.vault, 'shop-1')).toBe(key);
    await using forge = await SshForge.start(bench.forge.root, key);
    const first = await mustGit(bench.source, ['rev-parse', 'HEAD']);
    const pinned = { url: forge.remote('team/shop'), hostKeys: [forge.hostKey.publicKey] };
    const upstream = await bench.open(pinned);
    await upstream.push(bench.source, { ref: 'refs/heads/terok/a', next: first, expected: undefined });
    expect((await upstream.branches(bench.source)).branches.get('terok/a')).toBe(first);

    const unpinned = await bench.open({ ...pinned, hostKeys: [createSshKey('x').publicKey] });
    await expect(unpinned.branches(bench.source)).rejects.toMatchObject({
      message: expect.stringContaining('shows another host key than the pinned one'),
      hint: expect.stringContaining('--host-key'),
    });
    await expect(bench.open({ ...pinned, hostKeys: [] })).rejects.toThrow('No host key');

    forge.allowed = createSshKey('another').publicKey;
    const refused = await bench.open(pinned);
    await expect(refused.branches(bench.source)).rejects.toMatchObject({
      message: expect.stringContaining('does not know the deploy key'),
      hint: expect.stringContaining('terok git key'),
    });
  });

  test('asks the agent of the user where that was wished, and never else', async () => {
    await using bench = await openBench();
    const own = createSshKey('user');
    await ensureProjectKey(bench.vault, 'shop-1');
    await using forge = await SshForge.start(bench.forge.root, own.publicKey);
    await using agent = await startAgent(path.join(bench.lab.root, 'agent'), own.privateKey);
    const record = { url: forge.remote('team/shop'), hostKeys: [forge.hostKey.publicKey] };
    const env = { ...process.env, SSH_AUTH_SOCK: agent.socket };
    const first = await mustGit(bench.source, ['rev-parse', 'HEAD']);
    await expect((await bench.open(record, env)).branches(bench.source)).rejects.toThrow('does not know the deploy key');
    const upstream = await bench.open({ ...record, useAgent: true }, env);
    await upstream.push(bench.source, { ref: 'refs/heads/terok/a', next: first, expected: undefined });
    expect((await upstream.branches(bench.source)).branches.get('terok/a')).toBe(first);
  });

  test('runs no program that the configuration of the user names', async () => {
    await using bench = await openBench();
    const key = await ensureProjectKey(bench.vault, 'shop-1');
    await using forge = await SshForge.start(bench.forge.root, key);
    const home = path.join(bench.lab.root, 'home');
    await mkdir(path.join(home, '.ssh'), { recursive: true });
    await writeFile(path.join(home, '.ssh/config'), `Host *\n  ProxyCommand touch ${home}/ran\n`, { mode: 0o600 });
    await chmod(path.join(home, '.ssh'), 0o700);
    await mustGit(bench.source, ['config', 'core.sshCommand', `touch ${home}/ran; false`]);
    // Positive control: as the user, git runs it
    await gitIn(bench.source, ['ls-remote', forge.remote('team/shop')], { HOME: home });
    expect(readdirSync(home)).toContain('ran');
    await rm(path.join(home, 'ran'));
    const upstream = await bench.open({ url: forge.remote('team/shop'), hostKeys: [forge.hostKey.publicKey] });
    await upstream.branches(bench.source);
    expect(readdirSync(home)).not.toContain('ran');
  });
});

describe('a sync', () => {
  test('of an empty upstream, of new branches and of new commits takes them', async () => {
    await using bench = await openBench();
    const upstream = await bench.open();
    expect(await syncUpstream(bench.gate, upstream)).toMatchObject({ branches: 0, created: [], pending: [] });
    await teamPush(bench, 'HEAD:main', 'HEAD:feature');
    expect(await syncUpstream(bench.gate, upstream)).toMatchObject({
      head: 'main',
      branches: 2,
      created: expect.arrayContaining(['main', 'feature']),
    });
    const next = await bench.lab.commit(bench.source, { 'b.txt': 'b\n' }, 'B');
    await teamPush(bench, 'HEAD:main');
    expect(await syncUpstream(bench.gate, upstream)).toMatchObject({ created: [], forwarded: ['main'], pending: [] });
    expect(await mustGit(storeOf(bench.gate), ['rev-parse', 'refs/heads/main'])).toBe(next);
  });

  test('leaves what was rewritten or deleted as it is until a person takes it, with a backup', async () => {
    await using bench = await openBench();
    const upstream = await bench.open();
    const old = await bench.lab.commit(bench.source, { 'b.txt': 'b\n' }, 'B');
    await teamPush(bench, 'HEAD:main', 'HEAD:feature');
    await syncUpstream(bench.gate, upstream);
    await mustGit(bench.source, ['commit', '--quiet', '--amend', '--message', 'Other']);
    const next = await mustGit(bench.source, ['rev-parse', 'HEAD']);
    await teamPush(bench, 'HEAD:main', ':feature');
    const report = await syncUpstream(bench.gate, upstream);
    expect(report.pending).toEqual([
      { branch: 'main', kind: 'rewritten', from: old, to: next, commits: 1 },
      { branch: 'feature', kind: 'deleted', from: old, commits: 0 },
    ]);
    const store = storeOf(bench.gate);
    expect(await mustGit(store, ['rev-parse', 'refs/heads/main', 'refs/heads/feature'])).toBe(`${old}\n${old}`);
    const restore = await takePending(bench.gate, 'main');
    await takePending(bench.gate, 'feature');
    expect(await mustGit(store, ['for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads/'])).toBe(`refs/heads/main ${next}`);
    expect((await mustGit(store, ['for-each-ref', '--format=%(objectname)', 'refs/terok/backup/upstream/'])).split('\n')).toEqual([
      old,
      old,
    ]);
    expect(restore?.slice(-2)).toEqual(['refs/heads/main', old]);
    expect((await readSync(bench.gate))?.pending).toEqual([]);
  });

  test('names a default branch that is gone, and a branch that cannot stand beside another', async () => {
    await using bench = await openBench();
    const upstream = await bench.open();
    await teamPush(bench, 'HEAD:main', 'HEAD:a');
    await syncUpstream(bench.gate, upstream);
    await teamPush(bench, ':main', ':a');
    await teamPush(bench, 'HEAD:a/b');
    const report = await syncUpstream(bench.gate, upstream);
    expect(report.head).toBeUndefined();
    expect(report.pending.map(({ branch, kind }) => `${branch} ${kind}`).sort()).toEqual(['a deleted', 'a/b blocked', 'main deleted']);
  });

  test('moves the branch that a task sees forward, and nothing that the task wrote', async () => {
    await using bench = await openBench();
    const imported = await bench.lab.import(bench.source, 'shop');
    const clone = await bench.lab.clone(await bench.lab.serve(imported, 'shop'), 'shop');
    const mine = await bench.lab.commit(clone, { 'mine.txt': 'm\n' }, 'Mine');
    await mustGit(clone, ['push']);
    const next = await bench.lab.commit(bench.source, { 'b.txt': 'b\n' }, 'B');
    await teamPush(bench, 'HEAD:main', `HEAD:terok/shop`);
    const upstream = await bench.open();
    await syncUpstream(bench.gate, upstream);
    await mustGit(clone, ['fetch', '--quiet']);
    expect(await mustGit(clone, ['rev-parse', 'origin/main', 'origin/terok/shop'])).toBe(`${next}\n${mine}`);
  });

  test('moves the branch forward whose name begins like that of the task', async () => {
    await using bench = await openBench();
    await mustGit(bench.source, ['switch', '--quiet', '-c', 'terok/shop2']);
    const imported = await bench.lab.import(bench.source, 'shop');
    const next = await bench.lab.commit(bench.source, { 'b.txt': 'b\n' }, 'B');
    await teamPush(bench, 'HEAD:terok/shop2', 'HEAD:terok/shop.more', 'HEAD:terok/shop');
    await mustGit(imported.repository, ['update-ref', 'refs/heads/terok/shop.more', imported.baseCommit]);
    const upstream = await bench.open();
    await syncUpstream(bench.gate, upstream);
    const own = ['refs/heads/terok/shop', 'refs/heads/terok/shop.more'];
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop2', ...own])).toBe(
      [next, imported.baseCommit, imported.baseCommit].join('\n'),
    );
  });

  test('that is taken for several branches at once forgets none of them', async () => {
    await using bench = await openBench();
    const upstream = await bench.open();
    const names = ['one', 'two', 'three', 'four'];
    await teamPush(bench, 'HEAD:main', ...names.map((name) => `HEAD:${name}`));
    await syncUpstream(bench.gate, upstream);
    await teamPush(bench, ...names.map((name) => `:${name}`));
    await syncUpstream(bench.gate, upstream);
    await Promise.all(names.map((name) => takePending(bench.gate, name)));
    expect((await readSync(bench.gate))?.pending).toEqual([]);
  });

  test('works with SHA-256', async () => {
    await using bench = await openBench(['--object-format=sha256']);
    const upstream = await bench.open();
    await teamPush(bench, 'HEAD:main');
    expect(await syncUpstream(bench.gate, upstream)).toMatchObject({ created: ['main'] });
    expect(await mustGit(storeOf(bench.gate), ['rev-parse', 'refs/heads/main'])).toHaveLength(64);
  });
});

/** Command lines and environments of all processes of this user. */
function processTexts(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((pid) => ['cmdline', 'environ'].map((file) => `/proc/${pid}/${file}`))
    .flatMap((file) => {
      try {
        return readlinkSync(file.replace(/\w+$/, 'exe')).includes('git') ? [readFileSync(file, 'latin1')] : [];
      } catch {
        return [];
      }
    });
}

async function redirectTo(target: string): Promise<{ readonly url: string; close(): void }> {
  const http = await import('node:http');
  const server = http.createServer((request, response) => {
    response.writeHead(302, { location: `${target}${(request.url ?? '').replace(/^\/x\.git/, '')}` });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}/x.git`, close: () => void server.close() };
}
