import { mkdir } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolvePaths } from '../../src/core/index.ts';
import { ensureGate, importSource } from '../../src/projects/git/index.ts';
import { identifyProject } from '../../src/projects/index.ts';
import { createTerok, type Terok } from '../../src/tasks/index.ts';
import { writeTask } from '../../src/tasks/task-record.ts';
import { openPullRequest } from '../../src/upstream/index.ts';
import { Secret, Vault } from '../../src/vault/index.ts';
import { Forge } from '../support/forge.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

interface Bench extends AsyncDisposable {
  readonly lab: GitLab;
  readonly forge: Forge;
  readonly terok: Terok;
  readonly vault: Vault;
  readonly source: string;
  readonly clone: string;
}

/** A project whose upstream is a forge on loopback, with one task that pushes to its gate. */
async function openBench(): Promise<Bench> {
  const lab = await GitLab.create();
  const forge = await Forge.start();
  await forge.createRepository('team/shop');
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH };
  for (const name of ['CONFIG', 'DATA', 'STATE', 'CACHE', 'RUNTIME']) env[`TEROK_${name}_DIR`] = path.join(lab.root, name.toLowerCase());
  const paths = resolvePaths(env);
  await mkdir(path.join(paths.state, 'bottles', 'shop'), { recursive: true });
  const source = await lab.userRepository('shop');
  await mustGit(source, ['push', '--quiet', forge.directory('team/shop'), 'main']);
  const vault = new Vault(path.join(paths.data, 'secrets'));
  await vault.set('forge', new Secret(forge.token));
  const terok = createTerok({ env });
  const api = { kind: 'gitea', api: `${forge.url}/api/v1`, secret: 'forge' } as const;
  await terok.git.setUpstream(source, { url: forge.remote('team/shop'), secret: 'forge', forge: api });
  const project = await identifyProject(paths, source);
  const gate = await ensureGate(project.dataDir, source);
  const imported = await importSource({ gate, source, slug: 'shop' });
  if (imported.kind !== 'git') throw new Error('no repository');
  const now = new Date().toISOString();
  const base = { branch: 'main', commit: imported.baseCommit };
  await writeTask(paths, {
    version: 1,
    slug: 'shop',
    project: { ...project },
    backend: 'podman',
    image: 'none',
    argv: ['true'],
    gate,
    base,
    startedAt: now,
    finishedAt: now,
    notes: [],
  });
  const clone = await lab.clone(await lab.serve(imported, 'shop', [], { vaultDir: path.join(paths.data, 'secrets') }), 'shop');
  const dispose = async (): Promise<void> => {
    await forge[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  };
  return { lab, forge, terok, vault, source, clone, [Symbol.asyncDispose]: dispose };
}

describe('taking approved work to the upstream', () => {
  test('a task from a refused secret to a pull request', async () => {
    await using bench = await openBench();
    const { lab, forge, terok, clone } = bench;
    await lab.commit(clone, { 'src/shop.ts': 'export const price = 12;\n', 'deploy.env': `TOKEN=${forge.token}\n` }, 'Raise the price');
    const refused = await gitIn(clone, ['push']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('deploy.env');
    await mustGit(clone, ['rm', '--quiet', '--force', 'deploy.env']);
    await mustGit(clone, ['commit', '--quiet', '--amend', '--no-edit']);
    await mustGit(clone, ['push', '--quiet']);
    const tip = await mustGit(clone, ['rev-parse', 'HEAD']);

    await expect(terok.push('shop')).rejects.toMatchObject({ code: 'REFUSED' });
    expect((await gitIn(forge.directory('team/shop'), ['rev-parse', '--verify', 'refs/heads/terok/shop'])).code).not.toBe(0);
    const { digest } = await terok.reviews.open('shop');
    await terok.reviews.approve('shop', digest);
    const report = await terok.push('shop');
    expect(report).toMatchObject({ branch: 'terok/shop', commit: tip, pullRequest: { created: true } });
    expect(await mustGit(forge.directory('team/shop'), ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
    expect(forge.pulls.get('team/shop')).toMatchObject([{ head: 'terok/shop', base: 'main', title: 'Raise the price', state: 'open' }]);
    // Used once: the next push needs the next approval, and finds the request that is open
    await expect(terok.push('shop')).rejects.toMatchObject({ code: 'REFUSED' });
    expect(await terok.push('shop', { approve: digest })).toMatchObject({
      pullRequest: { created: false, number: report.pullRequest?.number },
    });
  });

  test('leaves a branch of the upstream alone that holds other work, and goes to another', async () => {
    await using bench = await openBench();
    const { lab, forge, terok, clone, source } = bench;
    await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['push', '--quiet']);
    const theirs = await lab.commit(source, { 'b.txt': 'b\n' }, 'Theirs');
    await mustGit(source, ['push', '--quiet', forge.directory('team/shop'), 'HEAD:refs/heads/terok/shop']);
    const { digest } = await terok.reviews.open('shop');
    await expect(terok.push('shop', { approve: digest })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('holds commits'),
    });
    expect(await mustGit(forge.directory('team/shop'), ['rev-parse', 'refs/heads/terok/shop'])).toBe(theirs);
    // The approval was not spent on it
    expect(await terok.push('shop', { branch: 'price' })).toMatchObject({ branch: 'price' });
  });

  test('a forge that refuses the request does not take the push back, and says why', async () => {
    await using bench = await openBench();
    const { lab, forge, terok, clone } = bench;
    await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['push', '--quiet']);
    forge.failures = { POST: 403 };
    const { digest } = await terok.reviews.open('shop');
    expect(await terok.push('shop', { approve: digest })).toMatchObject({
      branch: 'terok/shop',
      problem: expect.stringContaining('answered 403'),
    });
    expect(JSON.stringify(await terok.reviews.open('shop'))).not.toContain(forge.token);
  });
});

describe('the request of a forge', () => {
  test.each([
    ['gitea', 'authorization', 'token T0KEN', { head: 'terok/a', base: 'main' }, { number: 7, html_url: 'https://x.test/7' }],
    ['github', 'authorization', 'Bearer T0KEN', { head: 'terok/a', base: 'main' }, { number: 7, html_url: 'https://x.test/7' }],
    ['gitlab', 'private-token', 'T0KEN', { source_branch: 'terok/a', target_branch: 'main' }, { iid: 7, web_url: 'https://x.test/7' }],
  ] as const)('%s is asked in its own words', async (kind, header, value, body, answer) => {
    await using lab = await GitLab.create();
    const vault = new Vault(path.join(lab.root, 'vault'));
    await vault.set('forge', new Secret('T0KEN'));
    const seen: { url: string; header: unknown; body: unknown }[] = [];
    const server = http.createServer((request, response) => {
      const parts: Buffer[] = [];
      request
        .on('data', (part: Buffer) => parts.push(part))
        .on('end', () => {
          seen.push({
            url: request.url ?? '',
            header: request.headers[header],
            body: JSON.parse(Buffer.concat(parts).toString()) as unknown,
          });
          response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
      const wish = { forge: { kind, api, secret: 'forge' }, repository: 'o/r', head: 'terok/a', base: 'main', title: 'T', body: 'B' };
      expect(await openPullRequest(wish, vault)).toEqual({ number: 7, url: 'https://x.test/7', created: true });
      expect(seen).toMatchObject([
        {
          url: kind === 'gitlab' ? '/api/projects/o%2Fr/merge_requests' : '/api/repos/o/r/pulls',
          header: value,
          body: { title: 'T', ...body },
        },
      ]);
    } finally {
      server.close();
    }
  });

  test('does not take the token along a redirect', async () => {
    await using lab = await GitLab.create();
    const vault = new Vault(path.join(lab.root, 'vault'));
    await vault.set('forge', new Secret('T0KEN'));
    const urls: string[] = [];
    const server = http.createServer((request, response) => {
      urls.push(request.url ?? '');
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
      const wish = {
        forge: { kind: 'gitea', api, secret: 'forge' },
        repository: 'o/r',
        head: 'a',
        base: 'main',
        title: 'T',
        body: 'B',
      } as const;
      await expect(openPullRequest(wish, vault)).rejects.toMatchObject({ code: 'RUNTIME_FAILED' });
      expect(urls).toEqual(['/api/repos/o/r/pulls']);
    } finally {
      server.close();
    }
  });
});
