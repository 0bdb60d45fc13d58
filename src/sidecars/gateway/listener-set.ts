/*
 * Scope: the listening sockets of one sealed network, made inside the bottle's namespace by this process, or by a short-lived helper.
 * Out of scope: what is done with a connection. Fail-safe direction: a socket that cannot be opened fails the whole set; what is
 * not open is unreachable for the bottle.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { createServer, Server, type Socket } from 'node:net';
import { ownFile } from '../../core/own-file.ts';
import { patient } from '../../core/patience.ts';
import { isAlive, type ProcessIdentity } from '../../core/process-identity.ts';
import { type HelperMessage, type ListenerSpec, specKey } from './listener-spec.ts';
import { type BoundSocket, bindInNamespace } from './namespace-sockets.ts';

/** A helper needs some tens of milliseconds; this long means that it hangs. */
const HELPER_DEADLINE_MS = patient(10_000);

export interface NamespaceEntrance {
  readonly holder: ProcessIdentity;
  /** Whether a user namespace owns the network namespace, so that the helper must enter that one too */
  readonly rootless: boolean;
}

/** Who takes what arrives; the local address and port of a socket tell which service or name was meant. */
export interface Arrivals {
  onConnection(socket: Socket): void;
  onDatagram(message: Buffer, reply: (answer: Buffer) => void): void;
}

export interface OpenListener {
  readonly spec: ListenerSpec;
  close(): void;
}

/** Opens the sockets in the namespace of the holder, all or none; arrivals are taken from the first moment. */
export async function openListeners(
  entrance: NamespaceEntrance,
  specs: readonly ListenerSpec[],
  arrivals: Arrivals,
): Promise<OpenListener[]> {
  if (specs.length === 0) return [];
  const bound = entrance.rootless ? undefined : bindInNamespace(entrance.holder, specs);
  const helper = bound === undefined ? spawnHelper(entrance, specs) : undefined;
  const opened: OpenListener[] = [];
  try {
    for (const socket of bound ?? []) opened.push(serve(socket.spec, await listen(socket), arrivals));
    if (helper !== undefined) await receiveAll(helper, specs.length, (spec, handle) => opened.push(serve(spec, handle, arrivals)));
    return opened;
  } catch (error) {
    for (const listener of opened) listener.close();
    throw error;
  } finally {
    helper?.kill('SIGKILL');
  }
}

async function listen({ spec, fd }: BoundSocket): Promise<Server | UdpSocket> {
  const socket = spec.protocol === 'tcp' ? createServer() : createSocket('udp4');
  // a datagram socket listens within the call
  const listening = once(socket, 'listening');
  if (socket instanceof Server) socket.listen({ fd });
  else socket.bind({ fd });
  await listening;
  return socket;
}

function receiveAll(helper: ChildProcess, count: number, receive: (spec: ListenerSpec, handle: Server | UdpSocket) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer);
      reject(new Error(`The gateway could not listen inside the bottle's network: ${reason}.`));
    };
    const timer = setTimeout(() => fail(`no answer within ${HELPER_DEADLINE_MS} ms`), HELPER_DEADLINE_MS);
    const stderr = collectStderr(helper);
    let received = 0;
    helper.once('error', (error) => fail(error.message));
    helper.once('close', (code, signal) => fail(`the helper ended with ${signal ?? code}${stderr() === '' ? '' : ` (${stderr()})`}`));
    helper.on('message', (message: HelperMessage, handle) => {
      if (message.kind === 'failed') return fail(message.reason);
      if (!(handle instanceof Server) && !(handle instanceof UdpSocket)) return fail(`no socket came for ${specKey(message.spec)}`);
      receive(message.spec, handle);
      received += 1;
      if (received < count) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

function serve(spec: ListenerSpec, handle: Server | UdpSocket, arrivals: Arrivals): OpenListener {
  if (handle instanceof Server) {
    // Half-closed connections stay open in the other direction
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => arrivals.onConnection(socket)).listen(handle);
    return { spec, close: () => server.close() };
  }
  handle.on('message', (message, from) => arrivals.onDatagram(message, (answer) => handle.send(answer, from.port, from.address)));
  handle.on('error', () => handle.close());
  return { spec, close: () => handle.close() };
}

function spawnHelper({ holder, rootless }: NamespaceEntrance, specs: readonly ListenerSpec[]): ChildProcess {
  const namespace = readlinkSync(`/proc/${holder.pid}/ns/net`);
  if (!isAlive(holder)) throw new Error('The process that holds the network namespace of the bottle is gone.');
  const enter = ['--target', String(holder.pid), '--net', ...(rootless ? ['--user', '--preserve-credentials'] : [])];
  const helper = [
    process.execPath,
    '--max-semi-space-size=1',
    ownFile({ source: 'sidecars/gateway/listener-helper.ts', built: 'listener-helper.js' }),
    String(process.pid),
    namespace,
    JSON.stringify(specs),
  ];
  return spawn('nsenter', [...enter, '--', ...helper], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
}

function collectStderr(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-2_000);
  });
  return () => text.trim();
}
