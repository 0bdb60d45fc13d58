import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CliHome } from './cli-process.ts';

let home: CliHome;
beforeAll(() => {
  home = new CliHome();
});
afterAll(() => home.remove());

test('help goes to standard output with status 0, and a call without a command is a usage error', async () => {
  const help = await home.run(['--help']);
  expect(help).toMatchObject({ status: 0, stderr: '' });
  expect(help.stdout).toContain('terok COMMAND');
  expect((await home.run([])).status).toBe(120);
  expect((await home.run(['run', '--help'])).stdout).toContain('--allow-unenforced');
  expect((await home.run(['help', 'image', 'build'])).stdout).toContain('--force');
  expect((await home.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('an error is a sentence, a hint and a code on standard error', async () => {
  const result = await home.run(['lst']);
  expect(result).toMatchObject({ status: 120, stdout: '' });
  expect(result.stderr).toBe('error: There is no command `lst`.\nhint: Did you mean `terok list`?\ncode: USAGE (exit status 120)\n');
});

test('with --json an error is a document on standard output with the same status', async () => {
  const result = await home.run(['status', 'no-such-task', '--json']);
  expect(result.status).toBe(121);
  expect(JSON.parse(result.stdout)).toMatchObject({ error: { code: 'NOT_FOUND', exitStatus: 121 } });
});

test('--debug shows the causes of an error', async () => {
  writeFileSync(path.join(home.configDir, 'config.yml'), 'agnet: claude\n');
  const result = await home.run(['config', 'show', '--debug']);
  writeFileSync(path.join(home.configDir, 'config.yml'), '');
  expect(result.status).toBe(120);
  expect(result.stderr).toContain('line 1, column 1: unknown setting `agnet`');
  expect(result.stderr).toContain('    at ');
});

test('a secret comes from standard input, is kept in a private file and never printed', async () => {
  expect(await home.run(['secret', 'set', 'test-key'], { input: 'sk-very-secret\n' })).toMatchObject({ status: 0 });
  const list = await home.run(['secret', 'list', '--json']);
  expect(JSON.parse(list.stdout)).toMatchObject([{ name: 'test-key' }]);
  expect(list.stdout + list.stderr).not.toContain('very-secret');
  const file = findFile(home.root, 'test-key');
  expect(readFileSync(file, 'utf8')).toContain('sk-very-secret');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await home.run(['secret', 'rm', 'test-key'])).status).toBe(0);
  expect(existsSync(file)).toBe(false);
  expect((await home.run(['secret', 'set', 'empty'], { input: '' })).status).toBe(120);
});

test('the file in which an agent keeps its login is stored as a login that terok renews, and other text as it is', async () => {
  const file = JSON.stringify({ claudeAiOauth: { accessToken: 'real-access-0123456789', refreshToken: 'real-refresh-0123456789' } });
  expect(await home.run(['secret', 'set', 'claude-login'], { input: file })).toMatchObject({ status: 0 });
  const stored = readFileSync(findFile(home.root, 'claude-login'), 'utf8');
  expect(stored).toMatch(/^terok-oauth-1\n/);
  expect(JSON.parse(stored.slice(stored.indexOf('\n')))).toMatchObject({
    tokenEndpoint: 'https://platform.claude.com/v1/oauth/token',
    refreshToken: 'real-refresh-0123456789',
  });
  expect(await home.run(['secret', 'set', 'claude-login'], { input: 'long-lived-token-0123456789' })).toMatchObject({ status: 0 });
  expect(readFileSync(findFile(home.root, 'claude-login'), 'utf8')).toBe('long-lived-token-0123456789');
  expect(await home.run(['secret', 'rm', 'claude-login'])).toMatchObject({ status: 0 });
});

test('the agents of the roster and those of the user are listed with their secrets', async () => {
  const { stdout } = await home.run(['agent', 'list', '--json']);
  const agents = JSON.parse(stdout) as { name: string }[];
  expect(agents.map((agent) => agent.name)).toEqual(expect.arrayContaining(['claude', 'codex', 'opencode']));
});

test('the configuration is shown with the origin of each setting and with what a repository may not grant itself', async () => {
  const repository = path.join(home.root, 'shop');
  mkdirSync(repository);
  execFileSync('git', ['init', '-q', repository]);
  writeFileSync(path.join(repository, '.terok.yml'), 'agent: codex\nlimits: { memoryMiB: 999999 }\n');
  writeFileSync(path.join(home.configDir, 'config.yml'), 'agent: claude\nlimits: { cpus: 1 }\n');
  const report = JSON.parse((await home.run(['config', 'show', repository, '--json'])).stdout) as Record<string, unknown>;
  expect(report).toMatchObject({
    settings: { agent: 'claude', limits: { cpus: 1, memoryMiB: 4096 } },
    origins: { agent: 'global', 'limits.cpus': 'global', 'limits.memoryMiB': 'default' },
  });
  expect(JSON.stringify(report['notGranted'])).toMatch(/codex.*999999/);
});

test('an unknown backend is refused with what exists', async () => {
  const result = await home.run(['run', '--', 'true'], { env: { TEROK_BACKEND: 'docker' } });
  expect(result.status).toBe(121);
  expect(result.stderr).toMatch(/no backend `docker`.*`podman`/);
});

test('a reader that goes away early is no error', () => {
  const cli = path.join(import.meta.dirname, '../../bin/terok.mjs');
  const result = spawnSync('bash', ['-c', 'set -o pipefail; "$0" "$1" completions bash | head -c 1', process.execPath, cli], {
    env: home.env,
    encoding: 'utf8',
  });
  expect(result.stderr).toBe('');
  expect(result.stdout).toBe('#');
});

test('an older Node hands over to the one that was installed', ({ skip }) => {
  const old = ['/usr/bin/node', '/usr/local/bin/node'].find((file) => existsSync(file) && major(file) < 24);
  if (old === undefined) return skip('no Node older than 24 is installed here');
  const cli = path.join(import.meta.dirname, '../../bin/terok.mjs');
  expect(spawnSync(old, [cli, '--version'], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  expect(spawnSync(old, [cli, 'lst'], { encoding: 'utf8' }).status).toBe(120);
});

function major(node: string): number {
  return Number.parseInt(spawnSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout, 10);
}

function findFile(root: string, name: string): string {
  const found = readdirSync(root, { recursive: true, withFileTypes: true }).find((entry) => entry.isFile() && entry.name === name);
  if (found === undefined) throw new Error(`no file ${name} below ${root}`);
  return path.join(found.parentPath, found.name);
}

test('compiled code lies where no other user can put any', async () => {
  const common = path.join(home.root, 'common');
  mkdirSync(common);
  const env = { TMPDIR: common };
  await home.run(['--version'], { env });
  expect(readdirSync(common)).toEqual([]);
  const compiled = path.join(home.root, 'ca/compiled');
  expect(statSync(compiled).mode & 0o777).toBe(0o700);
  expect(readdirSync(compiled)).not.toEqual([]);
  // what Node does by itself
  execFileSync(process.execPath, ['--eval', "require('node:module').enableCompileCache()"], { env: { ...home.env, ...env } });
  expect(readdirSync(common)).toEqual(['node-compile-cache']);
});
