// Scope: one attempt at an authenticated SSH connection to the bottle's server as one user. Out of scope: what runs on it, and further
// attempts. Fail-safe direction: a host key that is not the pinned one ends the connection before anything is sent; a channel that the
// bottle's end asks for is refused by the library, because nothing here ever invites one.
import type { Socket } from 'node:net';
import type Ssh2 from 'ssh2';
import type { Client, ConnectConfig } from 'ssh2';
import { type BottleUser, messageOf, patient, TerokError } from '../core/index.ts';
import { channelLost } from './channel-lost.ts';
import type { ChannelIdentity } from './identity.ts';

export interface SshClientOptions {
  readonly identity: ChannelIdentity;
  readonly user: BottleUser;
  /** A server that says nothing for so long, when asked, counts as lost */
  readonly silenceMs?: number;
}

/** From the first byte to a session: generous, because a microVM may still be booting. */
const READY_TIMEOUT_MS = patient(30_000);
/** A kernel that stopped, or a server that its own users stopped, keeps its connections open for ever. */
const SILENCE_MS = patient(120_000);
const QUESTIONS = 4;

/** Resolves when commands can be run; `onLoss` is called once when that ends. */
export async function connectSsh(socket: Socket, options: SshClientOptions, onLoss: (reason: string) => void): Promise<Client> {
  // the bottle starts its server while the library loads here; an early error is told once somebody listens
  let early: Error | undefined;
  socket.once('error', (error) => (early = error));
  const { Client: SshClient } = await loadSsh2();
  if (early !== undefined) throw channelLost(early.message, early);
  const client = new SshClient();
  const pin = pinHostKey(options.identity);
  return await new Promise<Client>((resolve, reject) => {
    let ready = false;
    const fail = (error: Error): void => {
      socket.destroy();
      reject(explain(error, options.user, pin.refused()));
      if (ready) onLoss(error.message);
      ready = false;
    };
    client.once('ready', () => {
      ready = true;
      resolve(client);
    });
    client.on('error', fail);
    client.on('close', () => fail(new Error('The connection to the bottle ended.')));
    socket.once('error', fail);
    client.connect({ ...connectConfig(socket, options), hostVerifier: pin.verify });
  });
}

function connectConfig(sock: Socket, { identity, user, silenceMs = SILENCE_MS }: SshClientOptions): ConnectConfig {
  return {
    sock,
    username: user,
    privateKey: identity.client.privateKey,
    authHandler: ['publickey'],
    algorithms: { kex: ['curve25519-sha256'], cipher: ['aes128-gcm@openssh.com'], serverHostKey: ['ssh-ed25519'], compress: ['none'] },
    readyTimeout: READY_TIMEOUT_MS,
    keepaliveInterval: Math.ceil(silenceMs / QUESTIONS),
    keepaliveCountMax: QUESTIONS - 1,
  };
}

function pinHostKey({ host }: ChannelIdentity): { readonly verify: (key: Buffer) => boolean; readonly refused: () => boolean } {
  const pinned = Buffer.from(host.publicKey.split(' ')[1] ?? '', 'base64');
  let refused = false;
  return {
    verify: (key) => {
      refused = !key.equals(pinned);
      return !refused;
    },
    refused: () => refused,
  };
}

function explain(error: Error, user: BottleUser, hostKeyRefused: boolean): TerokError {
  if (hostKeyRefused) return channelLost('The SSH server showed another host key than the bottle was given.');
  if ('level' in error && error.level === 'client-authentication') {
    return new TerokError('NOT_FOUND', `The bottle lets no user \`${user}\` in: the image lacks him, or his account is locked.`, {
      context: { kind: 'user', user },
      hint: 'Use an image that terok built, or add the user to the image.',
      cause: error,
    });
  }
  return channelLost(messageOf(error), error);
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
