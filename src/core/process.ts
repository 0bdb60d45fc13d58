import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { isTerokError, messageOf, systemCodeOf, TerokError } from './errors.ts';
import { patient } from './patience.ts';

export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment of the child; nothing is inherited but what is named here */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Uint8Array;
  /** What the program reads from its descriptor 3; for a secret, which must be in no argv, environment or file */
  readonly descriptor3?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Bytes kept of each stream, 64 MiB by default; more is an error */
  readonly maxOutputBytes?: number;
}

export interface RunResult {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly timedOut: boolean;
}

const DEFAULT_TIMEOUT_MS = patient(120_000);
const DEFAULT_MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Variables that a helper program of the host may see; never the user's whole environment. */
const INHERITED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'LC_ALL',
  'TMPDIR',
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'DBUS_SESSION_BUS_ADDRESS',
  'CONTAINERS_CONF',
  'CONTAINERS_STORAGE_CONF',
  'CONTAINERS_REGISTRIES_CONF',
  'REGISTRY_AUTH_FILE',
  'STORAGE_DRIVER',
  'STORAGE_OPTS',
  'TEROK_PATIENCE',
];

/** The small environment that helper programs of the host run with. */
export function helperEnvironment(
  extra: Readonly<Record<string, string>> = {},
  source: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const kept = INHERITED.flatMap((name) => (source[name] === undefined ? [] : [[name, source[name]] as const]));
  return { ...Object.fromEntries(kept), PATH: absolutePath(source['PATH']), ...extra };
}

/** PATH without entries that mean the directory which terok is used in: a repository must not bring the programs of the host. */
export function absolutePath(searched: string = '/usr/local/bin:/usr/bin:/bin'): string {
  return searched
    .split(':')
    .filter((entry) => entry.startsWith('/'))
    .join(':');
}

/**
 * Runs a helper program of the host to its end, without a shell, in a process group of its own. The wall time is bounded even
 * where a grandchild holds the pipes. A non-zero exit is a result; a program that is missing is DEPENDENCY_MISSING.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [file, ...args] = argv;
  if (file === undefined) throw new TerokError('USAGE', 'A command needs at least the name of a program.');
  options.signal?.throwIfAborted();
  const child = spawn(file, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env ?? helperEnvironment(),
    stdio: [
      options.input === undefined ? 'ignore' : 'pipe',
      'pipe',
      'pipe',
      ...(options.descriptor3 === undefined ? [] : ['pipe' as const]),
    ],
    detached: true,
  });
  const kill = (): void => {
    killGroup(child);
    if (hasEnded(child)) closePipes(child);
  };
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  options.signal?.addEventListener('abort', kill, { once: true });
  try {
    const ended = endOf(child, options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES);
    // a program that ends without reading its input is judged by its exit code
    child.stdin?.on('error', () => undefined).end(options.input);
    (child.stdio[3] as Writable | null | undefined)?.on('error', () => undefined).end(options.descriptor3);
    const { tooLong, ...result } = await ended;
    options.signal?.throwIfAborted();
    if (tooLong) throw new TerokError('RUNTIME_FAILED', `\`${file}\` printed more than terok takes; it was killed.`, { context: { file } });
    return { ...result, timedOut };
  } catch (error) {
    throw isTerokError(error) || systemCodeOf(error) === undefined ? error : spawnError(file, error);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', kill);
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (systemCodeOf(error) !== 'ESRCH') throw error;
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** A process that left the group of a dead child may hold its pipes for ever. */
function closePipes({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}

interface ChildEnd extends Omit<RunResult, 'timedOut'> {
  readonly tooLong: boolean;
}

function endOf(child: ChildProcess, maxBytes: number): Promise<ChildEnd> {
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let tooLong = false;
  for (const name of ['stdout', 'stderr'] as const) {
    let bytes = 0;
    child[name]?.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) output[name].push(chunk);
      else if (!tooLong) {
        tooLong = true;
        killGroup(child);
      }
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (_code, signal) => {
      if (signal === 'SIGKILL') closePipes(child);
    });
    child.once('close', (code, signal) =>
      resolve({
        exitCode: code ?? undefined,
        signal: signal ?? undefined,
        stdout: Buffer.concat(output.stdout),
        stderr: Buffer.concat(output.stderr),
        tooLong,
      }),
    );
  });
}

function spawnError(file: string, error: unknown): TerokError {
  return systemCodeOf(error) === 'ENOENT'
    ? new TerokError('DEPENDENCY_MISSING', `The program \`${file}\` is not installed.`, {
        context: { file },
        hint: 'Run `terok doctor`; it names the package.',
        cause: error,
      })
    : new TerokError('RUNTIME_FAILED', `\`${file}\` could not be run: ${messageOf(error)}`, { context: { file }, cause: error });
}

/** As `run`, but anything else than exit code 0 is an error with the last lines of stderr. */
export async function runOrThrow(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await run(argv, options);
  if (result.exitCode === 0) return result;
  const how = result.timedOut
    ? 'ran out of time'
    : result.signal === undefined
      ? `ended with ${result.exitCode}`
      : `was killed by ${result.signal}`;
  const tail = result.stderr.toString('utf8').trim().split('\n').slice(-5).join('\n');
  throw new TerokError(
    result.timedOut ? 'TIMEOUT' : 'RUNTIME_FAILED',
    `\`${argv.slice(0, 3).join(' ')}\` ${how}${tail === '' ? '.' : `: ${tail}`}`,
    { context: { argv: argv.slice(0, 3), stderr: tail } },
  );
}
