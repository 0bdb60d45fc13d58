import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { patient } from '../../src/core/index.ts';
import { CliHome, type CliResult } from '../integration/cli-process.ts';
import { type ModelEndpoint, startModelEndpoint } from '../support/model-endpoint.ts';

const git = promisify(execFile);

const REAL_KEY = 'real-key-that-never-enters-a-bottle-4f1c9a7e2d';
const ENTER_BOTTLE_TIMEOUT_MS = 120_000;
/** Longer than building an image with one agent takes on a slow line. */
const RUN_TIMEOUT_MS = patient(900_000);
const NOT_FILES = ['--exclude-dir=proc', '--exclude-dir=sys', '--exclude-dir=dev'];
/** In the lab, where reading the programs of the image takes minutes, the places that a task writes to. */
const SEARCHED = process.env.TEROK_LAB === '1' ? ['/etc', '/home', '/root', '/run', '/tmp', '/var', '/work'] : ['/'];
/** What the lab can give: it has one processor. */
const LIMITS = process.env.TEROK_LAB === '1' ? { limits: { memoryMiB: 1536, cpus: 1 } } : {};
/** An image with the agent that is there already: the lab has no registry. */
const IMAGE = process.env.TEROK_TEST_AGENT_IMAGE === undefined ? [] : ['--image', process.env.TEROK_TEST_AGENT_IMAGE];
/** What the whole run was asked for. */
const GIVEN = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^TEROK_(?:BACKEND|PATIENCE|LAB)$/.test(name)));

/** How this machine reaches the npm registry. */
const REGISTRY_ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(?:npm_config_registry|(?:https?|no)_proxy|NODE_EXTRA_CA_CERTS)$/i.test(name)),
);

const outcomeSchema = z.object({
  slug: z.string(),
  exitCode: z.number(),
  branch: z.string(),
  commits: z.array(z.object({ subject: z.string() })),
  files: z.array(z.object({ path: z.string(), change: z.string() })),
});

const AGENTS = [
  { name: 'claude', secret: 'anthropic', env: 'ANTHROPIC_API_KEY', path: /\/v1\/messages/ },
  { name: 'codex', secret: 'openai', env: 'OPENAI_API_KEY', path: /\/v1\/responses/ },
  { name: 'opencode', secret: 'anthropic', env: 'ANTHROPIC_API_KEY', path: /\/v1\/messages/ },
] as const;

let home: CliHome;
let repository: string;

beforeEach(async () => {
  home = new CliHome();
  repository = path.join(home.root, 'sample');
  await mkdir(repository);
  await inRepository('init', '--quiet', '--initial-branch=main');
  await writeFile(path.join(repository, 'README.md'), '# Sample\n');
  await inRepository('add', '.');
  await inRepository('commit', '--quiet', '--message', 'Begin');
});

afterEach(async () => {
  const listed = await terok(['list', '--json']);
  for (const { slug } of z.array(z.object({ slug: z.string() })).parse(JSON.parse(listed.stdout || '[]')))
    await terok(['rm', '--force', slug]);
  home.remove();
});

async function inRepository(...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.invalid'];
  return (await git('git', ['-C', repository, ...identity, ...args])).stdout;
}

function terok(args: readonly string[], input?: string): Promise<CliResult> {
  return home.run(args, { env: { ...REGISTRY_ENVIRONMENT, ...GIVEN }, ...(input === undefined ? {} : { input }) });
}

/** What the model makes the agent do; the third step writes down every environment and command line that the agent user can see. */
function startModel(directory: string, address: string): Promise<ModelEndpoint> {
  const look = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' > /tmp/seen";
  return startModelEndpoint({
    apiKey: REAL_KEY,
    address,
    script: {
      steps: [
        { kind: 'write', path: `${directory}/hello.txt`, content: 'Hello from the bottle\n' },
        { kind: 'shell', command: 'git add hello.txt && git commit -q -m "Add a greeting"' },
        { kind: 'shell', command: look },
        { kind: 'shell', command: 'git push && echo pushed-by-the-agent' },
      ],
      farewell: 'The greeting is committed and pushed.',
    },
  });
}

describe.each(AGENTS)('$name in a bottle', ({ name, secret, env, path: apiPath }) => {
  it('edits, commits and pushes with a key that the bottle never has', { timeout: RUN_TIMEOUT_MS }, async (ctx) => {
    const host = hostname().toLowerCase();
    const found = await lookup(host, { family: 4 }).catch(() => undefined);
    if (found === undefined)
      return ctx.skip(`this host's own name \`${host}\` does not resolve, so a bottle cannot be routed to a server on this host`);
    await using model = await startModel('/work/sample', found.address);
    const server = { endpoint: `http://${host}:${model.port}`, privateNetworks: [`${found.address}/32`] };
    await writeFile(
      path.join(home.configDir, 'config.yml'),
      JSON.stringify({ models: { [name]: server }, unenforcedLimits: ['memory', 'cpus', 'pids', 'files'], ...LIMITS }),
    );
    expect(await terok(['secret', 'set', secret], REAL_KEY)).toMatchObject({ status: 0 });

    const run = await terok(['run', repository, '--agent', name, '-p', 'Add a greeting', '--keep', '--json', ...IMAGE]);
    expect(run.status, `${run.stdout}\n${run.stderr}`).toBe(0);
    const outcome = outcomeSchema.parse(JSON.parse(run.stdout));
    expect(outcome.commits.map(({ subject }) => subject)).toEqual(['Add a greeting']);
    expect(outcome.files).toEqual([expect.objectContaining({ path: 'hello.txt', change: 'added' })]);
    expect(run.stderr).toContain('The greeting is committed and pushed.');

    const calls = model.requests.filter(({ path: requestPath }) => apiPath.test(requestPath));
    expect(calls.length).toBeGreaterThanOrEqual(5);
    expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 200));
    expect(calls.at(-1)?.body).toContain('pushed-by-the-agent');
    expect(calls.map(({ headers }) => headers['x-api-key'] ?? headers.authorization?.replace('Bearer ', ''))).toEqual(
      calls.map(() => REAL_KEY),
    );

    const phantom = await phantomOf(outcome.slug, env);
    expect(phantom).toMatch(/^sk-/);
    expect(JSON.stringify(model.requests)).not.toContain(phantom);
    // The same search finds the phantom, so it would find the key
    expect(await filesWith(outcome.slug, phantom)).toContain('/tmp/seen');
    expect(await filesWith(outcome.slug, REAL_KEY)).toEqual([]);
    expect(await processesWith(outcome.slug, 'agent', REAL_KEY)).toEqual([]);
    expect(await processesWith(outcome.slug, 'root', REAL_KEY)).toEqual([]);

    const { digest } = JSON.parse((await terok(['review', outcome.slug, '--json'])).stdout) as { digest: string };
    expect(await terok(['apply', outcome.slug, '--approve', digest])).toMatchObject({ status: 0 });
    expect(await inRepository('log', '--all', '--format=%s')).toContain('Add a greeting');
    expect(await inRepository('status', '--porcelain')).toBe('');
  });
});

async function phantomOf(slug: string, env: string): Promise<string> {
  const { stdout } = await terok(['exec', slug, '--', 'printenv', env]);
  return stdout.trim();
}

/** Files of the whole bottle that hold the text; it travels on standard input, so that the search does not find itself. */
async function filesWith(slug: string, text: string): Promise<string[]> {
  const { stdout, status } = await terok(
    ['exec', '--user', 'root', slug, '--', 'grep', '-rlaF', ...NOT_FILES, '-f', '-', ...SEARCHED],
    text,
  );
  // 0 found, 1 nothing found, 2 also for files that vanished meanwhile
  expect([0, 1, 2]).toContain(status);
  return stdout.split('\n').filter((line) => line !== '');
}

async function processesWith(slug: string, user: 'agent' | 'root', text: string): Promise<string[]> {
  const { stdout } = await terok(
    ['exec', '--user', user, slug, '--', 'sh', '-c', 'exec grep -laF -f - /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null'],
    text,
  );
  return stdout.split('\n').filter((line) => line !== '');
}

describe('an agent that cannot run', () => {
  it('names the agents that exist', { timeout: ENTER_BOTTLE_TIMEOUT_MS }, async () => {
    const { status, stderr } = await terok(['run', repository, '--agent', 'clod', '-p', 'x']);
    expect(status).toBe(121);
    expect(stderr).toMatch(/no agent `clod`.*`claude`, `codex`, `opencode`/s);
  });

  it('says which secret is missing and how it is stored', { timeout: ENTER_BOTTLE_TIMEOUT_MS }, async () => {
    const { status, stderr } = await terok(['run', repository, '--agent', 'claude', '-p', 'x']);
    expect(status).toBe(123);
    expect(stderr).toContain('terok secret set anthropic');
  });

  it('names the place of a mistake in a roster file of the user', { timeout: ENTER_BOTTLE_TIMEOUT_MS }, async () => {
    await mkdir(path.join(home.configDir, 'agents'));
    await writeFile(path.join(home.configDir, 'agents/mine.yaml'), 'name: mine\nlabel: Mine\nbinary: /bin/mine\n');
    const { status, stderr } = await terok(['run', repository, '--agent', 'mine', '-p', 'x']);
    expect(status).toBe(120);
    expect(stderr).toMatch(/mine\.yaml`, line 3, column 9: `binary`/);
  });
});
