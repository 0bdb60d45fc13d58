import { type ChildProcess, spawn } from 'node:child_process';
import { Socket as UdpSocket } from 'node:dgram';
import { readlinkSync } from 'node:fs';
import { Server } from 'node:net';
import { ownFile } from '../../core/own-file.ts';
import { patient } from '../../core/patience.ts';
import { isAlive, type ProcessIdentity } from '../../core/process-identity.ts';
import { type HelperMessage, type HelperOrder, type ListenerSpec, specKey } from './listener-spec.ts';
import type { NamespaceSocket } from './namespace-sockets.ts';
import { RELEASE_FLAGS } from './release-memory.ts';

/** A helper needs some tens of milliseconds; this long means that it hangs. */
const DEADLINE_MS = patient(10_000);

export interface NamespaceEntrance {
  readonly holder: ProcessIdentity;
  /** Whether a user namespace owns the network namespace: it can be entered only together with that one, by a process with one thread */
  readonly rootless: boolean;
}

export interface Deliveries {
  onListener(spec: ListenerSpec, socket: Server | UdpSocket): void;
  onSpare(socket: NamespaceSocket): void;
}

interface Pending extends Deliveries {
  left: number;
  resolve(): void;
  reject(error: Error): void;
}

/** The process inside the bottle's namespace that opens sockets for the gateway, see `listener-helper.ts`. One order at a time. */
export class ListenerHelper {
  readonly #child: ChildProcess;
  #stderr = '';
  #pending: Pending | undefined;

  constructor({ holder, rootless }: NamespaceEntrance) {
    const namespace = readlinkSync(`/proc/${holder.pid}/ns/net`);
    if (!isAlive(holder)) throw new Error('The process that holds the network namespace of the bottle is gone.');
    const enter = ['--target', String(holder.pid), '--net', ...(rootless ? ['--user', '--preserve-credentials'] : [])];
    const program = ownFile({ source: 'sidecars/gateway/listener-helper.ts', built: 'listener-helper.js' });
    const helper = [process.execPath, '--max-semi-space-size=1', ...RELEASE_FLAGS, program, String(process.pid), namespace];
    this.#child = spawn('nsenter', [...enter, '--', ...helper], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr = (this.#stderr + chunk).slice(-2_000);
    });
    this.#child.on('error', (error) => this.#fail(error.message));
    this.#child.on('close', (code, signal) => {
      const words = this.#stderr.trim();
      this.#fail(`the helper ended with ${signal ?? code}${words === '' ? '' : ` (${words})`}`);
    });
    this.#child.on('message', (message: HelperMessage, socket) => this.#receive(message, socket));
  }

  get isRunning(): boolean {
    return this.#child.connected && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  /** Resolves when everything was delivered; rejects with the reason where something was not. */
  async order(order: HelperOrder, deliveries: Deliveries): Promise<void> {
    const timer = setTimeout(() => this.#fail(`no answer within ${DEADLINE_MS} ms`), DEADLINE_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#pending = { ...deliveries, left: order.specs.length + order.spares, resolve, reject };
        // one that has ended cannot be sent anything; its `close` says how it ended
        this.#child.send(order, () => undefined);
      });
    } finally {
      clearTimeout(timer);
      this.#pending = undefined;
    }
  }

  #receive(message: HelperMessage, socket: unknown): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    if (message.kind === 'failed') return this.#fail(message.reason);
    if (message.kind === 'spare') pending.onSpare(socket as NamespaceSocket);
    else if (socket instanceof Server || socket instanceof UdpSocket) pending.onListener(message.spec, socket);
    else return this.#fail(`no socket came for ${specKey(message.spec)}`);
    pending.left -= 1;
    if (pending.left === 0) pending.resolve();
  }

  #fail(reason: string): void {
    this.#pending?.reject(new Error(`The gateway could not listen inside the bottle's network: ${reason}.`));
  }
}
