import { describe, expect, it } from 'vitest';
import { type AgentRequest, findAgent, loadRoster, planAgent } from '../../../src/agents/index.ts';

const roster = await loadRoster('/nonexistent');

function plan(name: string, overrides: Partial<AgentRequest> = {}) {
  return planAgent({
    agent: findAgent(roster, name),
    mode: 'headless',
    prompt: 'Fix it',
    workDir: '/work/repo',
    secrets: ['anthropic', 'openai'],
    ...overrides,
  });
}

function fileOf(planned: ReturnType<typeof plan>, ending: string): string {
  return planned.files.find(({ path }) => path.endsWith(ending))?.content ?? '';
}

describe('planAgent', () => {
  it('runs each built-in agent unattended', () => {
    expect(plan('claude').argv).toEqual(['claude', '--dangerously-skip-permissions', '--output-format', 'text', '-p', '--', 'Fix it']);
    expect(plan('codex').argv).toEqual([
      'codex',
      'exec',
      '--dangerously-bypass-approvals-and-sandbox',
      '--skip-git-repo-check',
      '--',
      'Fix it',
    ]);
    expect(plan('opencode').argv).toEqual(['opencode', 'run', '--', 'Fix it']);
  });

  it('passes model, form of output and extra arguments on', () => {
    expect(plan('claude', { model: 'opus', output: 'json', extraArgs: ['--max-turns', '3'] }).argv).toEqual([
      'claude',
      '--dangerously-skip-permissions',
      '--model',
      'opus',
      '--output-format',
      'stream-json',
      '--verbose',
      '--max-turns',
      '3',
      '-p',
      '--',
      'Fix it',
    ]);
  });

  it('never reads a prompt as a template or as an option', () => {
    const { argv } = plan('claude', { prompt: '--version {model} {prompt}' });
    expect(argv.slice(-2)).toEqual(['--', '--version {model} {prompt}']);
  });

  it('starts without a prompt where a person sits at the terminal, and only there', () => {
    const { agent: _, ...rest } = { agent: 0, mode: 'interactive' as const };
    expect(planAgent({ agent: findAgent(roster, 'claude'), workDir: '/work/repo', secrets: ['anthropic'], ...rest }).argv).toEqual([
      'claude',
      '--dangerously-skip-permissions',
    ]);
    expect(() => plan('claude', { prompt: '  ' })).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('gives the bottle a phantom that looks like a key and binds it to the route', () => {
    const planned = plan('claude');
    const phantom = planned.env.ANTHROPIC_API_KEY;
    expect(phantom).toMatch(/^sk-ant-api03-[\w-]{80}$/);
    expect(planned.secrets).toEqual([{ secret: 'anthropic', env: 'ANTHROPIC_API_KEY', phantom }]);
    expect(planned.routes).toEqual([
      {
        name: 'claude-anthropic',
        hosts: ['api.anthropic.com'],
        ports: [443],
        mode: 'inspect',
        paths: ['/v1'],
        inject: { secret: 'anthropic', header: 'x-api-key', phantom },
      },
    ]);
    expect(plan('claude').env.ANTHROPIC_API_KEY).not.toBe(phantom);
  });

  it('says which secret is missing', () => {
    expect(() => plan('codex', { secrets: ['anthropic'] })).toThrow(
      expect.objectContaining({
        code: 'SECRET_MISSING',
        message: '`codex` needs the secret `codex-login` or `openai`, which is not stored.',
        hint: 'Store it with `terok secret set codex-login` or `terok secret set openai`.',
      }),
    );
    expect(() => plan('opencode', { secrets: [] })).toThrow('`anthropic` or `openai`');
  });

  it('gives opencode the key of the model’s provider, otherwise the first that is stored', () => {
    expect(plan('opencode', { model: 'openai/gpt-5' }).secrets.map(({ secret }) => secret)).toEqual(['openai']);
    expect(plan('opencode', { secrets: ['openai'] }).secrets.map(({ secret }) => secret)).toEqual(['openai']);
    const both = plan('opencode');
    expect(both.secrets.map(({ secret }) => secret)).toEqual(['anthropic']);
    expect(both.env).not.toHaveProperty('OPENAI_API_KEY');
    expect(JSON.parse(fileOf(both, 'opencode.json'))).toMatchObject({
      permission: 'allow',
      enabled_providers: ['anthropic'],
      provider: { anthropic: { options: { baseURL: 'https://api.anthropic.com/v1' } } },
    });
  });

  describe('with a model server of the user', () => {
    const endpoint = { endpoint: 'http://models.example.com:8080/proxy/v1/', privateNetworks: ['10.0.0.0/8'] };

    it('routes there and nowhere else, without TLS only because the address says so', () => {
      expect(plan('codex', { endpoint }).routes).toMatchObject([
        {
          hosts: ['models.example.com'],
          ports: [8080],
          paths: ['/proxy/v1'],
          plainUpstream: true,
          privateNetworks: ['10.0.0.0/8'],
          inject: { secret: 'openai', prefix: 'Bearer ' },
        },
      ]);
      expect(plan('codex', { endpoint: { endpoint: 'https://models.example.com' } }).routes[0]).not.toHaveProperty('plainUpstream');
    });

    it('tells every agent in its own way', () => {
      expect(plan('claude', { endpoint }).env.ANTHROPIC_BASE_URL).toBe('http://models.example.com:8080/proxy');
      expect(fileOf(plan('codex', { endpoint }), 'config.toml')).toContain('base_url = "http://models.example.com:8080/proxy/v1"');
      expect(fileOf(plan('opencode', { endpoint }), 'opencode.json')).toContain('"baseURL": "http://models.example.com:8080/proxy/v1"');
    });

    it('does without a key, and says so', () => {
      const planned = plan('claude', { endpoint, secrets: [] });
      expect(planned.routes[0]).not.toHaveProperty('inject');
      expect(planned.secrets).toEqual([]);
      expect(planned.env.ANTHROPIC_API_KEY).toMatch(/^sk-ant-/);
      expect(planned.notes).toEqual(['`claude` talks to its model server without a key: no secret `anthropic` is stored.']);
    });

    it.each([
      ['http://127.0.0.1:8080', 'names its host'],
      ['http://[::1]:8080', 'names its host'],
      ['http://2130706433', 'names its host'],
      ['ftp://models.example.com', 'is an `http` or `https` address'],
      ['https://models.example.com/?a=b', 'has no query'],
      ['not an address', 'is an `http` or `https` address'],
    ])('refuses %s', (address, rule) => {
      expect(() => plan('claude', { endpoint: { endpoint: address } })).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining(rule) }),
      );
    });

    it('never repeats a password from an address', () => {
      const attempt = () => plan('claude', { endpoint: { endpoint: 'https://me:hunter2@models.example.com' } });
      expect(attempt).toThrow('carries no user or password');
      expect(attempt).not.toThrow('hunter2');
    });
  });

  it('tells the agent about its branch in the file that it reads', () => {
    for (const [name, file] of [
      ['claude', '/home/agent/.claude/CLAUDE.md'],
      ['codex', '/home/agent/.codex/AGENTS.md'],
      ['opencode', '/home/agent/.config/opencode/AGENTS.md'],
    ] as const) {
      const instructions = fileOf(plan(name, { facts: { branch: 'terok/fix-it', own: 'Use tabs.' } }), file);
      expect(instructions).toContain('`git push`; only the branch `terok/fix-it` can be pushed');
      expect(instructions).toMatch(/Use tabs\.\n$/);
    }
  });

  it('prepares claude so that no question stops it at a terminal', () => {
    const planned = plan('claude');
    expect(JSON.parse(fileOf(planned, '.claude.json'))).toMatchObject({
      hasCompletedOnboarding: true,
      customApiKeyResponses: { approved: [planned.env.ANTHROPIC_API_KEY?.slice(-20)] },
      projects: { '/work/repo': { hasTrustDialogAccepted: true } },
    });
  });

  it('is JSON and holds no key of the host', () => {
    const planned = plan('claude');
    expect(JSON.parse(JSON.stringify(planned))).toEqual(planned);
    expect(planned.hiddenNames).toContain('ANTHROPIC_API_KEY');
  });
});
