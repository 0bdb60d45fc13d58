// Scope: one authenticated SSH connection to the bottle's server as one user, opened on demand and again after a loss.
// Out of scope: what runs on it. Fail-safe direction: a host key that is not the pinned one ends the connection before anything is sent.
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type Ssh2 from 'ssh2';
import type { Client, ClientChannel, ExecOptions as SshExecOptions } from 'ssh2';
import { type BottleUser, isTerokError, messageOf, patient, systemCodeOf, TerokError } from '../core/index.ts';
import type { ChannelIdentity } from './identity.ts';
import { SCRIPT_VARIABLE } from './seeds.ts';
import { MAX_DIRECT_BYTES, splitScript } from './shell-command.ts';

export interface ConnectionOptions {
  readonly execSocket: string;
  readonly identity: ChannelIdentity;
  readonly user: BottleUser;
  /** A server that says nothing for so long, when asked, counts as lost */
  readonly silenceMs?: number;
}

export interface RunRequest {
  readonly script: string;
  readonly terminal?: { readonly columns: number; readonly rows: number } | undefined;
}

/** From the first byte to a session: generous, because a microVM may still be booting. */
const READY_TIMEOUT_MS = patient(30_000);
/** A kernel that stopped, or a server that its own users stopped, keeps its connections open for ever. */
const SILENCE_MS = patient(120_000);
const QUESTIONS = 4;
const MAX_ATTEMPTS = 6;
const RETRY_MS = 50;
/** Programs in pieces: more than this is more than Linux takes at once */
const MAX_SCRIPT_BYTES = 1_900_000;

/** A way to run shell programs in a bottle as one user. SSH is one; a backend may bring another. */
export type ChannelTransport = Pick<Connection, 'run' | 'onLoss' | 'close'>;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #onLoss = new Set<(reason: string) => void>();
  #opening: Promise<Client> | undefined;
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
    const client = await this.#open();
    return await new Promise<T>((resolve, reject) => {
      const lost = (reason: string): void => reject(channelLost(reason));
      const settle = (work: () => void): void => {
        this.#onLoss.delete(lost);
        work();
      };
      this.#onLoss.add(lost);
      try {
        client.exec(command, options, (error, channel) => settle(() => (error ? reject(refusal(error)) : resolve(attach(channel)))));
      } catch (error) {
        settle(() => reject(channelLost(messageOf(error), error)));
      }
    });
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
    this.#lose('The channel was closed.');
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
        return await this.#connect();
      } catch (error) {
        if (this.#closed || attempt === MAX_ATTEMPTS || !isBroken(error)) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  async #connect(): Promise<Client> {
    const socket = createConnection(this.#options.execSocket);
    // the bottle starts its server while the library loads here; an early error is told once somebody listens
    let early: Error | undefined;
    socket.once('error', (error) => (early = error));
    const { Client: SshClient } = await loadSsh2();
    if (early !== undefined) throw channelLost(early.message, early);
    if (this.#closed) socket.destroy();
    const client = new SshClient();
    this.#client = client;
    let hostKeyRefused = false;
    const pinned = Buffer.from(this.#options.identity.host.publicKey.split(' ')[1] ?? '', 'base64');
    return await new Promise<Client>((resolve, reject) => {
      let ready = false;
      const fail = (error: Error): void => {
        socket.destroy();
        reject(this.#explain(error, hostKeyRefused));
        if (ready) this.#lose(error.message);
        ready = false;
      };
      client.once('ready', () => {
        ready = true;
        resolve(client);
      });
      client.on('error', fail);
      client.on('close', () => fail(new Error('The connection to the bottle ended.')));
      socket.once('error', fail);
      client.connect({
        sock: socket,
        username: this.#options.user,
        privateKey: this.#options.identity.client.privateKey,
        authHandler: ['publickey'],
        hostVerifier: (key: Buffer) => {
          hostKeyRefused = !key.equals(pinned);
          return !hostKeyRefused;
        },
        algorithms: { kex: ['curve25519-sha256'], cipher: ['aes128-gcm@openssh.com'], serverHostKey: ['ssh-ed25519'], compress: ['none'] },
        readyTimeout: READY_TIMEOUT_MS,
        keepaliveInterval: Math.ceil((this.#options.silenceMs ?? SILENCE_MS) / QUESTIONS),
        keepaliveCountMax: QUESTIONS - 1,
      });
    });
  }

  #lose(reason: string): void {
    this.#opening = undefined;
    this.#client = undefined;
    const listeners = [...this.#onLoss];
    this.#onLoss.clear();
    for (const listener of listeners) listener(reason);
  }

  #explain(error: Error, hostKeyRefused: boolean): TerokError {
    if (hostKeyRefused) return channelLost('The SSH server showed another host key than the bottle was given.');
    if ('level' in error && error.level === 'client-authentication') {
      return new TerokError(
        'NOT_FOUND',
        `The bottle lets no user \`${this.#options.user}\` in: the image lacks him, or his account is locked.`,
        {
          context: { kind: 'user', user: this.#options.user },
          hint: 'Use an image that terok built, or add the user to the image.',
          cause: error,
        },
      );
    }
    return channelLost(messageOf(error), error);
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

/** What the server said to a new command, or what became of the connection meanwhile. */
function refusal(error: Error): TerokError {
  if (/No response|Not connected/.test(error.message)) return channelLost(error.message, error);
  return new TerokError('RUNTIME_FAILED', `The bottle's SSH server refused a command: ${error.message}`, {
    hint: 'The bottle may be at its limit of processes.',
    cause: error,
  });
}

export function channelLost(reason: string, cause?: unknown): TerokError {
  return new TerokError('CHANNEL_LOST', `No way into the bottle: ${reason}`, {
    hint: 'See whether the bottle and its gateway run: `terok status`.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A shell program as what fits into one argument, and the variables that carry the rest. */
export function packScript(script: string): { readonly command: string; readonly variables: Record<string, string> } {
  const bytes = Buffer.byteLength(script);
  if (bytes <= MAX_DIRECT_BYTES) return { command: script, variables: {} };
  if (bytes > MAX_SCRIPT_BYTES)
    throw new TerokError('USAGE', `A command with its environment has at most ${MAX_SCRIPT_BYTES} bytes when quoted; got ${bytes}.`);
  const pieces = splitScript(script).map((piece, index) => [`${SCRIPT_VARIABLE}${index}`, piece] as const);
  const names = pieces.map(([name]) => name);
  return { command: `eval "unset ${names.join(' ')};${names.map((name) => `$${name}`).join('')}"`, variables: Object.fromEntries(pieces) };
}

async function loadSsh2(): Promise<typeof Ssh2> {
  try {
    return (await import('ssh2')).default;
  } catch (error) {
    throw new TerokError('DEPENDENCY_MISSING', `The npm package \`ssh2\` could not be loaded: ${messageOf(error)}`, {
      hint: 'Run `npm ci` in the directory of terok.',
      cause: error,
    });
  }
}
