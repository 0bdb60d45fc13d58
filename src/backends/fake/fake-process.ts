import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { PassThrough, type Readable, Writable } from 'node:stream';
import { type BottleProcess, type ExecOptions, type ExitStatus, systemCodeOf, type TerminalSize, TerokError } from '../../core/index.ts';
import { resizeTerminal, withTerminal } from './fake-terminal.ts';
import { findMarked, killAll, signalAll } from './process-tree.ts';

export interface FakeCommand {
  readonly argv: readonly string[];
  /** Path on the host */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly terminal: TerminalSize | undefined;
}

/** Output that a grandchild may still bring after the command ended; then the streams are cut. */
const DRAIN_MS = 500;
const DRAIN_POLL_MS = 50;

/** A host process in a session of its own. */
export class FakeProcess implements BottleProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ExitStatus>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #marker: string;
  #ending: Extract<ExitStatus, { kind: 'timedOut' | 'cancelled' }> | undefined;
  #over = false;

  constructor(child: ChildProcessWithoutNullStreams, marker: string) {
    this.#child = child;
    this.#marker = marker;
    this.stdin = makeStdin(child.stdin);
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#over = true;
        resolve(this.#ending ?? (code === null ? { kind: 'signalled', signal: bareName(signal ?? 'UNKNOWN') } : { kind: 'exited', code }));
      });
    });
    this.stdout = makeOutput(child.stdout, this.exited);
    this.stderr = makeOutput(child.stderr, this.exited);
  }

  resize(size: TerminalSize): void {
    if (!this.#over && this.#child.pid !== undefined) resizeTerminal(this.#marker, size);
  }

  async kill(signal: string): Promise<void> {
    const name = `SIG${bareName(signal)}`;
    if (!isSignal(name)) throw new TerokError('USAGE', `There is no signal \`${signal}\`.`);
    if (this.#over) return;
    if (name === 'SIGKILL') await killAll(() => findMarked(this.#marker));
    else signalAll(await findMarked(this.#marker), name);
  }

  /** Kills the whole tree; the command then counts as ended in the given way. */
  async end(ending: Extract<ExitStatus, { kind: 'timedOut' | 'cancelled' }>): Promise<void> {
    if (this.#over || this.#ending !== undefined) return;
    this.#ending = ending;
    await killAll(() => findMarked(this.#marker));
  }
}

/** Starts a command; NOT_FOUND with `context.kind` `command` where the program cannot be run. */
export async function startProcess(
  command: FakeCommand,
  { timeoutMs, signal }: Pick<ExecOptions, 'timeoutMs' | 'signal'>,
): Promise<FakeProcess> {
  if (signal?.aborted === true) throw new TerokError('CANCELLED', 'The command was cancelled before it started.');
  const marker = `TEROK_FAKE_EXEC=${randomBytes(16).toString('hex')}`;
  const [name = '', value = ''] = marker.split('=');
  const argv = command.terminal === undefined ? command.argv : withTerminal(command.argv, command.terminal);
  const child = spawn(argv[0] ?? '', argv.slice(1), { cwd: command.cwd, env: { ...command.env, [name]: value }, detached: true });
  const process = new FakeProcess(child, marker);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(startError(command.argv[0] ?? '', error)));
  });
  limit(process, timeoutMs, signal);
  return process;
}

function limit(process: FakeProcess, timeoutMs: number | undefined, signal: AbortSignal | undefined): void {
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => void process.end({ kind: 'timedOut' }), timeoutMs);
  const cancel = (): void => void process.end({ kind: 'cancelled' });
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted === true) cancel();
  void process.exited.then(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
  });
}

/** A command that reads no further is no error of the writer. */
function makeStdin(pipe: Writable): Writable {
  pipe.on('error', () => pipe.destroy());
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => void pipe.write(chunk, () => done()),
    final: (done) => {
      pipe.end();
      done();
    },
  });
}

/** What the command printed, to its end or, where a grandchild holds the pipe, until nothing came for a while after the exit. */
function makeOutput(pipe: Readable, exited: Promise<unknown>): Readable {
  const output = new PassThrough();
  pipe.on('error', () => output.end());
  pipe.pipe(output);
  void exited.then(() => {
    let quietMs = 0;
    const timer = setInterval(() => {
      quietMs = pipe.readableLength === 0 && output.readableLength === 0 ? quietMs + DRAIN_POLL_MS : 0;
      if (!pipe.readableEnded && quietMs < DRAIN_MS) return;
      clearInterval(timer);
      if (pipe.readableEnded) return;
      pipe.unpipe(output);
      pipe.destroy();
      output.end();
    }, DRAIN_POLL_MS);
    timer.unref();
  });
  return output;
}

function startError(file: string, error: Error): TerokError {
  const code = systemCodeOf(error);
  if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'ENOEXEC' && code !== 'ENOTDIR') {
    return new TerokError('RUNTIME_FAILED', `The command \`${file}\` did not start: ${error.message}`, { cause: error });
  }
  const exitCode = code === 'ENOENT' || code === 'ENOTDIR' ? 127 : 126;
  return new TerokError(
    'NOT_FOUND',
    `The command \`${file}\` ${exitCode === 127 ? 'was not found' : 'cannot be executed'} in the bottle.`,
    {
      context: { kind: 'command', file, exitCode },
      cause: error,
    },
  );
}

function bareName(signal: string): string {
  return signal.replace(/^SIG/, '');
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
