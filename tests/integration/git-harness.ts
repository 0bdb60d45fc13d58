import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DEFAULT_GATE_RULES, type GateRules } from '../../src/core/index.ts';
import {
  type ApplyInputs,
  type ApplyResult,
  applyTask,
  cloneCommands,
  describeApply,
  ensureGate,
  type ImportedRepository,
  importSource,
  taskChanges,
} from '../../src/projects/git/index.ts';
import { type GateEvent, handleGateRequest, type ServedGate } from '../../src/sidecars/git-gate/index.ts';

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** git as a person or an agent runs it: with a home directory of its own. */
export function gitIn(directory: string, args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  return runIn(directory, ['git', '-C', directory, ...args], env);
}

/** Any program as the user of a work tree. */
export function runIn(directory: string, [file = '', ...args]: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const identity = {
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.test',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.test',
  };
  const base = { PATH: process.env.PATH ?? '', HOME: path.join(directory, '..'), GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C', ...identity };
  return new Promise((resolve) => {
    const child = execFile(file, args, { env: { ...base, ...env }, maxBuffer: 64 * 1024 ** 2 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255, stdout, stderr });
    });
    child.stdin?.end();
  });
}

export async function mustGit(directory: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const result = await gitIn(directory, args, env);
  if (result.code !== 0) throw new Error(`git ${args.join(' ')} ended with ${result.code}: ${result.stderr}`);
  return result.stdout.trimEnd();
}

/** Takes what the branch of the task holds at this moment. */
export async function takeAll(inputs: Omit<ApplyInputs, 'tip'>): Promise<ApplyResult> {
  const all = { ...inputs, tip: (await taskChanges(inputs.gate, inputs.slug)).tip };
  await applyTask(all);
  return await describeApply(all);
}

/** Rules for tests of what comes after the gate, with content that its scan would refuse. */
export const TAKES_ALL: GateRules = {
  ...DEFAULT_GATE_RULES,
  actions: {
    secretPatterns: 'allow',
    largeFiles: 'allow',
    programs: 'allow',
    submodules: 'allow',
    embeddedRepositories: 'allow',
    names: 'allow',
    links: 'allow',
  },
};

export class GitLab implements AsyncDisposable {
  readonly root: string;
  readonly #servers: http.Server[] = [];

  private constructor(root: string) {
    this.root = root;
  }

  static async create(): Promise<GitLab> {
    return new GitLab(await mkdtemp(path.join(tmpdir(), 'tg-')));
  }

  get dataDir(): string {
    return path.join(this.root, 'data');
  }

  /** A repository of the user with one commit on `main`. */
  async userRepository(name = 'shop', init: readonly string[] = []): Promise<string> {
    const source = path.join(this.root, name);
    await mkdir(source, { recursive: true });
    await mustGit(source, ['init', '--quiet', '--initial-branch=main', ...init]);
    await this.commit(source, { 'README.md': 'hello\n' }, 'Begin');
    return source;
  }

  async commit(directory: string, files: Readonly<Record<string, string | Buffer>>, message: string): Promise<string> {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(directory, name)), { recursive: true });
      await writeFile(path.join(directory, name), content);
    }
    await mustGit(directory, ['add', '--all']);
    await mustGit(directory, ['commit', '--quiet', '--message', message]);
    return await mustGit(directory, ['rev-parse', 'HEAD']);
  }

  async import(source: string, slug: string): Promise<ImportedRepository & { readonly gate: string }> {
    const gate = await ensureGate(this.dataDir, source);
    const result = await importSource({ gate, source, slug });
    if (result.kind !== 'git') throw new Error('not a git repository');
    return { ...result, gate };
  }

  /** Serves the gate of one task and returns its address. */
  async serve(
    imported: { readonly repository: string; readonly writableRef: string },
    slug: string,
    events: GateEvent[] = [],
    more: Partial<ServedGate> = {},
  ): Promise<string> {
    const gate = { repository: imported.repository, writableRef: imported.writableRef, slug, ...more };
    const server = http.createServer((request, response) => {
      handleGateRequest(request, response, gate, { record: (event) => void events.push(event) }).catch((error: unknown) => {
        response.destroy(error as Error);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/repo.git`;
  }

  /** Runs the clone commands of a bottle against a served gate. */
  async clone(url: string, slug: string, name = `clone-${slug}`): Promise<string> {
    for (const { argv } of cloneCommands({
      slug,
      directoryName: name,
      identity: { name: 'Agent', email: 'agent@example.test' },
      url,
      parent: this.root,
    })) {
      await mustGit(this.root, argv.slice(1));
    }
    return path.join(this.root, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}
