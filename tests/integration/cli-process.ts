import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const CLI = path.join(import.meta.dirname, '../../bin/terok.mjs');

export interface CliResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A home of its own for the built command line: what it stores ends with `remove`. */
export class CliHome {
  readonly root: string = mkdtempSync(path.join(tmpdir(), 'terok-cli-'));
  readonly env: NodeJS.ProcessEnv;

  constructor() {
    this.env = { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1' };
    for (const name of ['config', 'data', 'state', 'cache', 'runtime']) {
      const dir = path.join(this.root, name.slice(0, 2));
      mkdirSync(dir, { mode: 0o700 });
      this.env[`TEROK_${name.toUpperCase()}_DIR`] = dir;
    }
  }

  get configDir(): string {
    return path.join(this.root, 'co');
  }

  start(
    args: readonly string[],
    options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ): ChildProcessWithoutNullStreams {
    return spawn(process.execPath, [CLI, ...args], { cwd: options.cwd ?? this.root, env: { ...this.env, ...options.env } });
  }

  async run(
    args: readonly string[],
    options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {},
  ): Promise<CliResult> {
    const child = this.start(args, options);
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    return await resultOf(child);
  }

  /** Undefined where Podman makes bottles here; with `TEROK_REQUIRE_PODMAN=1` anything else is an error. */
  async whyNoPodman(): Promise<string | undefined> {
    const backends = JSON.parse((await this.run(['backend', 'list', '--json'])).stdout) as { name: string; probe: { state: string } }[];
    if (backends.find(({ name }) => name === 'podman')?.probe.state === 'available') return undefined;
    const reason = 'podman is not usable here';
    if (process.env['TEROK_REQUIRE_PODMAN'] === '1') throw new Error(reason);
    return reason;
  }

  /** A repository with these files and one commit. */
  repository(name: string, files: Readonly<Record<string, string>> = {}): string {
    const directory = path.join(this.root, name);
    mkdirSync(directory);
    for (const [file, text] of Object.entries(files)) writeFileSync(path.join(directory, file), text);
    const git = ['-C', directory, '-c', 'user.name=t', '-c', 'user.email=t@example.com'];
    for (const args of [
      ['init', '-q', '-b', 'main'],
      ['add', '-A'],
      ['commit', '-q', '--allow-empty', '-m', 'Start'],
    ])
      execFileSync('git', [...git, ...args]);
    return directory;
  }

  remove(): void {
    // Where the host's cgroups need it, terok keeps a mount namespace of its own in the runtime directory.
    for (const mount of ['ru/ns/mnt', 'ru/ns']) {
      if (existsSync(path.join(this.root, mount))) spawnSync('umount', ['-l', path.join(this.root, mount)]);
    }
    rmSync(this.root, { recursive: true, force: true });
  }
}

export function resultOf(child: ChildProcessWithoutNullStreams): Promise<CliResult> {
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout.on('data', (chunk: Buffer) => chunks.stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.stderr.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      resolve({ status, signal, stdout: Buffer.concat(chunks.stdout).toString(), stderr: Buffer.concat(chunks.stderr).toString() });
    });
  });
}
