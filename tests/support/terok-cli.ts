import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run, runOrThrow, type TerokPaths } from '../../src/core/index.ts';
import { temporaryPaths } from './temporary-paths.ts';

const BIN = fileURLToPath(new URL('../../bin/terok.mjs', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built command line with directories of its own; the image cache is the machine's. */
export interface TerokCli extends AsyncDisposable {
  readonly paths: TerokPaths;
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  run(args: readonly string[], options?: { readonly input?: string; readonly env?: NodeJS.ProcessEnv }): Promise<CliResult>;
  /** Starts a command without waiting, in a process group of its own */
  start(args: readonly string[]): ChildProcess;
  json<T>(args: readonly string[]): Promise<T>;
}

export async function terokCli(extraEnv: NodeJS.ProcessEnv = {}): Promise<TerokCli> {
  const temporary = await temporaryPaths();
  const env = { ...process.env, ...temporary.env, NO_COLOR: '1', ...extraEnv };
  const start = (args: readonly string[], more: NodeJS.ProcessEnv = {}): ChildProcess =>
    spawn(process.execPath, [BIN, ...args], { env: { ...env, ...more }, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const runCli: TerokCli['run'] = async (args, options = {}) => {
    const child = start(args, options.env);
    const output = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    // A command may end without reading
    child.stdin?.on('error', () => undefined).end(options.input ?? '');
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, ...output };
  };
  return {
    paths: temporary.paths,
    root: temporary.root,
    env,
    run: runCli,
    start: (args) => start(args),
    async json<T>(args: readonly string[]) {
      const { stdout, stderr, code } = await runCli([...args, '--json']);
      try {
        return JSON.parse(stdout) as T;
      } catch {
        throw new Error(`\`terok ${args.join(' ')}\` ended with ${code} and printed no JSON: ${stdout}\n${stderr}`);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const slug of slugsOf(temporary.paths)) await runCli(['rm', '--force', slug]);
      await unmountNamespace(temporary.paths.runtime);
      await temporary[Symbol.asyncDispose]();
    },
  };
}

/** On a host with mixed cgroups terok keeps a mount namespace there, which would hold the directory. */
async function unmountNamespace(runtime: string): Promise<void> {
  for (const mount of ['ns/mnt', 'ns']) await run(['umount', '--lazy', path.join(runtime, mount)]);
}

/** A git repository with one commit. */
export async function sampleRepository(root: string, name = 'sample'): Promise<string> {
  const dir = path.join(root, name);
  await mkdir(dir);
  await writeFile(path.join(dir, 'a.txt'), 'hello\n');
  const git = ['git', '-C', dir, '-c', 'user.name=A User', '-c', 'user.email=user@example.com'];
  for (const args of [
    ['init', '-q', '-b', 'main'],
    ['add', '.'],
    ['commit', '-q', '-m', 'Begin'],
  ])
    await runOrThrow([...git, ...args]);
  return dir;
}

export function slugsOf(paths: TerokPaths): string[] {
  const dir = path.join(paths.state, 'bottles');
  return existsSync(dir) ? readdirSync(dir) : [];
}

/** The phase in a bottle's record; undefined without a record. */
export function phaseOf(paths: TerokPaths, slug: string): string | undefined {
  const file = path.join(paths.state, 'bottles', slug, 'record.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { phase: string }).phase : undefined;
}

export async function waitFor(what: string, timeoutMs: number, done: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain for ${what}`);
    await delay(2);
  }
}

/** Command lines of all processes of this machine that mention a text. */
export function processesWith(text: string): { readonly pid: number; readonly commandLine: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        return [{ pid: Number(name), commandLine: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') }];
      } catch {
        // The process ended while it was looked at
        return [];
      }
    })
    .filter(({ commandLine }) => commandLine.includes(text));
}
