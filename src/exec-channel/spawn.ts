import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import { type ExecOptions, messageOf, patient, TerokError } from '../core/index.ts';
import type { ChannelTransport } from './connection.ts';
import { EXEC_VARIABLE, killScript, NOBODY, signalScript } from './kill-tree.ts';
import { Marks } from './marks.ts';
import { startError } from './outcome.ts';
import { toShellCommand } from './shell-command.ts';
import { type Ending, type FirstProcess, SshProcess, signalName } from './ssh-process.ts';

/** A kill waits no longer than this for the bottle. */
const KILL_WALL_MS = patient(3_000);
const KILL_RETRY_MS = 200;

/** Starts a command and resolves when it runs; every way of not starting is an error. */
export async function spawnOn(connection: ChannelTransport, argv: readonly string[], options: ExecOptions): Promise<SshProcess> {
  const execId = randomBytes(16).toString('hex');
  const marks = new Marks();
  const script = toShellCommand({ argv, cwd: options.cwd, env: { ...options.env, [EXEC_VARIABLE]: execId }, marks });
  const limit = watchLimits(options);
  try {
    const attach = (channel: ClientChannel): SshProcess =>
      new SshProcess({
        channel,
        marks,
        terminal: options.terminal !== undefined,
        onLoss: (listener) => connection.onLoss(listener),
        signalTree: (signal, first) => signalTree(connection, { execId, first }, signal),
      });
    const process = await limit.race(
      connection.run({ script, terminal: options.terminal }, attach),
      (late) => void late.end({ kind: 'cancelled' }),
    );
    limit.onLimit((ending) => void process.end(ending));
    void process.exited.then(() => limit.forget());
    await assertStarted(process, argv[0] ?? '', options.cwd);
    return process;
  } catch (error) {
    limit.forget();
    throw error;
  }
}

async function assertStarted(process: SshProcess, file: string, cwd: string | undefined): Promise<void> {
  const mark = await process.started;
  const error = mark === undefined ? await neverStarted(process) : startError(process.failed ?? mark, file, cwd);
  if (error === undefined) return;
  process.release();
  throw error;
}

async function neverStarted(process: SshProcess): Promise<TerokError> {
  const status = await process.exited;
  switch (status.kind) {
    case 'timedOut':
      return timeoutError();
    case 'cancelled':
      return cancelledError();
    case 'lost':
      return new TerokError('CHANNEL_LOST', `The way into the bottle was lost while the command started: ${status.reason}`);
    default:
      return new TerokError('RUNTIME_FAILED', `The bottle could not start a shell: ${JSON.stringify(status)}.`, {
        hint: 'The image needs `/bin/sh` as the shell of its users.',
      });
  }
}

interface Command {
  readonly execId: string;
  readonly first: FirstProcess;
}

/**
 * Sends a signal to the whole tree of a command, by a second command of the same user; never longer than `KILL_WALL_MS`. Where nobody is
 * found although the first process lives, it is still on its way to become the command.
 */
async function signalTree(connection: ChannelTransport, { execId, first }: Command, name: string): Promise<void> {
  const signal = signalName(name);
  if (!(`SIG${signal}` in constants.signals)) throw new TerokError('USAGE', `There is no signal \`${name}\`.`);
  const wall = AbortSignal.timeout(KILL_WALL_MS);
  while (!wall.aborted) {
    const { pid, hasEnded } = first;
    const tree = { execId, pid: hasEnded ? undefined : pid };
    const script = signal === 'KILL' ? killScript(tree) : signalScript(tree, signal);
    const code = await Promise.race([runScript(connection, script), sleep(KILL_WALL_MS, undefined, { ref: false })]);
    if (code === 0 || (code === NOBODY && hasEnded)) return;
    await sleep(KILL_RETRY_MS);
  }
}

/** The exit code of the script, 0 also where there is nobody left to ask; undefined where it did not run to its end. */
async function runScript(connection: ChannelTransport, script: string): Promise<number | undefined> {
  try {
    const ended = await connection.run({ script }, (channel) => endOf(connection, channel));
    return await ended.exited;
  } catch (error) {
    return error instanceof TerokError && error.code === 'CHANNEL_LOST' && messageOf(error) !== '' ? 0 : undefined;
  }
}

/** The promise stands in an object, or else awaiting the start would await the end as well. */
function endOf(connection: ChannelTransport, channel: ClientChannel): { readonly exited: Promise<number | undefined> } {
  const exited = new Promise<number | undefined>((resolve) => {
    const forget = connection.onLoss(() => resolve(0));
    channel.on('exit', (code: number | null) => {
      forget();
      resolve(code ?? undefined);
      channel.close();
    });
    channel.on('close', () => resolve(undefined));
    channel.on('error', () => resolve(undefined));
    channel.resume();
    channel.stderr.resume();
    channel.end();
  });
  return { exited };
}

interface Limits {
  /** The result of `work`, unless a limit is reached first; then `dispose` gets the late result */
  race<T>(work: Promise<T>, dispose: (late: T) => void): Promise<T>;
  onLimit(listener: (ending: Ending) => void): void;
  forget(): void;
}

function watchLimits({ timeoutMs, signal }: ExecOptions): Limits {
  if (signal?.aborted === true) throw cancelledError();
  const listeners = new Set<(ending: Ending) => void>();
  let reached: Ending | undefined;
  const reach = (ending: Ending) => (): void => {
    reached ??= ending;
    for (const listener of listeners) listener(reached);
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(reach({ kind: 'timedOut' }), timeoutMs);
  const onAbort = reach({ kind: 'cancelled' });
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    race: async (work, dispose) => {
      let first = (_ending: Ending): void => undefined;
      const limit = new Promise<never>((_, reject) => {
        first = (ending) => reject(ending.kind === 'timedOut' ? timeoutError() : cancelledError());
      });
      listeners.add(first);
      try {
        return await Promise.race([work, limit]);
      } finally {
        listeners.delete(first);
        if (reached !== undefined) void work.then(dispose, () => undefined);
      }
    },
    onLimit: (listener) => {
      listeners.add(listener);
      if (reached !== undefined) listener(reached);
    },
    forget: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      listeners.clear();
    },
  };
}

function timeoutError(): TerokError {
  return new TerokError('TIMEOUT', 'The bottle did not start the command within the time that it was given.');
}

function cancelledError(): TerokError {
  return new TerokError('CANCELLED', 'The command was cancelled before it started.');
}
