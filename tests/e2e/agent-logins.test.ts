/** Agents with the login of a subscription, which a server renews and revokes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OAuthServer } from '../support/oauth-server.ts';
import { AgentProject, RUN_TIMEOUT_MS } from './agent-project.ts';

const FIRST = 'real-access-0-0123456789';
const RENEWED = 'real-access-1-0123456789';
const REFRESH = 'real-refresh-0-0123456789';
/** The server takes the first token so often, then no more. */
const TAKEN = 3;

const AGENTS = [
  { name: 'claude', file: '.claude/.credentials.json', path: /\/v1\/messages/ },
  { name: 'codex', file: '.codex/auth.json', path: /\/responses/ },
] as const;

let project: AgentProject;
let server: OAuthServer;

beforeEach(async () => {
  project = await AgentProject.open();
  server = await OAuthServer.start(REFRESH);
});
afterEach(async () => {
  await project[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function login(): string {
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  return JSON.stringify({
    tokenEndpoint: server.url,
    clientId: 'cli',
    refreshToken: REFRESH,
    accessToken: FIRST,
    expiresAt,
    account: 'acct-1',
  });
}

describe.each(AGENTS)('$name in a bottle', ({ name, file, path: apiPath }) => {
  it('goes on with a renewed token where the server revokes that of its login, and never has either', {
    timeout: RUN_TIMEOUT_MS,
  }, async (ctx) => {
    const calls = () => model?.requests.filter(({ path }) => apiPath.test(path)) ?? [];
    await using model = await project.startModel(name, () => (calls().length < TAKEN ? FIRST : RENEWED));
    if (model === undefined) return ctx.skip('the own name of this host does not resolve, so a bottle cannot be routed to a server on it');
    expect(await project.terok(['secret', 'set', `${name}-login`, '--oauth'], login())).toMatchObject({ status: 0 });
    const { slug } = await project.runAgent(name);

    const seen = calls().map(({ status, headers }) => `${status} ${headers.authorization}`);
    expect(seen.slice(0, TAKEN)).toEqual(Array(TAKEN).fill(`200 Bearer ${FIRST}`));
    const revoked = seen.slice(TAKEN).filter((call) => call === `401 Bearer ${FIRST}`);
    expect(revoked.length).toBeGreaterThan(0);
    const renewed = seen.slice(TAKEN + revoked.length);
    expect(renewed.length).toBeGreaterThan(1);
    expect(renewed).toEqual(renewed.map(() => `200 Bearer ${RENEWED}`));
    expect(server.requests).toEqual([{ grant_type: 'refresh_token', refresh_token: REFRESH, client_id: 'cli' }]);

    const stored = await project.outputOf(slug, 'cat', `/home/agent/${file}`);
    const phantoms = [...stored.matchAll(/"(?:access_?token|refresh_?token)": *"([^"]+)"/gi)].map(([, token = '']) => token);
    expect(phantoms).toHaveLength(2);
    // The same search finds what the bottle has, so it would find the real tokens
    expect(await project.filesWith(slug, phantoms.join('\n'))).toContain(`/home/agent/${file}`);
    const real = [FIRST, RENEWED, REFRESH, server.refreshToken].join('\n');
    expect(await project.filesWith(slug, real)).toEqual([]);
    expect(await project.processesWith(slug, 'root', real)).toEqual([]);
  });
});
