import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { GateEvent } from '../../src/sidecars/git-gate/index.ts';
import { startGate } from './gate-process.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

interface Answer {
  readonly status: number;
  readonly body: string;
}

function send(url: string, options: { method?: string; headers?: Record<string, string>; body?: Buffer } = {}): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = http.request(
      { hostname, port, path: url.slice(url.indexOf('/', 8)), method: options.method ?? 'GET', headers: options.headers ?? {} },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('latin1') }));
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(options.body);
  });
}

const push = { 'content-type': 'application/x-git-receive-pack-request' };
const fetchType = { 'content-type': 'application/x-git-upload-pack-request' };

function packet(text: string): string {
  return (text.length + 4).toString(16).padStart(4, '0') + text;
}

describe('the git gate under attack', () => {
  test('serves nothing beside the smart protocol', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const url = await lab.serve(imported, 'shop');
    expect((await send(`${url}/info/refs?service=git-upload-pack`)).status).toBe(200);
    const base = url.slice(0, -'/repo.git'.length);
    for (const target of [
      '/repo.git/HEAD',
      '/repo.git/config',
      '/repo.git/objects/info/packs',
      '/store.git/info/refs?service=git-upload-pack',
      '/repo.git/../store.git/info/refs?service=git-upload-pack',
      '/repo.git/%2e%2e/store.git/HEAD',
      '/repo.git//info/refs?service=git-upload-pack',
    ]) {
      expect((await send(base + target)).status, target).toBe(404);
    }
    expect((await send(`${url}/info/refs`)).status).toBe(403);
    expect((await send(`${url}/info/refs?service=git-upload-archive`)).status).toBe(403);
    expect((await send(`${url}/git-upload-pack`)).status).toBe(405);
    expect((await send(`${url}/git-receive-pack`, { method: 'POST' })).status).toBe(415);
    expect(
      (
        await send(`${url}/git-receive-pack`, { method: 'POST', headers: { ...push, 'content-length': '99999999999' } }).catch(() => ({
          status: 413,
        }))
      ).status,
    ).toBe(413);
  });

  test('understands gzip and stops a body that only looks small', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const events: GateEvent[] = [];
    const url = await lab.serve(imported, 'shop', events);
    const wish = Buffer.from(`${packet(`want ${imported.baseCommit}\n`)}0000${packet('done\n')}`);
    const plain = await send(`${url}/git-upload-pack`, { method: 'POST', headers: fetchType, body: wish });
    const packed = await send(`${url}/git-upload-pack`, {
      method: 'POST',
      headers: { ...fetchType, 'content-encoding': 'gzip' },
      body: gzipSync(wish),
    });
    expect(plain.body).toContain('PACK');
    expect(packed).toEqual(plain);
    const bomb = gzipSync(Buffer.concat([wish.subarray(0, -8), Buffer.from(packet(`have ${'0'.repeat(40)}\n`).repeat(400_000))]));
    expect(bomb.length).toBeLessThan(200_000);
    await send(`${url}/git-upload-pack`, { method: 'POST', headers: { ...fetchType, 'content-encoding': 'gzip' }, body: bomb }).catch(
      () => undefined,
    );
    await expect
      .poll(() => events.filter(({ decision }) => decision === 'deny').map(({ reason }) => reason))
      .toEqual([expect.stringContaining('at most 8388608 bytes')]);
  });

  test('changes no ref for a malformed pack or for objects that fsck rejects', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const url = await lab.serve(imported, 'shop');
    const line = packet(`${imported.baseCommit} ${'1'.repeat(40)} refs/heads/terok/shop\0report-status`);
    const broken = await send(`${url}/git-receive-pack`, {
      method: 'POST',
      headers: push,
      body: Buffer.concat([Buffer.from(`${line}0000PACK`), randomBytes(500)]),
    });
    expect(broken.body).toContain('unpack');
    expect(broken.body).not.toContain('unpack ok');
    const clone = await lab.clone(url, 'shop');
    const blob = await mustGit(clone, ['rev-parse', 'HEAD:README.md']);
    const raw = Buffer.concat([Buffer.from('100644 .git\0'), Buffer.from(blob, 'hex')]);
    await writeFile(path.join(lab.root, 'tree'), raw);
    const tree = await mustGit(clone, ['hash-object', '-t', 'tree', '-w', '--literally', path.join(lab.root, 'tree')]);
    const evil = await mustGit(clone, ['commit-tree', '-p', 'HEAD', '-m', 'Evil', tree]);
    // Positive control: a repository without the gate's settings takes the commit
    await mustGit(lab.root, ['init', '--quiet', '--bare', 'control.git']);
    expect((await gitIn(clone, ['push', path.join(lab.root, 'control.git'), `${evil}:refs/heads/x`])).code).toBe(0);
    const refused = await gitIn(clone, ['push', 'origin', `${evil}:refs/heads/terok/shop`]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('hasDotgit');
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(imported.baseCommit);
  });

  test('refuses a repository whose configuration terok did not write, and restores it with the next start', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    const imported = await lab.import(source, 'shop');
    const url = await lab.serve(imported, 'shop');
    await writeFile(path.join(imported.repository, 'config'), '[uploadpack]\n\thideRefs = x\n');
    expect((await send(`${url}/info/refs?service=git-upload-pack`)).status).toBe(502);
    await lab.import(source, 'shop');
    expect((await send(`${url}/info/refs?service=git-upload-pack`)).status).toBe(200);
  });

  test.each(['client', 'gate'] as const)(
    'a %s that is killed in the middle of a push leaves a whole ref, and the next push works',
    async (victim) => {
      await using lab = await GitLab.create();
      const imported = await lab.import(await lab.userRepository(), 'shop');
      const url = await lab.serve(imported, 'shop');
      const clone = await lab.clone(url, 'shop');
      const tip = await lab.commit(clone, { 'big.bin': randomBytes(30_000_000) }, 'Big');
      for (const delay of [100, 300, 500]) {
        await using server = await startGate(imported, 'shop');
        const client = spawn('git', ['-C', clone, 'push', '--quiet', server.url, 'HEAD'], {
          detached: true,
          stdio: 'ignore',
          env: { PATH: process.env.PATH ?? '', HOME: lab.root },
        });
        const clientEnded = new Promise((resolve) => client.once('close', resolve));
        await new Promise((resolve) => setTimeout(resolve, delay));
        if (victim === 'gate') server.kill();
        else if (client.pid !== undefined && client.exitCode === null) process.kill(-client.pid, 'SIGKILL');
        await clientEnded;
        expect([imported.baseCommit, tip]).toContain(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop']));
      }
      await mustGit(clone, ['push']);
      expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
      await mustGit(imported.repository, ['fsck', '--connectivity-only']);
    },
  );

  test('a lock and a quarantine that a killed git left are removed when they are old, and only then', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    const lock = path.join(imported.repository, 'refs/heads/terok/shop.lock');
    const quarantine = path.join(imported.repository, 'objects/tmp_objdir-incoming-x');
    await writeFile(lock, '');
    await mkdir(quarantine);
    await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    expect((await gitIn(clone, ['push'])).code).not.toBe(0);
    const old = new Date(Date.now() - 2 * 60 * 60_000);
    for (const name of [lock, quarantine]) await utimes(name, old, old);
    await mustGit(clone, ['push']);
    expect((await readdir(path.join(imported.repository, 'objects'))).filter((name) => name.startsWith('tmp_objdir'))).toEqual([]);
  });
});
