/* `terok egress` and `terok audit` around a bottle that runs: real command line, real gateway, a server on the loopback of the host. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { waitUntil } from '../conformance/support/in-bottle.ts';
import { CliHome } from './cli-process.ts';

const HOST = 'host.terok.internal';
const TASK = 'shop';

let home: CliHome;
let repository = '';
let unusable: string | undefined;
let port = 0;
/** Requests that stay open */
const open = new Set<ServerResponse>();
const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  if (request.url?.startsWith('/slow') === true) {
    response.write('begin\n');
    open.add(response);
    response.once('close', () => open.delete(response));
  } else response.end(`served ${request.method} ${request.url}\n`);
});

beforeAll(async () => {
  home = new CliHome();
  unusable = await home.whyNoPodman();
  if (unusable !== undefined) return;
  repository = home.repository('shop', { 'a.txt': 'hello\n' });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  expect((await home.run(['image', 'build'])).status).toBe(0);
  expect(await home.run(['run', repository, '--name', TASK, '--keep', '--quiet', '--', 'true'])).toMatchObject({ status: 0 });
});

afterAll(async () => {
  await home.run(['rm', '--force', TASK]);
  server.closeAllConnections();
  server.close();
  home.remove();
});

beforeEach(({ skip }) => {
  if (unusable !== undefined) skip(unusable);
});

async function json<T>(...args: string[]): Promise<T> {
  const { stdout, stderr } = await home.run([...args, '--json']);
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw new Error(`\`terok ${args.join(' ')}\` printed no JSON: ${stdout}\n${stderr}`);
  }
}

const bottle = async (...argv: string[]) => await home.run(['exec', TASK, '--', ...argv]);
const curl = async (rest = '/', ...args: string[]) =>
  await bottle('curl', '-sS', '-i', '--max-time', '20', ...args, `http://${HOST}:${port}${rest}`);
const target = (): string => `${HOST}:${port}`;
const allow = async (...args: string[]) =>
  await home.run(['egress', 'allow', TASK, target(), '--mode', 'inspect', '--private-network', '127.0.0.1/32', ...args]);
const deny = async (...args: string[]) => await home.run(['egress', 'deny', TASK, target(), ...args]);
const auditFile = (): string => path.join(home.root, 'st', 'bottles', TASK, 'audit.jsonl');

describe('a bottle that runs', () => {
  test('reaches a host from the moment it is allowed, and no longer from the moment it is denied', async () => {
    expect((await curl()).status).not.toBe(0);
    const allowed = await allow();
    expect(allowed.stderr).toMatch(/Allowed host\.terok\.internal:\d+ to task shop[\s\S]*shop: in force/);
    expect((await curl('/x')).stdout).toContain('served GET /x');
    expect((await deny()).status).toBe(0);
    expect((await curl()).status).not.toBe(0);
    expect((await deny('--undo')).status).toBe(0);
    expect((await deny('--undo')).status).toBe(121);
  });

  test('is allowed methods and paths alone, and the refusal names the command that was missing', async () => {
    await allow('--method', 'GET', '--path', '/public');
    expect((await curl('/public/a')).stdout).toContain('served GET /public/a');
    const refused = (await curl('/private')).stdout;
    expect(refused).toContain('x-terok-refused: path-not-allowed');
    expect(refused).toContain(`terok egress allow ${TASK} ${target()} --method GET --path /private`);
    expect((await curl('/public/a', '-X', 'POST')).stdout).toContain('x-terok-refused: method-not-allowed');
    await deny();
    await deny('--undo');
  });

  test('loses an open request with the rule that allowed it', async () => {
    await allow();
    const slow = bottle('curl', '-sSN', '--max-time', '60', `http://${HOST}:${port}/slow`);
    await waitUntil(() => open.size > 0, 20_000, 'the slow request');
    await deny();
    const { status, stdout } = await slow;
    expect(stdout).toBe('begin\n');
    expect(status).not.toBe(0);
    await waitUntil(() => open.size === 0, 5_000, 'the end of it at the server');
    await deny('--undo');
  });

  test('loses a timed grant by itself, with the requests that it allowed, and a restart of the gateway does not revive it', async () => {
    await allow('--for', '6s');
    const slow = bottle('curl', '-sSN', '--max-time', '60', `http://${HOST}:${port}/slow`);
    await waitUntil(() => open.size > 0, 20_000, 'the slow request');
    expect((await slow).stdout).toBe('begin\n');
    expect((await curl()).status).not.toBe(0);
    const plan = (): { policy: { routes: unknown[] } } =>
      JSON.parse(readFileSync(path.join(home.root, 'st/bottles', TASK, 'gateway.json'), 'utf8'));
    expect(plan().policy.routes).toEqual([]);
    const { pid } = JSON.parse(readFileSync(path.join(home.root, 'st/bottles', TASK, 'network/gateway-process.json'), 'utf8')) as {
      pid: number;
    };
    process.kill(pid, 'SIGKILL');
    await waitUntil(async () => (await json<{ gateway: string }>('status', TASK)).gateway === 'running', 20_000, 'the gateway');
    await waitUntil(async () => (await bottle('true')).status === 0, 20_000, 'the channel');
    expect((await curl()).status).not.toBe(0);
  });

  test('does not get a timed grant back because the clock of the host was set back', async () => {
    await allow('--for', '1s');
    const rulesDir = path.join(home.root, 'st/bottles', TASK, 'egress');
    const newest = path.join(
      rulesDir,
      readdirSync(rulesDir)
        .filter((name) => name.endsWith('.json'))
        .sort()
        .at(-1) ?? '',
    );
    const seenWithClockSetBack = async (change: (route: { bootEnd?: unknown }) => void): Promise<string> => {
      const version = JSON.parse(readFileSync(newest, 'utf8'));
      const rule = version.rules.find((each: { route?: { expiresAt?: string } }) => each.route?.expiresAt !== undefined);
      // An end that is still to come is what a clock that was set back sees
      rule.route.expiresAt = new Date(Date.now() + 3_600_000).toISOString();
      change(rule.route);
      writeFileSync(newest, JSON.stringify(version));
      return (await curl()).stdout;
    };
    await waitUntil(async () => (await curl()).status !== 0, 10_000, 'the end of the grant');
    expect(await seenWithClockSetBack(() => undefined)).not.toContain('served');
    expect(await seenWithClockSetBack((route) => delete route.bootEnd)).toContain('served');
    await deny();
    await deny('--undo');
  });

  test('gets rules that a killed command wrote but did not bring to the gateway', async () => {
    await allow();
    expect((await curl()).stdout).toContain('served');
    // As a command leaves it that dies between its two steps
    const dir = path.join(home.root, 'st/bottles', TASK, 'egress');
    const versions = await json<{ number: number }[]>('egress', 'show', TASK, '--versions');
    const next = Math.max(...versions.map(({ number }) => number)) + 1;
    const version = {
      version: 1,
      number: next,
      at: new Date().toISOString(),
      reason: 'test',
      rules: [{ action: 'block', block: { host: HOST } }],
    };
    writeFileSync(path.join(dir, `${String(next).padStart(6, '0')}.json`), JSON.stringify(version));
    expect((await curl()).status).not.toBe(0);
    await deny('--undo');
    await home.run(['egress', 'deny', TASK, HOST, '--undo']);
  });

  test('reaches what its project is allowed', async () => {
    const project = await home.run([
      'egress',
      'allow',
      '--project',
      repository,
      target(),
      '--mode',
      'inspect',
      '--private-network',
      '127.0.0.1/32',
    ]);
    expect(project.status).toBe(0);
    expect((await curl('/p')).stdout).toContain('served GET /p');
    const shown = await json<{ rules: { origin: string }[] }>('egress', 'show', TASK);
    expect(shown.rules.map(({ origin }) => origin)).toEqual([expect.stringContaining('for the project')]);
    expect((await home.run(['egress', 'deny', '--project', repository, target()])).status).toBe(0);
    expect((await curl('/p')).status).not.toBe(0);
    await home.run(['egress', 'deny', '--project', repository, target(), '--undo']);
  });
});

test('a set reaches the registry that npm of this user is set to, for reading', async () => {
  const npmrc = path.join(home.root, 'npmrc');
  writeFileSync(npmrc, `registry=http://${HOST}:${port}/repo/\n`);
  const env = { npm_config_userconfig: npmrc };
  const config = path.join(home.configDir, 'config.yml');
  writeFileSync(config, 'egress:\n  sets: [{ name: npm, privateNetworks: [127.0.0.1/32] }]\n');
  try {
    const ask = async (...args: string[]) =>
      await home.run(['run', repository, '--quiet', '--', 'curl', '-sS', '-i', ...args, `http://${HOST}:${port}/repo/x`], { env });
    expect((await ask()).stdout).toContain('served GET /repo/x');
    expect((await ask('-X', 'PUT', '-d', '{}')).stdout).toContain('x-terok-refused: method-not-allowed');
    const shown = JSON.parse((await home.run(['egress', 'show', repository, '--json'], { env })).stdout) as { rules: { origin: string }[] };
    expect(shown.rules.map(({ origin }) => origin)).toEqual([`set npm (${npmrc})`]);
    // Without the setting of this user, the same bottle would not
    const other = await home.run(['run', repository, '--quiet', '--', 'curl', '-sS', `http://${HOST}:${port}/repo/x`]);
    expect(other.status).not.toBe(0);
  } finally {
    rmSync(config);
  }
});

describe('what the commands say', () => {
  test('`test` judges as the gateway does, without sending anything', async () => {
    await home.run(['egress', 'allow', TASK, 'api.example.com', '--method', 'GET', '--path', '/v1']);
    const allowed = await home.run(['egress', 'test', TASK, 'https://api.example.com/v1/issues?page=2']);
    expect(allowed).toMatchObject({ status: 0, stdout: expect.stringMatching(/allowed by the rule `allow-api\.example\.com`/) });
    const refused = await home.run(['egress', 'test', TASK, 'POST', 'https://api.example.com/v1/issues']);
    expect(refused.status).toBe(123);
    expect(refused.stdout).toContain(`terok egress allow ${TASK} api.example.com --method POST --path /v1/issues`);
    expect(await json('egress', 'test', TASK, 'https://api.example.com/v1/%2e%2e/x')).toMatchObject({
      allowed: false,
      reason: 'path-ambiguous',
    });
    expect((await home.run(['egress', 'test', repository, 'https://api.example.com/'])).status).toBe(123);
    expect((await home.run(['egress', 'test', TASK, 'https://10.0.0.1/'])).status).toBe(120);
  });

  test('the log shows refusals with the command that would allow them, and `learn` proposes the least', async () => {
    await bottle('curl', '-sS', '--max-time', '5', 'https://wanted.example/');
    const log = await home.run(['egress', 'log', TASK, '--denied']);
    expect(log.stdout).toContain('refused dns wanted.example');
    expect(log.stdout).toContain(`terok egress allow ${TASK} wanted.example`);
    const proposal = await json<{ routes: unknown[]; commands: string[] }>('egress', 'learn', TASK);
    expect(proposal.routes).toContainEqual(
      expect.objectContaining({ hosts: ['wanted.example'], methods: ['GET', 'HEAD'], mode: 'inspect' }),
    );
    expect(proposal.commands).toContain(`terok egress allow ${TASK} wanted.example --method GET --method HEAD`);
    expect((await home.run(['egress', 'learn', TASK, '--apply'])).status).toBe(120);
    expect((await home.run(['egress', 'learn', TASK, '--apply', '--yes'])).stderr).toContain('shop: in force');
    expect(await json('egress', 'test', TASK, 'https://wanted.example/')).toMatchObject({ allowed: true });
    expect((await json<{ routes: { hosts: string[] }[] }>('egress', 'learn', TASK)).routes.flatMap(({ hosts }) => hosts)).not.toContain(
      'wanted.example',
    );
  });

  test('`watch` shows decisions as they are made', async () => {
    await allow();
    const watching = home.start(['egress', 'watch', TASK]);
    let seen = '';
    watching.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text));
    await sleep(3_000);
    await curl('/watched');
    await waitUntil(() => seen.includes('/watched'), 20_000, 'the decision');
    await bottle('curl', '-sS', '--max-time', '5', 'https://unwatched.example/');
    await waitUntil(() => seen.includes('unwatched.example'), 20_000, 'the refusal');
    watching.kill('SIGINT');
    expect(seen).toMatch(/allowed request GET host\.terok\.internal:\d+\/watched/);
    expect(seen).toMatch(/refused dns unwatched\.example [^\n]*\n +terok egress allow shop unwatched\.example\n/);
    await deny();
    await deny('--undo');
  });

  test('every change is a version with its command', async () => {
    const versions = await json<{ number: number; reason: string; rules: string[] }[]>('egress', 'show', TASK, '--versions');
    expect(versions.length).toBeGreaterThan(3);
    expect(versions[0]?.number).toBe(versions.filter((version) => 'of' in version && version.of === 'task').length);
    expect(versions.map(({ reason }) => reason)).toContainEqual(expect.stringMatching(/^terok egress allow shop api\.example\.com/));
  });

  test('a wrong rule is refused before anything changes, and says what is wrong', async () => {
    const before = await json<unknown[]>('egress', 'show', TASK, '--versions');
    const suffix = await home.run(['egress', 'allow', TASK, '*.co.uk']);
    expect(suffix).toMatchObject({ status: 120, stderr: expect.stringContaining('public suffix') });
    const mode = await home.run(['egress', 'allow', TASK, 'api.example.com', '--mode', 'passthrough']);
    expect(mode).toMatchObject({
      status: 120,
      stderr: expect.stringMatching(/`inspect` in route `allow-api\.example\.com` and `passthrough` in route/),
    });
    expect((await home.run(['egress', 'allow', TASK, '10.0.0.1'])).status).toBe(120);
    await home.run(['egress', 'deny', '--project', repository, '*.blocked.example']);
    const blocked = await home.run(['egress', 'allow', TASK, 'api.blocked.example']);
    expect(blocked).toMatchObject({ status: 121, stderr: expect.stringContaining("deny --undo --project DIR '*.blocked.example'") });
    await home.run(['egress', 'deny', '--undo', '--project', repository, '*.blocked.example']);
    const taskVersions = (versions: unknown[]) => versions.filter((version) => JSON.stringify(version).includes('"of":"task"'));
    expect(taskVersions(await json('egress', 'show', TASK, '--versions'))).toEqual(taskVersions(before));
  });

  test('`audit verify` finds the line that was changed', async () => {
    expect(await json('audit', 'verify', TASK)).toMatchObject([{ of: TASK, intact: true }]);
    const copy = path.join(home.root, 'copy.jsonl');
    const lines = readFileSync(auditFile(), 'utf8').split('\n');
    writeFileSync(copy, lines.join('\n'));
    expect((await home.run(['audit', 'verify', copy])).status).toBe(0);
    writeFileSync(
      copy,
      lines.map((line, at) => (at === 1 ? line.replace('"deny"', '"allow"').replace('"time":"2', '"time":"3') : line)).join('\n'),
    );
    const broken = await home.run(['audit', 'verify', copy]);
    expect(broken).toMatchObject({ status: 125, stdout: expect.stringMatching(/broken .*line 3 of/) });
  });
});
