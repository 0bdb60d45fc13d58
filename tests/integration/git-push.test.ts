import { hash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openPullRequest } from '../../src/upstream/index.ts';
import { Secret, Vault } from '../../src/vault/index.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

interface Bench extends ForgeProject {
  readonly clone: string;
}

/** A project with the API of its forge, and one task that pushes to its gate. */
async function openBench(): Promise<Bench> {
  const bench = await openForgeProject({ api: true });
  const { lab, imported, vaultDir, source } = bench;
  const lfs = { directory: path.join(lab.root, 'lfs'), offered: path.join(source, '.git/lfs/objects') };
  return { ...bench, clone: await lab.clone(await lab.serve(imported, 'shop', [], { vaultDir, lfs }), 'shop') };
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

  test('with files of Git LFS brings their objects first, each with the hash of its name, and the credential to the upstream alone', async () => {
    await using bench = await openBench();
    const { lab, forge, terok, clone, source } = bench;
    const content = 'large';
    const oid = hash('sha256', content);
    const file = path.join(source, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${content.length}\n`;
    await lab.commit(clone, { 'a.bin': pointer }, 'Add a');
    await lab.commit(clone, { 'a.bin': 'none\n' }, 'Replace a');
    await mustGit(clone, ['push', '--quiet']);
    const { digest } = await terok.reviews.open('shop');
    const isThere = async (): Promise<boolean> =>
      (await gitIn(forge.directory('team/shop'), ['rev-parse', '--verify', 'refs/heads/terok/shop'])).code === 0;
    await writeFile(file, 'other');
    await expect(terok.push('shop', { approve: digest })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('SHA-256'),
    });
    await rm(file);
    await expect(terok.push('shop')).rejects.toMatchObject({ code: 'REFUSED', message: expect.stringContaining('neither') });
    await writeFile(file, content);
    const seen: http.IncomingHttpHeaders[] = [];
    const store = http.createServer((request, response) => {
      seen.push(request.headers);
      request.resume().on('end', () => response.writeHead(seen.length === 1 ? 307 : 200, { location: forge.url }).end());
    });
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
    try {
      forge.lfsStore = `http://127.0.0.1:${(store.address() as AddressInfo).port}`;
      await expect(terok.push('shop')).rejects.toMatchObject({ code: 'GIT_FAILED', message: expect.stringContaining('307') });
      expect([forge.lfs.size, await isThere()]).toEqual([0, false]);
      forge.lfsStore = undefined;
      await terok.push('shop');
      expect([...forge.lfs]).toEqual([[oid, Buffer.from(content)]]);
      expect(await isThere()).toBe(true);
    } finally {
      store.close();
    }
    expect(seen).toMatchObject([{ 'x-lfs': 'given', 'content-length': '5' }]);
    expect(seen[0]).not.toHaveProperty('authorization');
    await terok.git.setUpstream(source, { url: 'git@git.example.test:team/shop.git', hostKeys: ['ssh-ed25519 AAAA'] });
    await expect(terok.push('shop', { approve: digest })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('SSH'),
    });
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
