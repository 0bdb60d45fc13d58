import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { channelSeeds, createChannelIdentity, loadChannelIdentity } from '../../../src/exec-channel/index.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp('/tmp/exch-identity-');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test('the keys are ed25519 keys that an SSH implementation reads, and the halves belong together', async () => {
  const { host, client } = await createChannelIdentity(dir);
  for (const key of [host, client]) {
    const parsed = ssh2.utils.parseKey(key.privateKey);
    if (parsed instanceof Error) throw parsed;
    expect(parsed.type).toBe('ssh-ed25519');
    expect(`ssh-ed25519 ${parsed.getPublicSSH().toString('base64')}`).toBe(key.publicKey);
    const signature = parsed.sign(Buffer.from('text'));
    const publicKey = ssh2.utils.parseKey(key.publicKey);
    if (publicKey instanceof Error) throw publicKey;
    expect(publicKey.verify(Buffer.from('text'), signature)).toBe(true);
  }
  expect(host.publicKey).not.toBe(client.publicKey);
});

test('making them twice gives the same keys; only the owner can read them', async () => {
  const first = await createChannelIdentity(dir);
  expect(await createChannelIdentity(dir)).toEqual(first);
  expect(await loadChannelIdentity(dir)).toEqual(first);
  expect((await stat(path.join(dir, 'channel'))).mode & 0o777).toBe(0o700);
  expect((await stat(path.join(dir, 'channel/identity.json'))).mode & 0o777).toBe(0o600);
});

test('missing keys are NOT_FOUND, damaged ones STATE_CORRUPT and never replaced', async () => {
  await expect(loadChannelIdentity(dir)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await createChannelIdentity(dir);
  await writeFile(path.join(dir, 'channel/identity.json'), '{"host":');
  await expect(createChannelIdentity(dir)).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
  expect(await readFile(path.join(dir, 'channel/identity.json'), 'utf8')).toBe('{"host":');
});

test('the bottle gets its host key and the public half of ours, and nothing that the agent can write', async () => {
  const identity = await createChannelIdentity(dir);
  const seeds = new Map(channelSeeds(identity).map((seed) => [seed.path, seed]));
  expect([...seeds.keys()].sort()).toEqual([
    '/etc/terok/authorized_keys',
    '/etc/terok/ssh_host_key',
    '/etc/terok/sshd_config',
    '/usr/lib/terok/init',
  ]);
  expect([...seeds.values()].every((seed) => seed.owner === 'root' && (seed.mode & 0o022) === 0)).toBe(true);
  expect(seeds.get('/etc/terok/ssh_host_key')).toMatchObject({ mode: 0o600, content: identity.host.privateKey });
  expect([...seeds.values()].some((seed) => String(seed.content).includes(identity.client.privateKey.split('\n')[3] ?? '-'))).toBe(false);
});
