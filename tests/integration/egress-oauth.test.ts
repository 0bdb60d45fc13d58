import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import { Credentials, formatOAuthSecret, parseOAuthInput, Secret, Vault } from '../../src/vault/index.ts';
import { OAuthServer } from '../support/oauth-server.ts';
import { NAME, Rig, secureRoute } from './egress-harness.ts';

const AUTH = 'auth.test.example';
const REFRESH_PHANTOM = 'phantom-refresh-0123456789';
const ACCESS_PHANTOM = 'phantom-access-0123456789';

let rig: Rig;
let server: OAuthServer;

beforeEach(async () => {
  rig = await Rig.open();
  server = await OAuthServer.start('real-refresh-0-0123456789');
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const tokenUrl = (): string => `https://${AUTH}:${rig.httpsPort}/oauth/token`;
const api = (r: Rig): Route =>
  secureRoute(r, { inject: { secret: 'login', header: 'authorization', prefix: 'Bearer ', phantom: ACCESS_PHANTOM } });
const tokens = (r: Rig): Route =>
  secureRoute(r, {
    name: 'tokens',
    hosts: [AUTH],
    methods: ['POST'],
    paths: ['/oauth/token'],
    oauth: { secret: 'login', refreshPhantom: REFRESH_PHANTOM, accessPhantom: ACCESS_PHANTOM },
  });

async function ask(fields: Record<string, string>, asJson = false): Promise<{ readonly status: number; readonly answer: unknown }> {
  const body = asJson ? JSON.stringify(fields) : new URLSearchParams(fields).toString();
  const type = asJson ? 'application/json' : 'application/x-www-form-urlencoded';
  const { status, text } = await rig.curl(tokenUrl(), '-d', body, '-H', `content-type: ${type}`);
  return { status, answer: JSON.parse(text) };
}

describe('the token endpoint of a login', () => {
  test.each([false, true])('gives a bottle worthless tokens for its worthless one, and is never reached (JSON: %s)', async (asJson) => {
    rig.secrets.set('login', 'real-access-0123456789');
    await rig.start((r) => [api(r), tokens(r)]);
    expect(await ask({ grant_type: 'refresh_token', refresh_token: REFRESH_PHANTOM, client_id: 'cli' }, asJson)).toEqual({
      status: 200,
      answer: { access_token: ACCESS_PHANTOM, refresh_token: REFRESH_PHANTOM, token_type: 'Bearer', expires_in: 3_600 },
    });
    expect(rig.seen).toHaveLength(0);
    expect(await rig.audit()).toContainEqual(expect.objectContaining({ kind: 'request', host: AUTH, decision: 'allow', route: 'tokens' }));
    expect(await readFile(rig.auditFile, 'utf8')).not.toMatch(/phantom-(?:refresh|access)-/);
  });

  test('says the scope that was asked for, without which some clients think they were granted nothing', async () => {
    rig.secrets.set('login', 'real-access-0123456789');
    await rig.start((r) => [api(r), tokens(r)]);
    const fields = { grant_type: 'refresh_token', refresh_token: REFRESH_PHANTOM, scope: 'user:inference' };
    expect(await ask(fields)).toMatchObject({ status: 200, answer: { scope: 'user:inference' } });
  });

  test('gives nothing for another refresh token, another kind of grant, or none', async () => {
    rig.secrets.set('login', 'real-access-0123456789');
    await rig.start((r) => [api(r), tokens(r)]);
    for (const [fields, error] of [
      [{ grant_type: 'refresh_token', refresh_token: ACCESS_PHANTOM }, 'invalid_grant'],
      [{ grant_type: 'refresh_token' }, 'invalid_grant'],
      [{ grant_type: 'authorization_code', code: 'x' }, 'unsupported_grant_type'],
      [{}, 'unsupported_grant_type'],
    ] as const) {
      const { status, answer } = await ask(fields);
      expect(status).toBe(400);
      expect(answer).toMatchObject({ error });
    }
    expect(rig.seen).toHaveLength(0);
  });

  test('is not reached by other ways either', async () => {
    rig.secrets.set('login', 'real-access-0123456789');
    await rig.start((r) => [api(r), tokens(r)]);
    expect((await rig.curl(tokenUrl())).status).toBe(403);
    expect((await rig.curl(`${tokenUrl()}/../other`, '-X', 'POST')).status).toBeGreaterThanOrEqual(400);
    expect(rig.seen).toHaveLength(0);
  });

  test('says that it must wait where the real login is not usable', async () => {
    await rig.start((r) => [api(r), tokens(r)]);
    expect(await ask({ grant_type: 'refresh_token', refresh_token: REFRESH_PHANTOM })).toMatchObject({
      status: 503,
      answer: { error: 'temporarily_unavailable' },
    });
  });
});

test('requests carry the real access token, renewed on the host; the bottle sees neither it nor the real refresh token', async () => {
  const dir = path.join(rig.dir, 'secrets');
  const login = parseOAuthInput(JSON.stringify({ tokenEndpoint: server.url, clientId: 'cli', refreshToken: 'real-refresh-0-0123456789' }));
  await new Vault(dir).set('login', new Secret(formatOAuthSecret(login)));
  const credentials = new Credentials({ dir });
  rig.readSecret = (name) => credentials.value(name);
  await rig.start((r) => [api(r), tokens(r)]);
  rig.handler = (request, response) => response.end(`you are ${request.headers.authorization}`);
  const { answer } = await ask({ grant_type: 'refresh_token', refresh_token: REFRESH_PHANTOM });
  expect(JSON.stringify(answer)).not.toContain('real-');
  const url = `https://${NAME}:${rig.httpsPort}/v1`;
  const result = await rig.curl(url, '-H', `authorization: Bearer ${ACCESS_PHANTOM}`);
  expect(rig.seen[0]?.headers.authorization).toBe('Bearer real-access-1-0123456789');
  expect(result.text).toBe(`you are Bearer ${'*'.repeat('real-access-1-0123456789'.length)}`);
  expect(server.requests).toHaveLength(1);
});

describe('a token that its server no longer takes', () => {
  beforeEach(async () => {
    const vault = new Vault(path.join(rig.dir, 'secrets'));
    const login = {
      tokenEndpoint: server.url,
      clientId: 'cli',
      refreshToken: server.refreshToken,
      accessToken: 'real-access-0-0123456789',
    };
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    await vault.set('login', new Secret(formatOAuthSecret(parseOAuthInput(JSON.stringify({ ...login, expiresAt })))));
    const credentials = new Credentials({ dir: path.join(rig.dir, 'secrets') });
    rig.readSecret = (name) => credentials.value(name);
    await rig.start((r) => [api(r), tokens(r)], { onRefusedSecret: (name, value) => credentials.refused(name, value) });
    rig.handler = (request, response) => {
      response.statusCode = request.headers.authorization === 'Bearer real-access-1-0123456789' ? 200 : 401;
      response.end();
    };
  });

  const call = async (): Promise<number> =>
    (await rig.curl(`https://${NAME}:${rig.httpsPort}/`, '-H', `authorization: Bearer ${ACCESS_PHANTOM}`)).status;

  test('is renewed for the next request: the one that met the 401 is sent once, and gets it', async () => {
    expect(await call()).toBe(401);
    expect(rig.seen).toHaveLength(1);
    expect(await call()).toBe(200);
    expect(server.requests).toHaveLength(1);
  });

  test('is renewed before the bottle’s own renewal is answered, so that its next try succeeds', async () => {
    server.delayMs = 500;
    expect(await call()).toBe(401);
    expect(await ask({ grant_type: 'refresh_token', refresh_token: REFRESH_PHANTOM })).toMatchObject({ status: 200 });
    expect(server.requests).toHaveLength(1);
    server.answer = () => expect.unreachable('the login is fresh');
    expect(await call()).toBe(200);
  });

  test('goes on being sent where it cannot be renewed, and its server is asked once', async () => {
    server.answer = (response) => response.writeHead(500).end();
    expect(await call()).toBe(401);
    expect(await call()).toBe(401);
    expect(server.requests).toHaveLength(1);
  });
});
