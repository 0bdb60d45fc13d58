/*
 * Scope: git programs that look at a push while it is in quarantine. Out of scope: what they are asked.
 * Fail-safe direction: nothing of the environment is kept but where git told the hook to look; a git that fails fails the push.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { TerokError } from '../../../core/errors.ts';
import { hostGitEnvironment } from '../../../core/host-git.ts';

export interface GitProgram {
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves when the program ended well; rejects with GIT_FAILED otherwise */
  readonly ended: Promise<void>;
  stop(): void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Where `git receive-pack` keeps the objects of the push that it asks the hook about. */
const QUARANTINE = ['GIT_DIR', 'GIT_OBJECT_DIRECTORY', 'GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_QUARANTINE_PATH'] as const;
const KEPT_STDERR = 2_048;

/** Starts `git <args>` on the repository of the hook. */
export function startGit(args: readonly string[], source: NodeJS.ProcessEnv = process.env): GitProgram {
  const kept = QUARANTINE.flatMap((name) => (source[name] === undefined ? [] : [[name, source[name]] as const]));
  const env = { ...hostGitEnvironment({}, source), ...Object.fromEntries(kept) };
  const child: Child = spawn('git', [...args], { env, stdio: 'pipe' });
  // git ends before its input does where it fails; its exit code says so
  child.stdin.on('error', () => undefined);
  const ended = endOf(child, args[0] ?? '');
  ended.catch(() => undefined);
  return { input: child.stdin, output: child.stdout, ended, stop: () => void child.kill('SIGKILL') };
}

/** All output of a short question. */
export async function askGit(args: readonly string[], input: string | Buffer = ''): Promise<Buffer> {
  const program = startGit(args);
  program.input.end(input);
  const parts: Buffer[] = [];
  for await (const part of program.output as AsyncIterable<Buffer>) parts.push(part);
  await program.ended;
  return Buffer.concat(parts);
}

async function endOf(child: Child, name: string): Promise<void> {
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('latin1')).slice(-KEPT_STDERR);
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => resolve(end));
  });
  if (code !== 0)
    throw new TerokError('GIT_FAILED', `\`git ${name}\` ended with ${signal ?? code}: ${stderr.trim().split('\n').slice(-2).join(' ')}`);
}
