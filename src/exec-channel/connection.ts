// Scope: the SSH connection to the bottle's server as one user, opened on demand and again after a loss, and what is asked of it.
// Out of scope: how it is authenticated (`ssh-client.ts`). Fail-safe direction: without a connection every request fails.
import { createConnection, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientCallback, ClientChannel, ExecOptions as SshExecOptions } from 'ssh2';
import { isTerokError, messageOf, systemCodeOf, TerokError } from '../core/index.ts';
import { channelLost } from './channel-lost.ts';
import { packScript } from './pack-script.ts';
import { connectSsh, type SshClientOptions } from './ssh-client.ts';

export interface ConnectionOptions extends SshClientOptions {
  readonly execSocket: string;
}

export interface RunRequest {
  readonly script: string;
  readonly terminal?: { readonly columns: number; readonly rows: number } | undefined;
}

const MAX_ATTEMPTS = 6;
const RETRY_MS = 50;
/** Why a channel was not opened, RFC 4254, 5.1 */
const CONNECT_FAILED = 2;

/** A way into a bottle as one user. SSH is one; a backend may bring another. */
export type ChannelTransport = Pick<Connection, 'run' | 'connect' | 'onLoss' | 'close'>;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #onLoss = new Set<(reason: string) => void>();
  #opening: Promise<Client> | undefined;
  #socket: Socket | undefined;
  #client: Client | undefined;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /**
   * Starts a shell program on the server and gives what `attach` makes of its channel, called at once so that no event is missed.
   * CHANNEL_LOST where there is no way into the bottle, NOT_FOUND where it lacks the user.
   */
  async run<T>(request: RunRequest, attach: (channel: ClientChannel) => T): Promise<T> {
    const { command, variables } = packScript(request.script);
    const { terminal } = request;
    const options: SshExecOptions = {
      env: variables,
      ...(terminal === undefined
        ? {}
        : { pty: { cols: terminal.columns, rows: terminal.rows, term: 'xterm-256color', width: 0, height: 0 } }),
    };
    return await this.#ask((client, done) => client.exec(command, options, done), attach, refusedCommand);
  }

  /** A stream to a TCP port of the bottle's loopback; NOT_FOUND with `context.kind` `port` where nothing listens there. */
  async connect(port: number): Promise<Duplex> {
    const connectTo = (address: string): Promise<ClientChannel> =>
      this.#ask(
        (client, done) => client.forwardOut('127.0.0.1', 0, address, port, done),
        (channel) => channel,
        (error) => refusedPort(error, port),
      );
    try {
      return await connectTo('127.0.0.1');
    } catch (error) {
      // a server on `localhost` may have taken the other one
      if (isTerokError(error) && error.context.kind === 'port') return await connectTo('::1');
      throw error;
    }
  }

  /** Calls `listener` once when the connection is lost; the result stops listening. */
  onLoss(listener: (reason: string) => void): () => void {
    this.#onLoss.add(listener);
    return () => this.#onLoss.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#client?.end();
    this.#client?.destroy();
    this.#socket?.destroy();
    this.#lose('The channel was closed.');
  }

  /** One request for a channel, which ends when the server answers or the connection is lost. */
  async #ask<T>(
    request: (client: Client, done: ClientCallback) => void,
    attach: (channel: ClientChannel) => T,
    explain: (error: Error) => TerokError,
  ): Promise<T> {
    const client = await this.#open();
    return await new Promise<T>((resolve, reject) => {
      const lost = (reason: string): void => reject(channelLost(reason));
      const settle = (work: () => void): void => {
        this.#onLoss.delete(lost);
        work();
      };
      this.#onLoss.add(lost);
      try {
        request(client, (error, channel) => settle(() => (error ? reject(refusal(error, explain)) : resolve(attach(channel)))));
      } catch (error) {
        settle(() => reject(channelLost(messageOf(error), error)));
      }
    });
  }

  #open(): Promise<Client> {
    if (this.#closed) return Promise.reject(channelLost('The channel was closed.'));
    this.#opening ??= this.#connectRepeatedly().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** A connection that breaks before the session is ready has run nothing, so another attempt is safe: the bottle may just have started again. */
  async #connectRepeatedly(): Promise<Client> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#socket = createConnection(this.#options.execSocket);
        this.#client = await connectSsh(this.#socket, this.#options, (reason) => this.#lose(reason));
        return this.#client;
      } catch (error) {
        if (this.#closed || attempt === MAX_ATTEMPTS || !isBroken(error)) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  #lose(reason: string): void {
    this.#opening = undefined;
    this.#client = undefined;
    const listeners = [...this.#onLoss];
    this.#onLoss.clear();
    for (const listener of listeners) listener(reason);
  }
}

/** The other side was there and went away, as opposed to a refusal or a socket that does not exist. */
function isBroken(error: unknown): boolean {
  if (!isTerokError(error) || error.code !== 'CHANNEL_LOST' || !(error.cause instanceof Error)) return false;
  return (
    /lost before handshake|connection to the bottle ended/.test(error.cause.message) ||
    ['ECONNRESET', 'EPIPE'].includes(systemCodeOf(error.cause) ?? '')
  );
}

/** What the server said to a request, or what became of the connection meanwhile. */
function refusal(error: Error, explain: (error: Error) => TerokError): TerokError {
  return /No response|Not connected/.test(error.message) ? channelLost(error.message, error) : explain(error);
}

function refusedCommand(error: Error): TerokError {
  return new TerokError('RUNTIME_FAILED', `The bottle's SSH server refused a command: ${error.message}`, {
    hint: 'The bottle may be at its limit of processes.',
    cause: error,
  });
}

function refusedPort(error: Error, port: number): TerokError {
  if ('reason' in error && error.reason === CONNECT_FAILED)
    return new TerokError('NOT_FOUND', `Nothing listens on port ${port} of the bottle's loopback.`, {
      context: { kind: 'port', port },
      hint: 'Start the server in the bottle; it listens on `localhost` or on every address.',
      cause: error,
    });
  return new TerokError('RUNTIME_FAILED', `The bottle's SSH server refused a connection to port ${port}: ${error.message}`, {
    hint: 'A bottle of an earlier terok forwards no ports: make it again.',
    cause: error,
  });
}
