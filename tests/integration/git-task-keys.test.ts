import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createTaskKey, listTaskKeys, openForgeKeys, revokeTaskKeys } from '../../src/upstream/index.ts';
import { Vault } from '../../src/vault/index.ts';
import { COMPANY_PROXIES } from '../support/company-proxies.ts';
import { Forge } from '../support/forge.ts';
import { listen } from './egress-harness.ts';

describe.each([
  ['gitea', '/api/v1'],
  ['github', '/api/v3'],
] as const)('a deploy key for one task at a forge of the kind %s', (kind, base) => {
  async function openBench() {
    const root = await mkdtemp(path.join(tmpdir(), 'tk-'));
    const forge = await Forge.start();
    await forge.createRepository('team/shop');
    const keys = openForgeKeys({ kind, api: `${forge.url}${base}`, repository: 'team/shop', token: () => Promise.resolve(forge.token) });
    const vault = new Vault(path.join(root, 'vault'));
    return {
      forge,
      vault,
      inputs: { projectDataDir: root, vault, forge: keys },
      async [Symbol.asyncDispose]() {
        await forge[Symbol.asyncDispose]();
        await rm(root, { recursive: true, force: true });
      },
    };
  }

  test('is at the forge while the task lives, and gone with it', async () => {
    await using bench = await openBench();
    const key = await createTaskKey(bench.inputs, 'shop');
    expect(bench.forge.keys.get('team/shop')).toEqual([
      expect.objectContaining({ key: key.publicKey, read_only: false, title: 'terok shop' }),
    ]);
    expect(await revokeTaskKeys(bench.inputs, () => false)).toEqual([]);
    expect(bench.forge.keys.get('team/shop')).toHaveLength(1);
    expect(await revokeTaskKeys(bench.inputs, (slug) => slug === 'shop')).toEqual([]);
    expect(bench.forge.keys.get('team/shop')).toEqual([]);
    expect(await listTaskKeys(bench.inputs.projectDataDir)).toEqual([]);
    expect(await bench.vault.list()).toEqual([]);
  });

  test('that cannot be revoked stays recorded with the reason, and the next attempt takes it away', async () => {
    await using bench = await openBench();
    await createTaskKey(bench.inputs, 'shop');
    bench.forge.failures = { DELETE: 500 };
    const left = await revokeTaskKeys(bench.inputs, () => true);
    expect(left).toEqual([expect.objectContaining({ slug: 'shop', problem: expect.stringContaining('status 500') })]);
    expect(await listTaskKeys(bench.inputs.projectDataDir)).toEqual(left);
    bench.forge.failures = {};
    const { token } = bench.forge;
    bench.forge.token = 'renewed';
    const denied = openForgeKeys({ kind, api: `${bench.forge.url}${base}`, repository: 'team/shop', token: () => Promise.resolve(token) });
    expect(await revokeTaskKeys({ ...bench.inputs, forge: denied }, () => true)).toEqual([
      expect.objectContaining({ problem: expect.stringContaining('status 401') }),
    ]);
    expect(await revokeTaskKeys(bench.inputs, () => true)).toEqual([]);
    expect(bench.forge.keys.get('team/shop')).toEqual([]);
  });

  test('is asked for through the proxy of the company', async () => {
    await using bench = await openBench();
    const asked: string[] = [];
    const lead = () => ({ host: '127.0.0.1', port: Number(new URL(bench.forge.url).port) });
    const proxy = COMPANY_PROXIES.http({ asked, lead });
    try {
      const url = `http://127.0.0.1:${await listen(proxy)}`;
      const keys = openForgeKeys({
        kind,
        api: `http://forge.test.example${base}`,
        repository: 'team/shop',
        token: () => Promise.resolve(bench.forge.token),
        road: () => Promise.resolve({ proxy: { url, noProxy: [] } }),
      });
      const { id } = await createTaskKey({ ...bench.inputs, forge: keys }, 'shop');
      expect(bench.forge.keys.get('team/shop')).toEqual([expect.objectContaining({ id })]);
      expect(asked).toEqual(['forge.test.example:80']);
    } finally {
      proxy.close();
    }
  });

  test('that somebody removed at the forge counts as revoked; the token is in no record', async () => {
    await using bench = await openBench();
    await createTaskKey(bench.inputs, 'shop');
    bench.forge.keys.set('team/shop', []);
    const record = await readFile(path.join(bench.inputs.projectDataDir, 'task-keys.json'), 'utf8');
    expect(record).not.toContain(bench.forge.token);
    expect(await revokeTaskKeys(bench.inputs, () => true)).toEqual([]);
  });

  test('whose making was cut off is looked for at the forge by its public half', async () => {
    await using bench = await openBench();
    bench.forge.failures = { POST: 500 };
    await expect(createTaskKey(bench.inputs, 'shop')).rejects.toThrow('did not take the deploy key');
    const [wish] = await listTaskKeys(bench.inputs.projectDataDir);
    bench.forge.failures = {};
    // As if the forge had taken it and the answer was lost
    await bench.inputs.forge.create('terok shop', wish?.publicKey ?? '');
    expect(await revokeTaskKeys(bench.inputs, () => true)).toEqual([]);
    expect(bench.forge.keys.get('team/shop')).toEqual([]);
  });
});
