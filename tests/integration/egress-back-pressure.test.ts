/* Who does not read holds the other side back, in both directions and by every protocol: nothing piles up in the gateway. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import type { Writable } from 'node:stream';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import { LOOPBACK, listen, NAME, Rig, secureRoute, serverCertificate } from './egress-harness.ts';

const CHUNK = Buffer.alloc(256 * 1024, 'x');
/** What is written where nobody holds the writer back */
const ALL = 400;
/** Buffers of the kernel, windows of HTTP/2 and streams on the way; the gateway must not add its memory to them */
const MOST = 100;

let rig: Rig;
let port: number;

beforeEach(async () => {
  rig = await Rig.open();
});
afterEach(async () => await rig[Symbol.asyncDispose]());

/** Writes until it is held back for a while; gives how many chunks went. */
async function writeUntilHeld(to: Writable, wrap = (chunk: Buffer): Buffer => chunk): Promise<number> {
  let sent = 0;
  while (sent < ALL && !to.destroyed) {
    sent += 1;
    if (to.write(wrap(CHUNK))) continue;
    const wasHeld = await Promise.race([once(to, 'drain').then(() => false), new Promise((resolve) => setTimeout(resolve, 400, true))]);
    if (wasHeld === true) break;
  }
  return sent;
}

async function startWith(server: net.Server, more: Partial<Route> = {}): Promise<void> {
  port = await listen(rig.track(server));
  await rig.start((r) => [secureRoute(r, { ports: [port], privateNetworks: LOOPBACK, ...more })]);
}

async function connect(protocols: readonly string[] = ['http/1.1']): Promise<tls.TLSSocket> {
  const options = { host: '127.0.0.1', port: await rig.door(NAME, port), servername: NAME, ca: rig.ca.certificatePem };
  const socket = tls.connect({ ...options, ALPNProtocols: [...protocols] });
  socket.on('error', () => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

async function http2Client(): Promise<http2.ClientHttp2Session> {
  const socket = await connect(['h2']);
  const session = http2.connect(`https://${NAME}:${port}`, { createConnection: () => socket });
  return session.on('error', () => undefined);
}

/** Takes a connection or the body of a request and reads nothing of it. */
const neverReads = (socket: net.Socket): void => void socket.once('data', () => socket.pause());

/** Takes HTTP of both versions; what answers is called with the head alone. */
async function secureServer(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<net.Server> {
  const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
  const server: NodeJS.EventEmitter = http2.createSecureServer({ cert, key });
  return server.on('request', answer).on('sessionError', () => undefined) as unknown as net.Server;
}

describe('an upload to a server that does not read', () => {
  const head = (): string => `POST / HTTP/1.1\r\nHost: ${NAME}:${port}\r\nContent-Length: ${ALL * CHUNK.length}\r\n\r\n`;

  test.each([false, true])('over HTTP/1.1 is held back (searched for secrets: %s)', async (isSearched) => {
    if (isSearched) rig.watched = [{ kind: 'secret', name: 'bank', value: 'vault-value/0123456789' }];
    await startWith(net.createServer(neverReads), { plainUpstream: true });
    const socket = await connect();
    socket.write(head());
    expect(await writeUntilHeld(socket)).toBeLessThan(MOST);
    socket.destroy();
  });

  test('over HTTP/2 on both sides is held back', async () => {
    await startWith(await secureServer((request) => request.pause()));
    const session = await http2Client();
    const stream = session.request({ ':method': 'POST', ':authority': `${NAME}:${port}` });
    stream.on('error', () => undefined);
    expect(await writeUntilHeld(stream)).toBeLessThan(MOST);
    session.destroy();
  });

  test('over a WebSocket is held back', async () => {
    const server = net.createServer((socket) => {
      socket.once('data', () => {
        socket.pause();
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      });
    });
    await startWith(server, { plainUpstream: true });
    const socket = await connect();
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==';
    socket.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${port}\r\n${upgrade}\r\n\r\n`);
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /);
    const frame = (chunk: Buffer): Buffer => {
      const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      head.writeUInt32BE(chunk.length, 6);
      return Buffer.concat([head, chunk]);
    };
    expect(await writeUntilHeld(socket, frame)).toBeLessThan(MOST);
    socket.destroy();
  });

  test('that is passed through is held back', async () => {
    await startWith(net.createServer(neverReads), { mode: 'passthrough' });
    const socket = net.connect(await rig.door(NAME, port), '127.0.0.1');
    socket.on('error', () => socket.destroy());
    expect(await writeUntilHeld(socket)).toBeLessThan(MOST);
    socket.destroy();
  });
});

test('a body that is searched goes on while it comes, in bounded memory', async () => {
  rig.watched = [{ kind: 'secret', name: 'bank', value: 'vault-value/0123456789' }];
  let received = 0;
  await startWith(
    net.createServer((socket) => socket.on('data', (chunk) => (received += chunk.length))),
    { plainUpstream: true },
  );
  const socket = await connect();
  socket.write(`POST / HTTP/1.1\r\nHost: ${NAME}:${port}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const framed = Buffer.concat([Buffer.from(`${CHUNK.length.toString(16)}\r\n`), CHUNK, Buffer.from('\r\n')]);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let count = 0; count < ALL; count += 1) {
    if (!socket.write(framed)) await once(socket, 'drain');
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  await expect.poll(() => received, { timeout: 20_000 }).toBeGreaterThan(ALL * CHUNK.length);
  expect(most).toBeLessThan(60 * 1024 * 1024);
  socket.destroy();
});

describe('a download to a client that does not read', () => {
  let sent: Promise<number>;
  const answer = (_request: unknown, response: ServerResponse): void => {
    response.writeHead(200);
    sent = writeUntilHeld(response);
  };

  test.each([false, true])('over HTTP/2 on both sides is held back (searched for the credential: %s)', async (isSearched) => {
    rig.secrets.set('model', 'sk-real-0123456789-secret');
    const inject = { secret: 'model', header: 'x-api-key', phantom: 'terok-phantom-0123456789abcdef' };
    await startWith(await secureServer(answer), isSearched ? { inject } : {});
    const session = await http2Client();
    const stream = session.request({ ':authority': `${NAME}:${port}`, 'x-api-key': inject.phantom });
    stream.on('error', () => undefined).pause();
    await once(stream, 'response');
    expect(await sent).toBeLessThan(MOST);
    session.destroy();
  });

  test('that is passed through is held back', async () => {
    await startWith(
      net.createServer((socket) => {
        socket.on('error', () => socket.destroy());
        sent = writeUntilHeld(socket);
      }),
      { mode: 'passthrough' },
    );
    const socket = net.connect(await rig.door(NAME, port), '127.0.0.1');
    await once(socket, 'readable');
    expect(await sent).toBeLessThan(MOST);
    socket.destroy();
  });
});

test('who is held back by nobody writes all: the limits above are not of the rig', async () => {
  await startWith(
    net.createServer((socket) => socket.resume()),
    { mode: 'passthrough' },
  );
  const socket = net.connect(await rig.door(NAME, port), '127.0.0.1');
  expect(await writeUntilHeld(socket)).toBe(ALL);
  socket.destroy();
});
