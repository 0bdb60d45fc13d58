import { Duplex, PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exec } from 'dockerode';
import { type BottleUser, messageOf, TerokError } from '../../core/index.ts';
import { type ChannelTransport, packScript } from '../../exec-channel/index.ts';
import type { ApiService } from '../oci/index.ts';

type RunRequest = Parameters<ChannelTransport['run']>[0];
type Stream = Parameters<Parameters<ChannelTransport['run']>[1]>[0];

/** Runs shell programs through Podman's API, one exec session each. What SSH's login gives, the first line of the program gives here. */
export class ApiTransport implements ChannelTransport {
  readonly #service: ApiService;
  readonly #containerId: string;
  readonly #user: BottleUser;
  readonly #onLoss = new Set<(reason: string) => void>();

  constructor(service: ApiService, containerId: string, user: BottleUser) {
    this.#service = service;
    this.#containerId = containerId;
    this.#user = user;
  }

  async run<T>(request: RunRequest, attach: (stream: Stream) => T): Promise<T> {
    const { command, variables } = packScript(request.script);
    const { terminal } = request;
    const docker = await this.#service.docker();
    try {
      const exec = await docker.getContainer(this.#containerId).exec({
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: terminal !== undefined,
        User: this.#user,
        Env: [`USER=${this.#user}`, `LOGNAME=${this.#user}`, ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)],
        Cmd: ['/bin/sh', '-c', `${terminalSize(terminal)}cd ~ 2>/dev/null\n${command}`],
      });
      const raw = await exec.start({ hijack: true, stdin: true, Tty: terminal !== undefined });
      const stream = new ApiStream(exec, raw, terminal === undefined ? (out, err) => docker.modem.demuxStream(raw, out, err) : undefined);
      if (terminal !== undefined) stream.setWindow(terminal.rows, terminal.columns);
      return attach(stream as unknown as Stream);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  connect(port: number): Promise<Duplex> {
    return Promise.reject(
      new TerokError('UNSUPPORTED_BY_BACKEND', `Port ${port} of the bottle cannot be reached: its image has no SSH server.`, {
        hint: 'Use an image with bash and OpenSSH, such as the one that `terok image build` makes.',
      }),
    );
  }

  onLoss(listener: (reason: string) => void): () => void {
    this.#onLoss.add(listener);
    return () => this.#onLoss.delete(listener);
  }

  close(): void {
    const listeners = [...this.#onLoss];
    this.#onLoss.clear();
    for (const listener of listeners) listener('The way into the bottle was closed.');
  }

  #explain(error: unknown): TerokError {
    const message = messageOf(error);
    if (/unable to find user|no matching entries in passwd/i.test(message)) {
      return new TerokError('NOT_FOUND', `The image has no user \`${this.#user}\`.`, {
        context: { kind: 'user', user: this.#user },
        cause: error,
      });
    }
    return new TerokError('CHANNEL_LOST', `Podman did not run the command: ${message}`, {
      hint: 'See whether the bottle runs: `terok status`.',
      cause: error,
    });
  }
}

/** Podman knows the size only some time after the start; a program that asks at once gets it from here. */
function terminalSize(terminal: RunRequest['terminal']): string {
  return terminal === undefined ? '' : `stty rows ${Math.trunc(terminal.rows)} cols ${Math.trunc(terminal.columns)} 2>/dev/null\n`;
}

const FIRST_INTERVAL_MS = 15;
const LATER_INTERVAL_MS = 150;
const FIRST_INTERVALS = 40;
const RESIZE_ATTEMPTS = 10;
const RESIZE_INTERVAL_MS = 50;
/** Failures in a row after which the session counts as lost */
const MAX_FAILURES = 5;

type Demultiplex = (stdout: PassThrough, stderr: PassThrough) => void;

/** The parts of an SSH channel that an exec session has. Podman tells of the end when asked, not by an event. */
class ApiStream extends Duplex {
  readonly stderr: Readable;
  readonly #exec: Exec;
  readonly #raw: Duplex;
  readonly #out: PassThrough;
  #closed = false;
  #size: { readonly h: number; readonly w: number } | undefined;

  constructor(exec: Exec, raw: Duplex, demultiplex: Demultiplex | undefined) {
    // by itself a stream closes when both directions end; here the command may still run then
    super({ allowHalfOpen: true, autoDestroy: false, emitClose: false });
    this.#exec = exec;
    this.#raw = raw;
    const errors = new PassThrough();
    this.stderr = errors;
    this.#out = new PassThrough();
    this.#connectOutput(errors, demultiplex);
    this.#out.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) this.#out.pause();
    });
    this.#out.once('end', () => this.push(null));
    void this.#watchForEnd();
  }

  #connectOutput(errors: PassThrough, demultiplex: Demultiplex | undefined): void {
    if (demultiplex === undefined) this.#raw.pipe(this.#out);
    else demultiplex(this.#out, errors);
    const end = (): void => {
      this.#out.end();
      errors.end();
    };
    this.#raw.once('end', end);
    this.#raw.once('close', end);
    this.#raw.once('error', end);
  }

  override _read(): void {
    this.#out.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#raw.destroyed) done();
    else this.#raw.write(chunk, () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#raw.end();
    done();
  }

  setWindow(rows: number, columns: number): void {
    this.#size = { h: rows, w: columns };
    void this.#resize(RESIZE_ATTEMPTS);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#raw.destroy();
    this.emit('close');
  }

  /** A session that is only starting has no window yet, one that has ended has none any more; a newer size replaces an older one. */
  async #resize(attempts: number): Promise<void> {
    const size = this.#size;
    if (size === undefined || this.#closed) return;
    const done = await this.#exec.resize(size).then(
      () => true,
      () => false,
    );
    if (done || attempts <= 1) return;
    await sleep(RESIZE_INTERVAL_MS);
    if (this.#size === size) await this.#resize(attempts - 1);
  }

  async #watchForEnd(): Promise<void> {
    let failures = 0;
    for (let turn = 0; !this.#closed; turn += 1) {
      await sleep(turn < FIRST_INTERVALS ? FIRST_INTERVAL_MS : LATER_INTERVAL_MS);
      const state = await this.#exec.inspect().catch(() => undefined);
      failures = state === undefined ? failures + 1 : 0;
      if (failures >= MAX_FAILURES) {
        this.emit('error', new Error('Podman lost the exec session.'));
        return;
      }
      if (state?.Running === false && state.ExitCode !== null) {
        this.emit('exit', state.ExitCode);
        return;
      }
    }
  }
}
