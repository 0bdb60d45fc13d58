import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentProject, RUN_TIMEOUT_MS } from './agent-project.ts';

const REAL_KEY = 'real-key-that-never-enters-a-bottle-4f1c9a7e2d';
const ENTER_BOTTLE_TIMEOUT_MS = 120_000;
/** The only agent whose task is run; all where it is not set. */
const ONLY = process.env.TEROK_TEST_AGENT;

const AGENTS = [
  { name: 'claude', secret: 'anthropic', env: 'ANTHROPIC_API_KEY', path: /\/v1\/messages/ },
  { name: 'codex', secret: 'openai', env: 'OPENAI_API_KEY', path: /\/v1\/responses/ },
  { name: 'opencode', secret: 'anthropic', env: 'ANTHROPIC_API_KEY', path: /\/v1\/messages/ },
] as const;

let project: AgentProject;

beforeEach(async () => {
  project = await AgentProject.open();
});
afterEach(async () => {
  await project[Symbol.asyncDispose]();
});

describe.each(AGENTS)('$name in a bottle', ({ name, secret, env, path: apiPath }) => {
  it('edits, commits and pushes with a key that the bottle never has', { timeout: RUN_TIMEOUT_MS }, async (ctx) => {
    if (ONLY !== undefined && name !== ONLY) return ctx.skip(`one agent is enough behind this wall: TEROK_TEST_AGENT is \`${ONLY}\``);
    await using model = await project.startModel(name, REAL_KEY);
    if (model === undefined) return ctx.skip('the own name of this host does not resolve, so a bottle cannot be routed to a server on it');
    expect(await project.terok(['secret', 'set', secret], REAL_KEY)).toMatchObject({ status: 0 });
    const { slug } = await project.runAgent(name);

    const calls = model.requests.filter(({ path: requestPath }) => apiPath.test(requestPath));
    expect(calls.length).toBeGreaterThanOrEqual(5);
    expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 200));
    expect(calls.at(-1)?.body).toContain('pushed-by-the-agent');
    expect(calls.map(({ headers }) => headers['x-api-key'] ?? headers.authorization?.replace('Bearer ', ''))).toEqual(
      calls.map(() => REAL_KEY),
    );

    const phantom = (await project.outputOf(slug, 'printenv', env)).trim();
    expect(phantom).toMatch(/^sk-/);
    expect(JSON.stringify(model.requests)).not.toContain(phantom);
    // The same search finds the phantom, so it would find the key
    expect(await project.filesWith(slug, phantom)).toContain('/tmp/seen');
    expect(await project.filesWith(slug, REAL_KEY)).toEqual([]);
    expect(await project.processesWith(slug, 'agent', REAL_KEY)).toEqual([]);
    expect(await project.processesWith(slug, 'root', REAL_KEY)).toEqual([]);

    const { digest } = JSON.parse((await project.terok(['review', slug, '--json'])).stdout) as { digest: string };
    expect(await project.terok(['apply', slug, '--approve', digest])).toMatchObject({ status: 0 });
    expect(await project.git('log', '--all', '--format=%s')).toContain('Add a greeting');
    expect(await project.git('status', '--porcelain')).toBe('');
  });
});

describe('an agent that cannot run', () => {
  it('names the agents that exist', { timeout: ENTER_BOTTLE_TIMEOUT_MS }, async () => {
    const { status, stderr } = await project.terok(['run', project.repository, '--agent', 'clod', '-p', 'x']);
    expect(status).toBe(121);
    expect(stderr).toMatch(/no agent `clod`.*`claude`, `codex`, `opencode`/s);
  });

  it('says which secret is missing and how it is stored', { timeout: ENTER_BOTTLE_TIMEOUT_MS }, async () => {
    const { status, stderr } = await project.terok(['run', project.repository, '--agent', 'claude', '-p', 'x']);
    expect(status).toBe(123);
    expect(stderr).toContain('terok secret set anthropic');
  });

  it('names the place of a mistake in a roster file of the user', { timeout: ENTER_BOTTLE_TIMEOUT_MS }, async () => {
    await mkdir(path.join(project.home.configDir, 'agents'));
    await writeFile(path.join(project.home.configDir, 'agents/mine.yaml'), 'name: mine\nlabel: Mine\nbinary: /bin/mine\n');
    const { status, stderr } = await project.terok(['run', project.repository, '--agent', 'mine', '-p', 'x']);
    expect(status).toBe(120);
    expect(stderr).toMatch(/mine\.yaml`, line 3, column 9: `binary`/);
  });
});
