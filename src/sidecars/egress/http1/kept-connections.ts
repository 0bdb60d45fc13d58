/*
 * Scope: connections to one server that wait for their next request. Out of scope: what is said on them (`bare-exchange.ts`).
 * Fail-safe direction: what a server says without being asked ends the connection.
 */
import type { Socket } from 'node:net';

/** Takes what happens on a connection while its request is under way. */
export interface ConnectionUser {
  onData(chunk: Buffer): void;
  /** The server says no more */
  onEnd(): void;
  /** Nothing came for about this long, counted in steps of `STEP_MS` */
  onSilence(silentMs: number): void;
  onClose(error: Error | undefined): void;
}

/** A connection that nobody uses is closed after one step. */
const STEP_MS = 10_000;

/** One connection with its one user at a time. */
export class KeptConnection {
  readonly socket: Socket;
  readonly #free: KeptConnection[];
  #user: ConnectionUser | undefined;
  #error: Error | undefined;
  #silentMs = 0;

  constructor(socket: Socket, free: KeptConnection[]) {
    this.socket = socket;
    this.#free = free;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#onClose());
    socket.on('timeout', () => this.#onTimeout());
    socket.setTimeout(STEP_MS);
  }

  get isUsable(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  use(user: ConnectionUser): void {
    this.#user = user;
    this.#silentMs = 0;
  }

  /** Its user is done; it waits for the next one where it may stay. */
  release(mayStay: boolean): void {
    this.#user = undefined;
    if (!mayStay || !this.isUsable) {
      this.socket.destroy();
      return;
    }
    if (this.socket.isPaused()) this.socket.resume();
    this.#free.push(this);
  }

  #onData(chunk: Buffer): void {
    this.#silentMs = 0;
    if (this.#user === undefined) this.socket.destroy();
    else this.#user.onData(chunk);
  }

  #onEnd(): void {
    if (this.#user === undefined) this.socket.destroy();
    else this.#user.onEnd();
  }

  #onTimeout(): void {
    if (this.#user === undefined) {
      this.socket.destroy();
      return;
    }
    this.#silentMs += STEP_MS;
    this.socket.setTimeout(STEP_MS);
    this.#user.onSilence(this.#silentMs);
  }

  #onClose(): void {
    const at = this.#free.indexOf(this);
    if (at !== -1) this.#free.splice(at, 1);
    const user = this.#user;
    this.#user = undefined;
    user?.onClose(this.#error);
  }
}

export class KeptConnections {
  readonly #open: () => Promise<Socket>;
  readonly #free: KeptConnection[] = [];

  constructor(open: () => Promise<Socket>) {
    this.#open = open;
  }

  /** The one that was used last, because it is the most likely to be open still; undefined where none waits. */
  take(): KeptConnection | undefined {
    for (;;) {
      const connection = this.#free.pop();
      if (connection === undefined || connection.isUsable) return connection;
    }
  }

  async open(): Promise<KeptConnection> {
    return new KeptConnection(await this.#open(), this.#free);
  }

  close(): void {
    for (const { socket } of this.#free.splice(0)) socket.destroy();
  }
}
