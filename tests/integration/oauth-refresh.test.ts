import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mintBottleCa } from '../../src/core/resolve/index.ts';
import {
  Credentials,
  formatOAuthSecret,
  type OAuthSecret,
  parseOAuthInput,
  readOAuthSecret,
  Secret,
  Vault,
} from '../../src/vault/index.ts';
import { requestToken } from '../../src/vault/request-token.ts';
import { OAuthServer } from '../support/oauth-server.ts';
import { listen, serverCertificate } from './egress-harness.ts';

const FIRST = 'real-refresh-0-0123456789';
const NAME = 'login';

let dir: string;
let server: OAuthServer;
let vault: Vault;

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'terok-oauth-'));
  server = await OAuthServer.start(FIRST);
  vault = new Vault(path.join(dir, 'secrets'));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const secretsDir = (): string => path.join(dir, 'secrets');
const gateway = (): Credentials => new Credentials({ dir: secretsDir() });
const stored = async (): Promise<OAuthSecret | undefined> => readOAuthSecret(NAME, (await vault.get(NAME)).reveal());
const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1_000).toISOString();

async function store(more: Partial<OAuthSecret> = {}): Promise<void> {
  const login = parseOAuthInput(JSON.stringify({ tokenEndpoint: server.url, clientId: 'cli', refreshToken: FIRST, ...more }));
  await vault.set(NAME, new Secret(formatOAuthSecret(login)));
}

describe('an access token', () => {
  test('is fetched once and then kept until it ends', async () => {
    await store();
    expect(await gateway().value(NAME)).toBe('real-access-1-0123456789');
    expect(await gateway().value(NAME)).toBe('real-access-1-0123456789');
    expect(server.requests).toEqual([{ grant_type: 'refresh_token', refresh_token: FIRST, client_id: 'cli' }]);
    expect(await stored()).toMatchObject({ refreshToken: 'real-refresh-1-0123456789', accessToken: 'real-access-1-0123456789' });
  });

  test('is asked for as the endpoint wants it', async () => {
    await store({ format: 'json', clientSecret: 'client-secret', scope: 'a b' });
    await gateway().value(NAME);
    expect(server.requests[0]).toMatchObject({ client_secret: 'client-secret', scope: 'a b' });
  });

  test('is renewed by one process for all bottles of the host', async () => {
    await store();
    server.delayMs = 300;
    const programs = Array.from({ length: 3 }, () => startProgram());
    const gateways = Array.from({ length: 5 }, () => gateway().value(NAME));
    const values = await Promise.all([...gateways, ...programs.map(outputOf)]);
    expect(new Set(values)).toEqual(new Set(['real-access-1-0123456789']));
    expect(server.requests).toHaveLength(1);
  });

  test('without that, the second of two would end the login', async () => {
    await store();
    const ask = (): Promise<Response> =>
      fetch(server.url, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: FIRST }) });
    expect((await Promise.all([ask(), ask()])).map(({ status }) => status).sort()).toEqual([200, 400]);
  });

  test('that still holds serves while it is renewed, and where that fails', async () => {
    await store({ accessToken: 'real-access-0-0123456789', expiresAt: inSeconds(120) });
    server.answer = (response) => response.writeHead(500).end();
    const credentials = gateway();
    expect(await credentials.value(NAME)).toBe('real-access-0-0123456789');
    await expect.poll(() => server.requests.length).toBe(1);
    server.answer = undefined;
    expect(await gateway().value(NAME)).toBe('real-access-0-0123456789');
    await expect.poll(async () => (await stored())?.accessToken, { timeout: 5_000 }).toBe('real-access-1-0123456789');
  });
});

describe('an access token that its server refused', () => {
  const revoked = 'real-access-0-0123456789';

  test('is renewed at once although it has not ended, and only once in a while', async () => {
    await store({ accessToken: revoked, expiresAt: inSeconds(3_000) });
    const credentials = gateway();
    await credentials.refused(NAME, revoked);
    expect(await credentials.value(NAME)).toBe('real-access-1-0123456789');
    await credentials.refused(NAME, 'real-access-1-0123456789');
    expect(await credentials.value(NAME)).toBe('real-access-1-0123456789');
    expect(server.requests).toHaveLength(1);
  });

  test('is left alone where another process has renewed it meanwhile, as is a secret that is no login', async () => {
    await store({ accessToken: 'real-access-7-0123456789', expiresAt: inSeconds(3_000) });
    await vault.set('key', new Secret('an-ordinary-key-0123456789'));
    await gateway().refused(NAME, revoked);
    await gateway().refused('key', 'an-ordinary-key-0123456789');
    expect(server.requests).toEqual([]);
  });
});

describe('a token endpoint behind the proxy of the host', () => {
  const HOST = 'login.test.example';

  test('is asked through it, with its login and its own certificate checked', async () => {
    const ca = await mintBottleCa('upstream');
    const endpoint = tls.createServer(await serverCertificate(ca, HOST), (socket) => server.accept(socket));
    const port = await listen(endpoint);
    const heads: string[] = [];
    const proxy = net.createServer((client) => {
      client.on('error', () => client.destroy());
      client.once('data', (head: Buffer) => {
        heads.push(head.toString('latin1'));
        const upstream = net.connect(port, '127.0.0.1', () => {
          client.write('HTTP/1.1 200 OK\r\n\r\n');
          client.pipe(upstream).pipe(client);
        });
        upstream.on('error', () => client.destroy());
      });
    });
    try {
      const url = `http://127.0.0.1:${await listen(proxy)}`;
      await vault.set('corp', new Secret('worker:a pass'));
      await store({ tokenEndpoint: `https://${HOST}/oauth/token` });
      const behind = { dir: secretsDir(), proxy: { url, secret: 'corp', noProxy: [], remoteNames: false } };
      await expect(new Credentials(behind).value(NAME)).rejects.toThrow(/gave no answer/);
      const caFile = path.join(dir, 'ca.pem');
      writeFileSync(caFile, ca.certificatePem);
      expect(await new Credentials({ ...behind, caFiles: [caFile] }).value(NAME)).toBe('real-access-1-0123456789');
      expect(heads.at(-1)).toMatch(new RegExp(`^CONNECT ${HOST}:443 HTTP/1.1`));
      expect(heads.at(-1)).toContain(Buffer.from('worker:a pass').toString('base64'));
      await store({ tokenEndpoint: server.url, refreshToken: server.refreshToken });
      expect(await new Credentials(behind).value(NAME)).toBe('real-access-2-0123456789');
      expect(heads).toHaveLength(2);
    } finally {
      endpoint.close();
      proxy.close();
    }
  });
});

describe('the deadline of a token request', () => {
  const login = (): OAuthSecret => parseOAuthInput(JSON.stringify({ tokenEndpoint: server.url, clientId: 'cli', refreshToken: FIRST }));

  test.each<[string, (response: ServerResponse) => void]>([
    ['says nothing', () => undefined],
    ['never comes to an end', (response) => void response.write('{')],
  ])('ends one whose server %s', async (_how, answer) => {
    server.answer = answer;
    await expect(requestToken(NAME, login(), { timeoutMs: 100 })).rejects.toThrow(/gave no answer \(.*\)/);
    expect(server.requests).toHaveLength(1);
  });

  test('ends one whose proxy says nothing', async () => {
    const proxy = net.createServer();
    const url = `http://127.0.0.1:${await listen(proxy)}`;
    const far = { ...login(), tokenEndpoint: 'https://login.test.example/' };
    await expect(requestToken(NAME, far, { timeoutMs: 100, proxy: { url, noProxy: [] } })).rejects.toThrow(/gave no answer/);
    proxy.close();
  });
});

describe('a token endpoint', () => {
  test.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['breaks down', (response) => response.destroy(), /gave no answer/],
    ['fails', (response) => response.writeHead(503).end(FIRST), /answered 503/],
    ['answers with a page', (response) => response.end(`<html>${FIRST}</html>`), /without a usable bearer token/],
    ['answers with half of it', (response) => response.end('{"access_token":"x","expires_in":-1}'), /without a usable bearer token/],
    ['sends elsewhere', (response) => response.writeHead(307, { location: server.url }).end(), /answered 307/],
    ['never stops', (response) => void response.write('x'.repeat(1024 * 1024)), /longer than 65536 bytes/],
    ['gives another kind of token', (response) => response.end('{"access_token":"0123456789","token_type":"mac"}'), /usable bearer token/],
  ])('that %s changes nothing, and is not asked again at once', async (_how, answer, message) => {
    await store();
    server.answer = answer;
    const credentials = gateway();
    const failure = await credentials.value(NAME).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'GATEWAY_FAILED', message: expect.stringMatching(message) });
    expect(String(failure)).not.toContain(FIRST);
    await expect(credentials.value(NAME)).rejects.toThrow(message);
    expect(server.requests).toHaveLength(1);
    expect((await stored())?.refreshToken).toBe(FIRST);
    server.answer = undefined;
    expect(await gateway().value(NAME)).toBe('real-access-1-0123456789');
  });

  test('that no longer takes the refresh token says how to log in again, and repeats no token', async () => {
    await store({ refreshToken: 'real-refresh-of-another-login' });
    const failure = await gateway()
      .value(NAME)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'SECRET_MISSING', hint: expect.stringContaining(`terok secret set ${NAME} --oauth`) });
    expect(JSON.stringify(failure)).not.toContain('real-refresh');
  });
});

describe('kill -9', () => {
  test('of a gateway that waits does not lose the refresh token that the server gives', async () => {
    await store();
    server.delayMs = 700;
    const program = startProgram();
    await expect.poll(() => server.requests.length, { timeout: 10_000 }).toBe(1);
    program.kill('SIGKILL');
    await once(program, 'exit');
    await expect.poll(async () => (await stored())?.refreshToken, { timeout: 10_000 }).toBe('real-refresh-1-0123456789');
    expect(server.refreshToken).toBe('real-refresh-1-0123456789');
  });

  test('of the renewal itself leaves the old login or the new one, never half of one, and the next renewal succeeds', async () => {
    await store();
    for (const waitMs of [0, 5, 20, 60]) {
      const before = server.refreshToken;
      await store({ refreshToken: before });
      const helper = spawn(
        process.execPath,
        ['src/vault/refresh-main.ts', JSON.stringify({ dir: secretsDir(), name: NAME, caFiles: [] })],
        { stdio: 'ignore' },
      );
      const asked = server.requests.length;
      await expect
        .poll(() => server.requests.length, { timeout: 15_000, interval: 2 })
        .toBe(asked + 1)
        .catch(() => undefined);
      await sleep(waitMs);
      helper.kill('SIGKILL');
      if (helper.exitCode === null && helper.signalCode === null) await once(helper, 'exit');
      expect([before, server.refreshToken]).toContain((await stored())?.refreshToken);
      rmSync(path.join(secretsDir(), `.of-${NAME}.lock`), { recursive: true, force: true });
    }
    await store({ refreshToken: server.refreshToken });
    expect(await gateway().value(NAME)).toMatch(/^real-access-/);
    expect(readdirSync(secretsDir()).filter((name) => !name.startsWith('.'))).toEqual([NAME]);
  }, 60_000);
});

test('no token is in the arguments or the environment of the program that renews', async () => {
  await store();
  server.delayMs = 800;
  const value = gateway().value(NAME);
  await expect.poll(() => server.requests.length, { timeout: 10_000 }).toBe(1);
  const helpers = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && readProc(pid, 'cmdline').includes('refresh-main.ts'));
  const ours = helpers.filter((pid) => readProc(pid, 'cmdline').includes(secretsDir()));
  expect(ours.length).toBeGreaterThan(0);
  for (const pid of ours) expect(readProc(pid, 'cmdline') + readProc(pid, 'environ')).not.toContain('real-refresh');
  await value;
});

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

function startProgram(): ChildProcess {
  return spawn(process.execPath, ['tests/support/programs/credential-program.ts', secretsDir(), NAME], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function outputOf(program: ChildProcess): Promise<string> {
  let text = '';
  program.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  await once(program, 'close');
  return text;
}
