import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { helperEnvironment, systemCodeOf, TerokError } from '../core/index.ts';
import { diskFullError, mentionsFullDisk } from './disk-full.ts';

export interface StepOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Standard output goes into this new file instead of `onLine` */
  readonly stdoutFile?: string;
  readonly onLine?: (line: string) => void;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Lines of output kept for an error message. */
const KEPT_LINES = 15;
const MAX_LINE_LENGTH = 1_000;

/** Runs a long program of a build (mmdebstrap, npm, tar) in a process group of its own; anything but exit code 0 is an error. */
export async function runStep(argv: readonly [string, ...string[]], options: StepOptions): Promise<void> {
  const stop = AbortSignal.any([AbortSignal.timeout(options.timeoutMs), ...(options.signal === undefined ? [] : [options.signal])]);
  stop.throwIfAborted();
  const { execa } = await import('execa');
  const child = execa(argv[0], argv.slice(1), {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: helperEnvironment(options.env ?? {}),
    extendEnv: false,
    input: options.input ?? '',
    buffer: false,
    reject: false,
    cancelSignal: stop,
    killSignal: 'SIGKILL',
    killDescendants: true,
  });
  const tail: string[] = [];
  const output =
    options.stdoutFile === undefined
      ? readLines(child.iterable({ from: 'stdout' }), tail, options.onLine)
      : pipeline(child.stdout, createWriteStream(options.stdoutFile, { flags: 'wx', mode: 0o600 }));
  const errors = readLines(child.iterable({ from: 'stderr' }), tail, options.onLine);
  try {
    const [result] = await Promise.all([child, output, errors]);
    if (systemCodeOf(result) === 'ENOENT') throw explain(argv[0], result);
    if (result.exitCode !== 0) throw stepError(argv, result.exitCode, tail, options, stop);
  } catch (error) {
    child.kill('SIGKILL');
    throw explain(argv[0], error);
  }
}

async function readLines(lines: AsyncIterable<string>, tail: string[], onLine: ((line: string) => void) | undefined): Promise<void> {
  for await (const whole of lines) {
    const line = whole.slice(0, MAX_LINE_LENGTH);
    tail.push(line);
    if (tail.length > KEPT_LINES) tail.shift();
    onLine?.(line);
  }
}

function stepError(
  argv: readonly string[],
  code: number | undefined,
  tail: readonly string[],
  options: StepOptions,
  stop: AbortSignal,
): TerokError {
  const program = argv[0] ?? '';
  if (options.signal?.aborted === true) return new TerokError('CANCELLED', `\`${program}\` was cancelled.`);
  if (stop.aborted)
    return new TerokError('TIMEOUT', `\`${program}\` took longer than ${options.timeoutMs / 60_000} minutes.`, {
      hint: 'Look at the network, then run the command again.',
    });
  const text = tail.join('\n');
  if (mentionsFullDisk(text)) return diskFullError(`\`${program}\``);
  return new TerokError('RUNTIME_FAILED', `\`${program}\` ended with ${code ?? 'a signal'}: ${tail.slice(-5).join('\n')}`, {
    context: { program, output: text },
  });
}

function explain(program: string, error: unknown): unknown {
  if (systemCodeOf(error) === 'ENOENT') {
    return new TerokError('DEPENDENCY_MISSING', `The program \`${program}\` is not installed.`, {
      context: { program },
      hint: 'Run `terok doctor`; it names the package.',
      cause: error,
    });
  }
  return systemCodeOf(error) === 'ENOSPC' || systemCodeOf(error) === 'EDQUOT' ? diskFullError(`\`${program}\``, error) : error;
}
