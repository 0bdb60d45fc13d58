import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { ignoreCodes, makePrivateDir, messageOf, TerokError } from '../../core/index.ts';
import type { PodmanHost } from './podman-host.ts';
import { RESIZE_OK_STATUS } from './quirks.ts';

/** The service ends by itself after this long without a connection, so a killed terok leaves none behind. */
const IDLE_SECONDS = 20;
const START_TIMEOUT_MS = 10_000;

/** A private `podman system service`, started when it is first needed and again after it ended. */
export class ApiService {
  readonly #host: PodmanHost;
  readonly #socket: string;
  #child: ChildProcess | undefined;
  #opening: Promise<Docker> | undefined;

  constructor(host: PodmanHost, runtimeDir: string) {
    this.#host = host;
    this.#socket = path.join(runtimeDir, `api-${randomBytes(6).toString('hex')}.sock`);
  }

  async docker(): Promise<Docker> {
    if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) this.#opening = undefined;
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async close(): Promise<void> {
    this.#child?.kill('SIGTERM');
    this.#child = undefined;
    this.#opening = undefined;
    await ignoreCodes(['ENOENT'], () => rm(this.#socket));
  }

  async #open(): Promise<Docker> {
    const { launcher, binary, env } = this.#host;
    await makePrivateDir(path.dirname(this.#socket));
    const [file, ...args] = [...launcher, binary, 'system', 'service', '--time', String(IDLE_SECONDS), `unix://${this.#socket}`] as const;
    const child = spawn(file, args, { cwd: '/', env, detached: true, stdio: 'ignore' });
    child.unref();
    this.#child = child;
    let failure: unknown;
    child.once('error', (error) => (failure = error));
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(this.#socket))) {
      if (failure !== undefined || child.exitCode !== null || Date.now() > deadline) {
        throw new TerokError(
          'RUNTIME_FAILED',
          `Podman's API service did not start${failure === undefined ? '.' : `: ${messageOf(failure)}`}`,
          { hint: 'Run `podman system service --time 5` in a shell and read what it says.' },
        );
      }
      await sleep(5);
    }
    return connect(this.#socket);
  }
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
