import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runOrThrow } from '../../src/core/index.ts';
import { Forge } from '../support/forge.ts';
import { SshForge } from '../support/ssh-forge.ts';
import { sampleRepository, type TerokCli, terokCli } from '../support/terok-cli.ts';

let terok: TerokCli;
let forge: Forge;
let ssh: SshForge;
let repository: string;

beforeEach(async () => {
  terok = await terokCli();
  forge = await Forge.start();
  await forge.createRepository('team/shop');
  ssh = await SshForge.start(forge.root, '');
  repository = await sampleRepository(terok.root, 'shop');
  await runOrThrow(['git', '-C', repository, 'push', '--quiet', forge.directory('team/shop'), 'main']);
  await mkdir(terok.paths.config, { recursive: true });
  await writeFile(path.join(terok.paths.config, 'config.yml'), 'git:\n  class: online\n  taskKeys: true\n');
  await must(['secret', 'set', 'forge'], forge.token);
  await must([
    'git',
    'upstream',
    'set',
    ssh.remote('team/shop'),
    repository,
    '--host-key',
    ssh.hostKey.publicKey,
    '--forge',
    'gitea',
    '--forge-api',
    `${forge.url}/api/v1`,
    '--forge-secret',
    'forge',
  ]);
});

afterEach(async () => {
  await terok[Symbol.asyncDispose]();
  await ssh[Symbol.asyncDispose]();
  await forge[Symbol.asyncDispose]();
});

async function must(args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await terok.run(args, { input });
  expect(code, `terok ${args.join(' ')}\n${stdout}\n${stderr}`).toBe(0);
  return `${stdout}${stderr}`;
}

it('a task pushes with a key of its own, which a forge that fails keeps until a later command revokes it', async () => {
  const work = 'echo more > b.txt && git add b.txt && git commit -qm More; echo committed; read -r go; git push origin HEAD 2>&1';
  const child = terok.start(['run', repository, '--name', 'keyed', '--', 'sh', '-c', work]);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await expect.poll(() => output, { timeout: 120_000 }).toContain('committed');

  const [key] = forge.keys.get('team/shop') ?? [];
  expect(key).toMatchObject({ title: 'terok keyed', read_only: false });
  // The key of the task is the only one that comes in
  ssh.allowed = key?.key ?? '';
  child.stdin?.end('go\n');
  expect(await ended, output).toBe(0);
  expect(output).toContain('terok/keyed was forwarded to 127.0.0.1');

  forge.failures = { DELETE: 500 };
  const removed = await terok.run(['rm', '--force', 'keyed']);
  expect(`${removed.stdout}${removed.stderr}`).toContain('status 500');
  expect(forge.keys.get('team/shop')).toHaveLength(1);
  expect((await terok.run(['list'])).stderr).toContain('left a deploy key at the forge that could not be revoked');
  forge.failures = {};
  expect((await terok.run(['list'])).stderr).not.toContain('deploy key');
  expect(forge.keys.get('team/shop')).toEqual([]);
});

it('a forge that gives no key keeps the task from starting, and leaves no key', async () => {
  forge.failures = { POST: 500 };
  const refused = await terok.run(['run', repository, '--name', 'unkeyed', '--', 'true']);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('did not take the deploy key');
  forge.failures = {};
  await terok.run(['list']);
  expect(forge.keys.get('team/shop')).toEqual([]);
  expect((await terok.run(['list'])).stderr).not.toContain('deploy key');
});
