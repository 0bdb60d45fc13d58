/** Ways to try to reach somebody. It stands alone: nothing but Node is where it runs. */
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

interface Dial {
  readonly host: string;
  readonly port: number;
  /** Asks the explicit proxy for a tunnel to this `name:port` first */
  readonly tunnel?: string;
  /** TLS with this server name; `''` sends none */
  readonly tls?: { readonly serverName: string; readonly anyCertificate?: boolean };
}

export type Step =
  /** Sends bytes (latin1) in parts and reads until the end or a silence */
  | (Dial & { readonly kind: 'tcp'; readonly send?: string | readonly string[] })
  | { readonly kind: 'udp'; readonly host: string; readonly port: number; readonly sendHex: string };

export interface Outcome {
  /** Something came back, or the connection (with TLS, if it was asked for) was made */
  readonly reached: boolean;
  /** What came back, as latin1; for UDP as hexadecimal digits */
  readonly text: string;
  readonly error?: string;
}

const SILENCE_MS = 700;
const PART_MS = 20;

export async function runStep(step: Step): Promise<Outcome> {
  try {
    return step.kind === 'udp' ? await exchangeDatagram(step) : await exchange(step);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { reached: false, text: '', error: code ?? message };
  }
}

async function exchange(step: Step & { readonly kind: 'tcp' }): Promise<Outcome> {
  const socket = await dial(step);
  try {
    const received = readToSilence(socket);
    for (const part of [step.send ?? []].flat()) {
      socket.write(Buffer.from(part, 'latin1'));
      await new Promise((resolve) => setTimeout(resolve, PART_MS));
    }
    return await received;
  } finally {
    socket.destroy();
  }
}

async function dial({ host, port, tunnel, tls }: Dial): Promise<Socket> {
  const socket = await opened(connect({ host, port }), 'connect');
  if (tunnel !== undefined) {
    socket.write(`CONNECT ${tunnel} HTTP/1.1\r\nHost: ${tunnel}\r\n\r\n`);
    const head = await firstChunk(socket);
    if (!head.startsWith('HTTP/1.1 200')) throw new Error(head.split('\r\n\r\n')[0] ?? 'no answer');
  }
  if (tls === undefined) return socket;
  const name = tls.serverName === '' ? {} : { servername: tls.serverName };
  const trust = tls.anyCertificate === true ? { rejectUnauthorized: false } : { checkServerIdentity: () => undefined };
  return await opened(connectTls({ socket, ...name, ...trust }), 'secureConnect');
}

function opened<S extends Socket>(socket: S, event: string): Promise<S> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), 4 * SILENCE_MS);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', fail).once('close', () => fail(new Error('closed')));
    socket.once(event, () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

function firstChunk(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')));
    socket.once('error', reject).once('close', () => reject(new Error('closed')));
  });
}

function readToSilence(socket: Socket): Promise<Outcome> {
  return new Promise((resolve) => {
    let text = '';
    const done = (error?: string): void => resolve({ reached: true, text, ...(error === undefined ? {} : { error }) });
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.once('close', () => done());
    socket.setTimeout(SILENCE_MS, () => done());
  });
}

function exchangeDatagram({ host, port, sendHex }: Step & { readonly kind: 'udp' }): Promise<Outcome> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise<Outcome>((resolve, reject) => {
    setTimeout(() => resolve({ reached: false, text: '', error: 'no answer' }), SILENCE_MS).unref();
    socket.once('message', (message) => resolve({ reached: true, text: message.toString('hex') })).once('error', reject);
    socket.send(Buffer.from(sendHex, 'hex'), port, host, (error) => {
      if (error !== null) reject(error);
    });
  }).finally(() => socket.close());
}
