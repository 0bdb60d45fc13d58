import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { NAME, type Rig } from './egress-harness.ts';

/** One way from a bottle into the gateway. */
export interface Entry {
  readonly way: string;
  /** The bottle speaks TLS */
  readonly secure: boolean;
  /** The first line of a request names the server too */
  readonly isAbsolute?: boolean;
  /** A connection on which the next bytes are a request to `NAME` */
  readonly open: (rig: Rig, protocols?: readonly string[]) => Promise<Duplex>;
}

export const ENTRIES: readonly Entry[] = [
  {
    way: 'transparent TLS',
    secure: true,
    open: async (rig, protocols) => await secured(rig, await dial(await rig.door(NAME, rig.httpsPort)), protocols),
  },
  { way: 'transparent plain', secure: false, open: async (rig) => await dial(await rig.door(NAME, rig.httpPort)) },
  {
    way: 'CONNECT, TLS inside',
    secure: true,
    open: async (rig, protocols) => await secured(rig, await tunnel(rig, rig.httpsPort), protocols),
  },
  { way: 'CONNECT, plain inside', secure: false, open: async (rig) => await tunnel(rig, rig.httpPort) },
  { way: 'absolute form', secure: false, isAbsolute: true, open: async (rig) => await dial(rig.proxyPort) },
];

export const portOf = (rig: Rig, { secure }: Entry): number => (secure ? rig.httpsPort : rig.httpPort);

/** `name:port` of the server, as Host names it. */
export const hostOf = (rig: Rig, entry: Entry): string => `${NAME}:${portOf(rig, entry)}`;

/** What stands in the first line of a request. */
export const targetOf = (rig: Rig, entry: Entry, rest: string): string =>
  entry.isAbsolute === true ? `http://${hostOf(rig, entry)}${rest}` : rest;

/** An HTTP/1.1 client on a connection of its own. */
export async function request(
  rig: Rig,
  entry: Entry,
  { rest = '/', headers, ...options }: { readonly rest?: string } & http.RequestOptions = {},
): Promise<http.ClientRequest> {
  const socket = await entry.open(rig);
  return http.request({
    ...options,
    path: targetOf(rig, entry, rest),
    headers: { host: hostOf(rig, entry), ...(headers as http.OutgoingHttpHeaders) },
    createConnection: () => socket,
  });
}

/** Sends bytes with `HOST` and `TARGET` filled in, and gives all that comes back. */
export async function sendRaw(rig: Rig, entry: Entry, text: string): Promise<string> {
  const socket = await entry.open(rig);
  const chunks: Buffer[] = [];
  const timer = setTimeout(() => socket.destroy(), 5_000);
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => socket.destroy());
  socket.write(Buffer.from(text.replaceAll('TARGET', targetOf(rig, entry, '/')).replaceAll('HOST', hostOf(rig, entry)), 'latin1'));
  await new Promise((resolve) => socket.once('close', resolve));
  clearTimeout(timer);
  return Buffer.concat(chunks).toString('latin1');
}

async function dial(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

async function tunnel(rig: Rig, port: number): Promise<net.Socket> {
  const socket = await dial(rig.proxyPort);
  socket.write(`CONNECT ${NAME}:${port} HTTP/1.1\r\nHost: ${NAME}:${port}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (!answer.toString().startsWith('HTTP/1.1 200 ')) throw new Error(answer.toString());
  return socket;
}

async function secured(rig: Rig, socket: net.Socket, protocols: readonly string[] = ['http/1.1']): Promise<tls.TLSSocket> {
  const client = tls.connect({ socket, servername: NAME, ca: rig.ca.certificatePem, ALPNProtocols: [...protocols] });
  await once(client, 'secureConnect');
  return client;
}
