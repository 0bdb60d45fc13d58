import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { z } from 'zod';
import { patient } from '../../src/core/index.ts';
import { CliHome, type CliResult } from '../integration/cli-process.ts';
import { type ModelEndpoint, type ModelEndpointOptions, startModelEndpoint } from '../support/model-endpoint.ts';

const git = promisify(execFile);

/** Longer than building an image with one agent takes on a slow line. */
export const RUN_TIMEOUT_MS = patient(900_000);
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

/** A repository with one commit, and a home of terok whose tasks end with it. */
export class AgentProject implements AsyncDisposable {
  readonly home = new CliHome();
  readonly repository: string = path.join(this.home.root, 'sample');

  static async open(): Promise<AgentProject> {
    const project = new AgentProject();
    await mkdir(project.repository);
    await project.git('init', '--quiet', '--initial-branch=main');
    await writeFile(path.join(project.repository, 'README.md'), '# Sample\n');
    await project.git('add', '.');
    await project.git('commit', '--quiet', '--message', 'Begin');
    return project;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const listed = await this.terok(['list', '--json']);
    for (const { slug } of z.array(z.object({ slug: z.string() })).parse(JSON.parse(listed.stdout || '[]')))
      await this.terok(['rm', '--force', slug]);
    this.home.remove();
  }

  async git(...args: string[]): Promise<string> {
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.invalid'];
    return (await git('git', ['-C', this.repository, ...identity, ...args])).stdout;
  }

  terok(args: readonly string[], input?: string): Promise<CliResult> {
    return this.home.run(args, { env: { ...REGISTRY_ENVIRONMENT, ...GIVEN }, ...(input === undefined ? {} : { input }) });
  }

  /** A scripted model that stands for the one of the agent; undefined where a bottle cannot be routed to this host by its own name. */
  async startModel(agent: string, apiKey: ModelEndpointOptions['apiKey']): Promise<ModelEndpoint | undefined> {
    const host = hostname().toLowerCase();
    const found = await lookup(host, { family: 4 }).catch(() => undefined);
    if (found === undefined) return undefined;
    const model = await startModelEndpoint({ apiKey, address: found.address, script: scriptIn('/work/sample') });
    const server = { endpoint: `http://${host}:${model.port}`, privateNetworks: [`${found.address}/32`] };
    await writeFile(
      path.join(this.home.configDir, 'config.yml'),
      JSON.stringify({ models: { [agent]: server }, unenforcedLimits: ['memory', 'cpus', 'pids', 'files'], ...LIMITS }),
    );
    return model;
  }

  /** Runs the agent to its end and gives what it did: the commit of the script, and nothing else. */
  async runAgent(agent: string): Promise<z.output<typeof outcomeSchema>> {
    const run = await this.terok(['run', this.repository, '--agent', agent, '-p', 'Add a greeting', '--keep', '--json', ...IMAGE]);
    expect(run.status, `${run.stdout}\n${run.stderr}`).toBe(0);
    const outcome = outcomeSchema.parse(JSON.parse(run.stdout));
    expect(outcome.commits.map(({ subject }) => subject)).toEqual(['Add a greeting']);
    expect(outcome.files).toEqual([expect.objectContaining({ path: 'hello.txt', change: 'added' })]);
    expect(run.stderr).toContain('The greeting is committed and pushed.');
    return outcome;
  }

  /** What a command in the bottle says; one that fails is an error with all of it. */
  async outputOf(slug: string, ...argv: readonly string[]): Promise<string> {
    const result = await this.terok(['exec', slug, '--', ...argv]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    return result.stdout;
  }

  /** Files of the whole bottle that hold one of the lines of the text; it travels on standard input, so that the search does not find itself. */
  async filesWith(slug: string, text: string): Promise<string[]> {
    const { stdout, status } = await this.terok(
      ['exec', '--user', 'root', slug, '--', 'grep', '-rlaF', ...NOT_FILES, '-f', '-', ...SEARCHED],
      text,
    );
    // 0 found, 1 nothing found, 2 also for files that vanished meanwhile
    expect([0, 1, 2]).toContain(status);
    return stdout.split('\n').filter((line) => line !== '');
  }

  async processesWith(slug: string, user: 'agent' | 'root', text: string): Promise<string[]> {
    const { stdout } = await this.terok(
      ['exec', '--user', user, slug, '--', 'sh', '-c', 'exec grep -laF -f - /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null'],
      text,
    );
    return stdout.split('\n').filter((line) => line !== '');
  }
}

/** What the model makes the agent do; the third step writes down every environment and command line that the agent user can see. */
function scriptIn(directory: string): ModelEndpointOptions['script'] {
  const look = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' > /tmp/seen";
  return {
    steps: [
      { kind: 'write', path: `${directory}/hello.txt`, content: 'Hello from the bottle\n' },
      { kind: 'shell', command: 'git add hello.txt && git commit -q -m "Add a greeting"' },
      { kind: 'shell', command: look },
      { kind: 'shell', command: 'git push && echo pushed-by-the-agent' },
    ],
    farewell: 'The greeting is committed and pushed.',
  };
}
