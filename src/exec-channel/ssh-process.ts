import { Readable, Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import type { BottleProcess, ExitStatus, TerminalSize } from '../core/index.ts';
import { DrainWatch } from './drain-watch.ts';
import { type Mark, MarkFilter, type Marks } from './marks.ts';

export interface SshProcessOptions {
  readonly channel: ClientChannel;
  readonly marks: Marks;
  readonly terminal: boolean;
  /** Calls back once when the connection is lost */
  readonly onLoss: (listener: (reason: string) => void) => () => void;
  /** Signals everything that the command started; `KILL` also waits until nothing is left */
  readonly signalTree: (signal: string, first: FirstProcess) => Promise<void>;
}

/** The shell that becomes the command. */
export interface FirstProcess {
  /** In the bottle; undefined until it has said so */
  readonly pid?: number;
  readonly hasEnded: boolean;
}

/**
 * SSH gives stdout and stderr of a command one window, so a stderr that nobody reads would stop stdout as well. This much of it is
 * kept for a late reader before the command has to wait; a pipe of the kernel keeps 64 KiB.
 */
const STDERR_BACKLOG_BYTES = 16 * 1024 * 1024;
const STDOUT_BACKLOG_BYTES = 256 * 1024;
/** The end of a terminal's input. Told of another one, the server hangs up on a program that closes its terminal before it ends. */
const END_OF_TRANSMISSION = '\u0004';

export type Ending = Extract<ExitStatus, { readonly kind: 'timedOut' | 'cancelled' }>;

/** A command on one SSH channel. */
export class SshProcess implements BottleProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ExitStatus>;
  /** The first mark; undefined where the channel ended without one */
  readonly started: Promise<Mark | undefined>;
  readonly #options: SshProcessOptions;
  readonly #drain: DrainWatch;
  readonly #filter: MarkFilter;
  readonly #forgetLoss: () => void;
  #start: (mark: Mark | undefined) => void = () => undefined;
  #settle: (status: ExitStatus) => void = () => undefined;
  #pendingWrite: (() => void) | undefined;
  #failed: Mark | undefined;
  readonly #first: { pid?: number; hasEnded: boolean } = { hasEnded: false };
  #ending: Ending | undefined;
  #over = false;

  constructor(options: SshProcessOptions) {
    this.#options = options;
    this.exited = new Promise((resolve) => (this.#settle = resolve));
    this.started = new Promise((resolve) => (this.#start = resolve));
    this.#filter = new MarkFilter(options.marks, (mark) => this.#onMark(mark));
    this.stdin = this.#makeStdin();
    this.stdout = makeSink(options.channel, STDOUT_BACKLOG_BYTES);
    this.stderr = makeSink(options.channel.stderr, STDERR_BACKLOG_BYTES);
    this.#drain = new DrainWatch(() => this.#cutOff());
    this.#connectOutput();
    this.#forgetLoss = options.onLoss((reason) => this.#lose(reason));
    options.channel.on('exit', (code: number | null, signal?: string) => this.#onExit(code, signal));
    options.channel.on('close', () => this.#lose('The SSH server ended the session.'));
    options.channel.on('error', (error: Error) => this.#lose(error.message));
  }

  /** The mark of a command that passed every check and still could not start */
  get failed(): Mark | undefined {
    return this.#failed;
  }

  resize({ columns, rows }: TerminalSize): void {
    if (!this.#over) this.#options.channel.setWindow(rows, columns, 0, 0);
  }

  async kill(signal: string): Promise<void> {
    if (!this.#over) await this.#options.signalTree(signal, this.#first);
  }

  /** Kills the whole tree; the command then counts as ended in the given way. */
  async end(ending: Ending): Promise<void> {
    if (this.#over || this.#ending !== undefined) return;
    this.#ending = ending;
    await this.#options.signalTree('KILL', this.#first);
    this.#finish(ending);
  }

  /** Gives the channel back; whatever output is left is dropped. */
  release(): void {
    this.#cutOff();
  }

  #connectOutput(): void {
    const { channel, terminal } = this.#options;
    const marked = terminal ? channel : channel.stderr;
    const connect = (source: Readable, sink: Readable): void => {
      source.on('data', (chunk: Buffer) => this.#forward(source, sink, source === marked ? this.#filter.push(chunk) : chunk));
      source.once('end', () => {
        if (source === marked) {
          this.#forward(source, sink, this.#filter.flush());
          this.#start(undefined);
        }
        closeSink(sink);
      });
    };
    connect(channel, this.stdout);
    connect(channel.stderr, this.stderr);
    if (terminal) closeSink(this.stderr);
  }

  #forward(source: Readable, sink: Readable, chunk: Buffer): void {
    if (chunk.length === 0 || ended.has(sink)) return;
    this.#drain.sawData(chunk.length);
    if (sink.push(chunk)) return;
    source.pause();
    this.#drain.block(sink);
    resumes.set(sink, () => {
      this.#drain.unblock(sink);
      source.resume();
    });
  }

  #makeStdin(): Writable {
    const { channel, terminal } = this.#options;
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (this.#over) return done();
        this.#pendingWrite = done;
        channel.write(chunk, () => this.#writeDone());
      },
      final: (done) => {
        if (!this.#over && terminal) channel.write(END_OF_TRANSMISSION);
        else if (!this.#over) channel.end();
        done();
      },
    });
  }

  #writeDone(): void {
    const done = this.#pendingWrite;
    this.#pendingWrite = undefined;
    done?.();
  }

  #onMark(mark: Mark): void {
    if (mark.kind === 'failed') this.#failed = mark;
    else this.#start(mark);
    // a command that learned the word may say it again
    if (mark.kind === 'started') this.#first.pid ??= mark.value;
  }

  #onExit(code: number | null, signal: string | undefined): void {
    const status: ExitStatus = code === null ? { kind: 'signalled', signal: signalName(signal) } : { kind: 'exited', code };
    this.#first.hasEnded = true;
    if (this.#ending === undefined) this.#finish(status);
  }

  #lose(reason: string): void {
    this.#finish(this.#ending ?? { kind: 'lost', reason });
    this.#cutOff();
  }

  #finish(status: ExitStatus): void {
    if (this.#over) return;
    this.#over = true;
    this.#forgetLoss();
    this.#settle(status);
    this.#writeDone();
    if (ended.has(this.stdout) && ended.has(this.stderr)) this.#cutOff();
    else this.#drain.start(() => ended.has(this.stdout) && ended.has(this.stderr));
  }

  #cutOff(): void {
    this.#drain.stop();
    this.#start(undefined);
    closeSink(this.stdout);
    closeSink(this.stderr);
    this.#options.channel.resume();
    this.#options.channel.stderr.resume();
    this.#options.channel.close();
  }
}

const ended = new WeakSet<Readable>();
const resumes = new WeakMap<Readable, () => void>();

function makeSink(source: Readable, highWaterMark: number): Readable {
  const sink = new Readable({
    highWaterMark,
    read: () => {
      const resume = resumes.get(sink);
      resumes.delete(sink);
      resume?.();
    },
    destroy: (error, done) => {
      ended.add(sink);
      source.resume();
      done(error);
    },
  });
  return sink;
}

function closeSink(sink: Readable): void {
  if (ended.has(sink)) return;
  ended.add(sink);
  sink.push(null);
}

/** `TERM` for what the server or a caller names `SIGTERM` or `TERM`. */
export function signalName(signal: string | undefined): string {
  return (signal ?? 'UNKNOWN').replace(/^SIG/, '').replace(/@openssh\.com$/, '') || 'UNKNOWN';
}
