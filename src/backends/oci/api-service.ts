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

/** A service ends by itself after this long without a connection, so a killed terok leaves none behind. */
const IDLE_SECONDS = Math.ceil(patient(10));
/** One that ends gives no request the time that it needs, so nobody asks a service that has been idle for longer than this. */
const REUSE_MS = (IDLE_SECONDS * 1000) / 2;
const START_TIMEOUT_MS = patient(10_000);
const POLL_MS = patient(2);

interface Service {
  /** Path of the socket on which it answers */
  readonly socket: string;
  /** Undefined until it is started */
  child?: ChildProcess;
  opening?: Promise<string>;
  usedAt: number;
}

/** A private `podman system service`, started when it is first needed and again after a pause; it does not outlive this process. */
export class ApiService {
  readonly #invocation: Invocation;
  readonly #runtimeDir: string;
  /** Those that may run still: one that is too old for a new request may be at work on another */
  readonly #running = new Set<Service>();
  #current: Service | undefined;

  constructor(invocation: Invocation, runtimeDir: string) {
    this.#invocation = invocation;
    this.#runtimeDir = runtimeDir;
  }

  /** Path of the socket on which the service answers. */
  async open(): Promise<string> {
    if (this.#current === undefined || hasEnded(this.#current) || performance.now() - this.#current.usedAt > REUSE_MS) {
      // one that ends removes its socket: each has a name of its own
      const socket = path.join(this.#runtimeDir, `api-${randomBytes(6).toString('hex')}.sock`);
      this.#current = { socket, usedAt: 0 };
    }
    const service = this.#current;
    service.usedAt = performance.now();
    service.opening ??= this.#start(service);
    try {
      return await service.opening;
    } catch (error) {
      this.#forget(service);
      throw error;
    }
  }

  /** Says how a request at that socket has ended: a service that failed at one is asked no more. */
  used(socket: string, outcome: 'answered' | 'failed'): void {
    if (this.#current?.socket !== socket) return;
    if (outcome === 'answered') this.#current.usedAt = performance.now();
    else this.#current = undefined;
  }

  async docker(): Promise<Docker> {
    return connect(await this.open());
  }

  async close(): Promise<void> {
    this.#endAll();
  }

  /** Ends the service at once with all that it was asked to do; when this resolves it does nothing more. */
  async abandon(): Promise<void> {
    const services = [...this.#running];
    for (const service of services) this.#end(service, 'SIGKILL');
    for (const service of services) {
      service.child?.ref();
      if (service.child !== undefined && !hasEnded(service)) await once(service.child, 'exit');
    }
  }

  readonly #endAll = (): void => {
    for (const service of this.#running) this.#end(service, 'SIGTERM');
  };

  #end(service: Service, signal: NodeJS.Signals): void {
    this.#forget(service);
    service.child?.kill(signal);
  }

  #forget(service: Service): void {
    this.#running.delete(service);
    if (this.#current === service) this.#current = undefined;
    rmSync(service.socket, { force: true });
    if (this.#running.size === 0) process.off('exit', this.#endAll);
  }

  async #start(service: Service): Promise<string> {
    await makePrivateDir(this.#runtimeDir);
    const failure = this.#spawn(service);
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(service.socket))) {
      const reason = failure();
      if (reason !== undefined || hasEnded(service) || Date.now() > deadline) {
        this.#end(service, 'SIGTERM');
        throw new TerokError('RUNTIME_FAILED', `Podman's API service did not start${reason === undefined ? '.' : `: ${reason}`}`, {
          hint: 'Run `podman system service --time 5` in a shell and read what it says.',
        });
      }
      await sleep(POLL_MS);
    }
    return service.socket;
  }

  #spawn(service: Service): () => string | undefined {
    const { launcher, binary, globalArguments, env } = this.#invocation;
    const args = [...launcher, binary, ...globalArguments, 'system', 'service', '--time', String(IDLE_SECONDS), `unix://${service.socket}`];
    const [file = binary] = args.splice(0, 1);
    const child = spawn(file, args, { cwd: '/', env, detached: true, stdio: 'ignore' });
    child.unref();
    service.child = child;
    this.#running.add(service);
    let failure: string | undefined;
    child.once('error', (error) => (failure = messageOf(error)));
    child.once('exit', () => this.#forget(service));
    process.off('exit', this.#endAll).on('exit', this.#endAll);
    return () => failure;
  }
}

function hasEnded({ child }: Service): boolean {
  return child !== undefined && (child.exitCode !== null || child.signalCode !== null);
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
