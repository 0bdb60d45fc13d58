import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { makePrivateDir, messageOf, patient, TerokError } from '../../core/index.ts';
import type { Invocation } from './host-facts.ts';
import { RESIZE_OK_STATUS } from './quirks.ts';

/** The service ends by itself after this long without a connection, so a killed terok leaves none behind. */
const IDLE_SECONDS = 10;
const START_TIMEOUT_MS = patient(10_000);
const POLL_MS = patient(2);
const END_TIMEOUT_MS = patient(5_000);

/** A private `podman system service`, started when it is first needed and again after it ended; it does not outlive this process. */
export class ApiService {
  readonly #invocation: Invocation;
  readonly #runtimeDir: string;
  #socket = '';
  #child: ChildProcess | undefined;
  #opening: Promise<string> | undefined;

  constructor(invocation: Invocation, runtimeDir: string) {
    this.#invocation = invocation;
    this.#runtimeDir = runtimeDir;
  }

  /** Path of the socket on which the service answers. */
  async open(): Promise<string> {
    if (this.#child === undefined || hasEnded(this.#child)) this.#opening = undefined;
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** As `open`, for a caller who finds nobody at that socket: a service that ends closes it first. */
  async reopen(missed: string): Promise<string> {
    if (this.#socket === missed) this.#end('SIGTERM');
    return await this.open();
  }

  /** Whether the service at that socket ended for lack of work: it finishes what it took, and resets the connections that it did not. */
  async endedByItself(socket: string): Promise<boolean> {
    const child = this.#child;
    if (child === undefined || this.#socket !== socket) return false;
    const deadline = Date.now() + END_TIMEOUT_MS;
    while (!hasEnded(child) && Date.now() < deadline) await sleep(POLL_MS);
    return child.exitCode === 0;
  }

  async docker(): Promise<Docker> {
    return connect(await this.open());
  }

  async close(): Promise<void> {
    this.#end('SIGTERM');
  }

  /** Ends the service at once with all that it was asked to do; when this resolves it does nothing more. */
  async abandon(): Promise<void> {
    const child = this.#child;
    this.#end('SIGKILL');
    child?.ref();
    if (child !== undefined && !hasEnded(child)) await once(child, 'exit');
  }

  readonly #endWithProcess = (): void => this.#end('SIGTERM');

  #end(signal: NodeJS.Signals): void {
    const child = this.#child;
    this.#child = undefined;
    this.#opening = undefined;
    child?.kill(signal);
    if (this.#socket !== '') rmSync(this.#socket, { force: true });
  }

  async #open(): Promise<string> {
    await makePrivateDir(this.#runtimeDir);
    // one that ends removes its socket: each has a name of its own
    const socket = path.join(this.#runtimeDir, `api-${randomBytes(6).toString('hex')}.sock`);
    const { child, failure } = this.#spawn(socket);
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(socket))) {
      const reason = failure();
      if (reason !== undefined || hasEnded(child) || Date.now() > deadline) {
        throw new TerokError('RUNTIME_FAILED', `Podman's API service did not start${reason === undefined ? '.' : `: ${reason}`}`, {
          hint: 'Run `podman system service --time 5` in a shell and read what it says.',
        });
      }
      await sleep(POLL_MS);
    }
    return socket;
  }

  #spawn(socket: string): { readonly child: ChildProcess; readonly failure: () => string | undefined } {
    const { launcher, binary, globalArguments, env } = this.#invocation;
    const args = [...launcher, binary, ...globalArguments, 'system', 'service', '--time', String(IDLE_SECONDS), `unix://${socket}`];
    const [file = binary] = args.splice(0, 1);
    const child = spawn(file, args, { cwd: '/', env, detached: true, stdio: 'ignore' });
    child.unref();
    this.#child = child;
    this.#socket = socket;
    let failure: string | undefined;
    child.once('error', (error) => (failure = messageOf(error)));
    process.once('exit', this.#endWithProcess);
    child.once('exit', () => process.off('exit', this.#endWithProcess));
    return { child, failure: () => failure };
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function connect(socketPath: string): Promise<Docker> {
  const { default: Client } = await import('dockerode');
  const docker = new Client({ socketPath });
  const modem = docker.modem as { dial(options: DialOptions, callback: unknown): void };
  const dial = modem.dial.bind(modem);
  modem.dial = (options, callback) =>
    dial(
      options.path.includes('/resize?') ? { ...options, statusCodes: { ...options.statusCodes, [RESIZE_OK_STATUS]: true } } : options,
      callback,
    );
  return docker;
}

interface DialOptions {
  readonly path: string;
  readonly statusCodes?: Readonly<Record<string, unknown>>;
}
