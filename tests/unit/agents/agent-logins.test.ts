import { describe, expect, it } from 'vitest';
import { type AgentPlan, type AgentRequest, findAgent, loadRoster, loginFromFile, planAgent } from '../../../src/agents/index.ts';

const roster = await loadRoster('/nonexistent');

function plan(name: string, overrides: Partial<AgentRequest>): AgentPlan {
  return planAgent({
    agent: findAgent(roster, name),
    mode: 'headless',
    prompt: 'Fix it',
    workDir: '/work/repo',
    secrets: [],
    ...overrides,
  });
}

function fileOf(planned: AgentPlan, ending: string): string | undefined {
  return planned.files.find(({ path }) => path.endsWith(ending))?.content;
}

describe('an agent with a login', () => {
  it('gets a file with worthless tokens, no variable with a key, and an answer in the place of its token endpoint', () => {
    const planned = plan('claude', { secrets: ['claude-login'] });
    const { claudeAiOauth } = JSON.parse(fileOf(planned, '.claude/.credentials.json') ?? '');
    expect(claudeAiOauth).toMatchObject({
      accessToken: expect.stringMatching(/^sk-ant-oat01-[\w-]{80}$/),
      refreshToken: expect.stringMatching(/^sk-ant-ort01-[\w-]{80}$/),
      scopes: ['user:inference'],
    });
    expect(planned.env).not.toHaveProperty('ANTHROPIC_API_KEY');
    expect(planned.routes).toEqual([
      {
        name: 'claude-claude-login',
        hosts: ['api.anthropic.com'],
        ports: [443],
        mode: 'inspect',
        paths: ['/v1/messages'],
        inject: { secret: 'claude-login', header: 'authorization', prefix: 'Bearer ', phantom: claudeAiOauth.accessToken },
      },
      {
        name: 'claude-claude-login-token',
        hosts: ['platform.claude.com'],
        ports: [443],
        mode: 'inspect',
        methods: ['POST'],
        paths: ['/v1/oauth/token'],
        oauth: { secret: 'claude-login', accessPhantom: claudeAiOauth.accessToken, refreshPhantom: claudeAiOauth.refreshToken },
      },
    ]);
  });

  it('gets it rather than the key where both are stored, unless the user says otherwise', () => {
    const secrets = ['anthropic', 'claude-login', 'codex-login', 'openai'];
    const used = (name: string, secret?: string): string[] =>
      plan(name, { secrets, ...(secret === undefined ? {} : { secret }) }).secrets.map((each) => each.secret);
    expect(used('claude')).toEqual(['claude-login']);
    expect(used('claude', 'anthropic')).toEqual(['anthropic']);
    expect(used('codex')).toEqual(['codex-login']);
    expect(() => used('claude', 'openai')).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining('`claude-login` or `anthropic`; got `openai`') }),
    );
  });

  it('is told that the secret which the user wants is missing, and no other', () => {
    expect(() => plan('claude', { secrets: ['anthropic'], secret: 'claude-login' })).toThrow(
      expect.objectContaining({ code: 'SECRET_MISSING', hint: 'Store it with `terok secret set claude-login`.' }),
    );
  });

  it('has no file of a login where it uses a key', () => {
    expect(fileOf(plan('claude', { secrets: ['anthropic'] }), '.credentials.json')).toBeUndefined();
    expect(fileOf(plan('codex', { secrets: ['openai'] }), 'auth.json')).toBeUndefined();
  });

  it('talks to the server of its login, with its account in the claims that it reads', () => {
    const planned = plan('codex', { secrets: ['codex-login'], accounts: { 'codex-login': 'acct-7' } });
    expect(fileOf(planned, 'config.toml')).toContain(
      'base_url = "https://chatgpt.com/backend-api/codex"\nrequires_openai_auth = true\nwire_api',
    );
    const { tokens } = JSON.parse(fileOf(planned, 'auth.json') ?? '');
    const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64url').toString('utf8'));
    expect(claims['https://api.openai.com/auth']).toEqual({ chatgpt_account_id: 'acct-7' });
    expect(tokens.account_id).toBe('acct-7');
    const without = JSON.parse(fileOf(plan('codex', { secrets: ['codex-login'] }), 'auth.json') ?? '');
    expect(without.tokens).not.toHaveProperty('account_id');
  });
});

describe('the file of an agent’s own login', () => {
  it('is read where the roster says', () => {
    const claude = { claudeAiOauth: { accessToken: 'access-0123456789', refreshToken: 'refresh-0123456789', scopes: ['user:inference'] } };
    expect(loginFromFile(roster, 'claude-login', JSON.stringify(claude))).toEqual({
      tokenEndpoint: 'https://platform.claude.com/v1/oauth/token',
      clientId: expect.any(String),
      format: 'json',
      refreshToken: 'refresh-0123456789',
    });
    const codex = { tokens: { id_token: 'a.b.c', access_token: 'x', refresh_token: 'refresh-0123456789', account_id: 'acct-7' } };
    expect(loginFromFile(roster, 'codex-login', JSON.stringify(codex))).toMatchObject({
      refreshToken: 'refresh-0123456789',
      account: 'acct-7',
    });
  });

  it.each([
    ['another secret', 'anthropic', '{"claudeAiOauth":{"refreshToken":"refresh-0123456789"}}'],
    ['a token by itself', 'claude-login', 'sk-ant-oat01-0123456789'],
    ['another file', 'claude-login', '{"tokens":{"refresh_token":"refresh-0123456789"}}'],
    ['a member that is no text', 'claude-login', '{"claudeAiOauth":{"refreshToken":7}}'],
    ['no object', 'claude-login', 'null'],
  ])('is not taken for one: %s', (_, name, text) => {
    expect(loginFromFile(roster, name, text)).toBeUndefined();
  });
});
