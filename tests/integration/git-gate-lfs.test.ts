import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { GateEvent } from '../../src/sidecars/git-gate/index.ts';
import { Secret, Vault } from '../../src/vault/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { GitLab, gitIn, mustGit, runIn } from './git-harness.ts';

const installed = (await runIn('/tmp', ['git', 'lfs', 'version'])).code === 0;
const VALUE = 'correct horse battery staple';

interface Bench extends AsyncDisposable {
  readonly lab: GitLab;
  readonly clone: string;
  readonly url: string;
  readonly directory: string;
  readonly events: GateEvent[];
}

/** A repository of the user with one LFS object on this machine, and a task that has cloned it. */
async function openBench(): Promise<Bench> {
  const lab = await GitLab.create();
  const source = await lab.userRepository();
  await mustGit(source, ['lfs', 'install', '--local']);
  await mustGit(source, ['lfs', 'track', '*.bin']);
  await lab.commit(source, { 'old.bin': 'content of the user' }, 'Add');
  const imported = await lab.import(source, 'shop');
  const vaultDir = path.join(lab.root, 'vault');
  await new Vault(vaultDir).set('model', new Secret(VALUE));
  const directory = path.join(lab.root, 'lfs');
  const events: GateEvent[] = [];
  const url = await lab.serve(imported, 'shop', events, { vaultDir, lfs: { directory, offered: path.join(source, '.git/lfs/objects') } });
  const clone = await lab.clone(url, 'shop');
  await mustGit(clone, ['lfs', 'install', '--local']);
  return { lab, clone, url, directory, events, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

describeUnless(installed ? undefined : 'git-lfs is not installed', 'Git LFS through the gate', () => {
  test('gives what the user has on this machine and takes what the task makes', async () => {
    await using bench = await openBench();
    await mustGit(bench.clone, ['lfs', 'pull']);
    expect(await readFile(path.join(bench.clone, 'old.bin'), 'utf8')).toBe('content of the user');
    const content = randomBytes(3_000_000);
    await bench.lab.commit(bench.clone, { 'new.bin': content }, 'Add');
    expect(await gitIn(bench.clone, ['push'])).toMatchObject({ code: 0 });
    const oid = createHash('sha256').update(content).digest('hex');
    expect(await readFile(path.join(bench.directory, oid.slice(0, 2), oid.slice(2, 4), oid))).toEqual(content);
    const fresh = await bench.lab.clone(bench.url, 'shop', 'fresh');
    await mustGit(fresh, ['lfs', 'install', '--local']);
    await mustGit(fresh, ['lfs', 'pull']);
    expect(await readFile(path.join(fresh, 'new.bin'))).toEqual(content);
  });

  test('refuses a value of the vault in an object, which plain git would not see', async () => {
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, { 'a.bin': `x ${VALUE} y` }, 'Add');
    const result = await gitIn(bench.clone, ['push']);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('a.bin holds the value of the secret `model`');
  });

  test('refuses a pointer to an object that is not here', async () => {
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, { 'a.bin': 'never sent' }, 'Add');
    const result = await gitIn(bench.clone, ['push', '--no-verify']);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('a.bin names an LFS object that the gate does not have');
    expect(result.stderr).toContain('git lfs push');
  });

  test('gives no object that no file of the task names, and takes none under a wrong name', async () => {
    await using bench = await openBench();
    const hidden = 'of another branch';
    const oid = createHash('sha256').update(hidden).digest('hex');
    const offered = path.join(bench.lab.root, 'shop/.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4));
    await mkdir(offered, { recursive: true });
    await writeFile(path.join(offered, oid), hidden);
    const base = `${bench.url}/info/lfs/objects`;
    expect((await ask(`${base}/${oid}`)).status).toBe(404);
    const batch = await ask(`${base}/batch`, 'POST', JSON.stringify({ operation: 'download', objects: [{ oid, size: hidden.length }] }));
    expect(batch.body).toContain('"code":404');
    // Positive control: an object that a file names is given
    const known = createHash('sha256').update('content of the user').digest('hex');
    expect(await ask(`${base}/${known}`)).toEqual({ status: 200, body: 'content of the user' });
    expect((await ask(`${base}/${oid}`, 'PUT', 'other bytes')).status).toBe(422);
    expect((await ask(`${base}/../../../etc/passwd`)).status).toBe(404);
    expect((await ask(`${base}/batch`, 'POST', 'no json')).status).toBe(400);
    expect((await readdir(bench.directory).catch(() => [])).filter((name) => name.startsWith('.new-'))).toEqual([]);
    await rm(bench.directory, { recursive: true, force: true });
  });
});

function ask(url: string, method = 'GET', body = ''): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, path: url.slice(url.indexOf('/', 8)), method }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }));
    });
    request.on('error', reject);
    request.end(body);
  });
}
