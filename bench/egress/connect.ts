/** Connections of the client of the egress bench, through a proxy by CONNECT or straight to a port that stands for the server. */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { callbackify } from 'node:util';
import { Pool } from 'undici';

export interface Side {
  readonly port: number;
  /** CA that signs what the client sees; anything is taken where absent, because some peers make their own */
  readonly ca?: string;
  /** Name of the server as this side knows it */
  readonly name: string;
  /** Port of the server where the side is a proxy that is asked with CONNECT */
  readonly connectTo?: number;
  readonly headers: Readonly<Record<string, string>>;
}

export function poolOf(side: Side, connections: number, allowH2 = false): Pool {
  return new Pool(`https://${side.name}`, {
    connections,
    allowH2,
    connect: (_options, done) => {
      callbackify(() => connect(side, allowH2 ? ['h2'] : ['http/1.1']))((error, socket) => {
        if (error === null) done(null, socket);
        else done(error, null);
      });
    },
  });
}

export async function connect(side: Side, ALPNProtocols: readonly string[] = ['http/1.1']): Promise<tls.TLSSocket> {
  const socket = net.connect({ port: side.port, host: '127.0.0.1', noDelay: true });
  if (side.connectTo !== undefined) {
    socket.write(`CONNECT ${side.name}:${side.connectTo} HTTP/1.1\r\nHost: ${side.name}:${side.connectTo}\r\n\r\n`);
    await tunnelOpened(socket);
  }
  const trust = side.ca === undefined ? { rejectUnauthorized: false } : { ca: side.ca };
  const secured = tls.connect({ socket, servername: side.name, ALPNProtocols: [...ALPNProtocols], ...trust });
  await once(secured, 'secureConnect');
  return secured;
}

/** Reads the whole answer to CONNECT: some proxies write its last line on its own, which TLS must not see. */
async function tunnelOpened(socket: net.Socket): Promise<void> {
  let head = '';
  while (!head.includes('\r\n\r\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    head += chunk.toString('latin1');
  }
  socket.pause();
  if (!/^HTTP\/1\.[01] 200/.test(head)) throw new Error(`CONNECT was answered with ${head.slice(0, 40)}`);
}
