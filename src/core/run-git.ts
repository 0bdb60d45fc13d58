/*
 * Scope: how terok runs git on the host. Out of scope: git in a bottle.
 * Fail-safe direction: plumbing with an environment that inherits nothing; a git that fails is an error unless the caller named its exit code.
 */
import { TerokError } from './errors.ts';
import { type GitSettings, hostGitEnvironment } from './host-git.ts';
import { type RunResult, run } from './process.ts';

export interface GitOptions {
  readonly input?: string | Uint8Array;
  readonly settings?: GitSettings;
  /** Exit codes beside 0 that are a result */
  readonly accept?: readonly number[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Variables beside those of `hostGitEnvironment`; never a secret */
  readonly env?: Readonly<Record<string, string>>;
  /** Given to the program on its descriptor 3, so that a secret is in no argv, environment or file */
  readonly descriptor3?: string;
}

/** The longest that a whole history may take to copy, in `ms` */
const DEFAULT_TIMEOUT_MS = 30 * 60_000;

/** Runs `git -C <directory> <args>`; throws GIT_FAILED with the last lines of stderr. */
export async function git(directory: string, args: readonly string[], options: GitOptions = {}): Promise<RunResult> {
  const result = await run(['git', '-C', directory, ...args], {
    env: { ...hostGitEnvironment(options.settings), ...options.env },
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.descriptor3 === undefined ? {} : { descriptor3: options.descriptor3 }),
  });
  if (result.exitCode !== undefined && [0, ...(options.accept ?? [])].includes(result.exitCode)) return result;
  throw gitError(args, result);
}

/** As `git`, but the text of stdout without its last line break. */
export async function gitText(directory: string, args: readonly string[], options: GitOptions = {}): Promise<string> {
  return (await git(directory, args, options)).stdout.toString('utf8').replace(/\n$/, '');
}

/** The object id of a ref or revision; undefined where it does not exist. */
export async function resolveRevision(directory: string, revision: string): Promise<string | undefined> {
  const id = await gitText(directory, ['rev-parse', '--quiet', '--verify', '--end-of-options', revision], { accept: [1, 128] });
  return /^[0-9a-f]{40,64}$/.test(id) ? id : undefined;
}

function gitError(args: readonly string[], result: RunResult): TerokError {
  const tail = result.stderr.toString('utf8').trim().split('\n').slice(-5).join('\n');
  const how = result.timedOut
    ? 'ran out of time'
    : result.signal === undefined
      ? `ended with ${result.exitCode}`
      : `was killed by ${result.signal}`;
  const command = args.find((arg) => !arg.startsWith('-')) ?? 'git';
  return new TerokError('GIT_FAILED', `\`git ${command}\` ${how}${tail === '' ? '.' : `: ${tail}`}`, {
    context: { command, stderr: tail },
  });
}
