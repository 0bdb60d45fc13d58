/* Clients of a bottle that take their time: each way to hold a connection without asking for anything ends it, and nobody else waits. */
import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NAME, Rig, secureRoute } from './egress-harness.ts';

const head = (port: number): string => `GET /slow HTTP/1.1\r\nHost: ${NAME}:${port}\r\nX: `;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
/** HEADERS of stream 1 that do not end, with the one field `:method: GET` */
const HEADERS = Buffer.from([0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82]);
const PING = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
/** The beginning of a record of TLS that is 16 KiB long */
const RECORD = Buffer.from([23, 3, 3, 0x40, 0]);
const DRIP_MS = 40;

let rig: Rig;

beforeEach(async () => {
  rig = await Rig.open();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const LIMITS = { firstBytesMs: 400, handshakeMs: 400, headMs: 400, idleMs: 400 };

const start = async (): Promise<unknown> =>
  await rig.start((r) => [secureRoute(r, { ports: [r.httpsPort, r.httpPort] })], { clientLimits: LIMITS });

async function door(port: number): Promise<net.Socket> {
  return net.connect(await rig.door(NAME, port), '127.0.0.1');
}

async function secure(protocol: string): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    socket: await door(rig.httpsPort),
    servername: NAME,
    ca: rig.ca.certificatePem,
    ALPNProtocols: [protocol],
  });
  await once(socket, 'secureConnect');
  return socket;
}

async function clientHello(): Promise<Buffer> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = tls.connect({ port: (server.address() as net.AddressInfo).port, host: '127.0.0.1', servername: NAME });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  server.close();
  return bytes;
}

interface SlowClient {
  readonly what: string;
  readonly open: () => Promise<Duplex>;
  /** Said at once */
  readonly first: () => Promise<Buffer | string> | Buffer | string;
  /** Said again and again */
  readonly drip: Buffer | string;
}

const CLIENTS: readonly SlowClient[] = [
  { what: 'the head of a request over TLS', open: () => secure('http/1.1'), first: () => head(rig.httpsPort), drip: 'a' },
  {
    what: 'the head of a second request',
    open: () => secure('http/1.1'),
    first: () => `${head(rig.httpsPort)}a\r\n\r\n${head(rig.httpsPort)}`,
    drip: 'a',
  },
  { what: 'silence after TLS', open: () => secure('http/1.1'), first: () => '', drip: '' },
  { what: 'the head of a plain request', open: () => door(rig.httpPort), first: () => head(rig.httpPort), drip: 'a' },
  { what: 'a CONNECT', open: async () => net.connect(rig.proxyPort, '127.0.0.1'), first: () => 'CONNECT ', drip: 'a' },
  {
    what: 'a head in absolute form',
    open: async () => net.connect(rig.proxyPort, '127.0.0.1'),
    first: () => `GET http://${NAME}/`,
    drip: 'a',
  },
  { what: 'silence at the proxy', open: async () => net.connect(rig.proxyPort, '127.0.0.1'), first: () => '', drip: '' },
  { what: 'silence where HTTP/2 begins', open: () => secure('h2'), first: () => '', drip: '' },
  { what: 'half of the preface of HTTP/2', open: () => secure('h2'), first: () => PREFACE.subarray(0, 10), drip: '' },
  { what: 'the settings of HTTP/2', open: () => secure('h2'), first: () => PREFACE, drip: SETTINGS },
  { what: 'half of a head of HTTP/2', open: () => secure('h2'), first: () => Buffer.concat([PREFACE, SETTINGS, HEADERS]), drip: '' },
  { what: 'pings alone', open: () => secure('h2'), first: () => Buffer.concat([PREFACE, SETTINGS]), drip: PING },
  {
    what: 'the hello of TLS',
    open: () => door(rig.httpsPort),
    first: async () => (await clientHello()).subarray(0, 50),
    drip: '',
  },
  {
    what: 'a TLS handshake after its hello',
    open: () => door(rig.httpsPort),
    first: async () => Buffer.concat([await clientHello(), RECORD]),
    drip: '\0',
  },
];

/** Opens the connection and says what it has to say; the function returned ends that. */
async function drip({ open, first, drip: bytes }: SlowClient): Promise<readonly [Duplex, () => void]> {
  const socket = await open();
  socket.on('error', () => undefined).resume();
  socket.write(await first());
  const timer = setInterval(() => {
    if (!socket.destroyed && !socket.writableEnded && bytes.length > 0) socket.write(bytes);
  }, DRIP_MS);
  return [
    socket,
    () => {
      clearInterval(timer);
      socket.destroy();
    },
  ];
}

describe.each(CLIENTS)('a slow client: $what', (client) => {
  test('is ended, and holds nobody up', async () => {
    await start();
    const [socket, stop] = await drip(client);
    try {
      expect((await rig.curl(`https://${NAME}:${rig.httpsPort}/good`)).status).toBe(200);
      await expect.poll(() => socket.closed || socket.destroyed, { timeout: 10_000 }).toBe(true);
    } finally {
      stop();
    }
  });
});

test('a client that waits for an answer, or sends a body slowly, is not ended', async () => {
  await start();
  rig.handler = (_request, response) => void setTimeout(() => response.end('late\n'), 1_500);
  for (const version of ['--http1.1', '--http2'])
    expect(await rig.curl(`https://${NAME}:${rig.httpsPort}/late`, version)).toMatchObject({ status: 200, text: 'late\n' });
  const socket = await secure('http/1.1');
  socket.write(`POST /body HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nContent-Length: 30\r\n\r\n`);
  const answered = once(socket, 'data');
  for (let sent = 0; sent < 30; sent += 1) {
    await sleep(50);
    socket.write('a');
  }
  const [answer] = (await answered) as [Buffer];
  socket.destroy();
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
});

test('a WebSocket that says nothing is not ended', async () => {
  await start();
  rig.onUpgrade = (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  };
  const socket = await secure('http/1.1');
  const key = Buffer.alloc(16).toString('base64');
  const fields = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}`;
  socket.write(`GET /chat HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\n${fields}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 101 /);
  await sleep(1_500);
  const frame = Buffer.from([0x82, 0x81, 0, 0, 0, 0, 65]);
  socket.write(frame);
  expect((await once(socket, 'data'))[0]).toEqual(frame);
  socket.destroy();
});
