/* Servers, clients and clocks that misbehave: what is broken ends, with a reason where one can be given, and everything else goes on. */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LOOPBACK, listen, NAME, Rig, secureRoute } from './egress-harness.ts';

let rig: Rig;
let answer: (socket: net.Socket) => void;
let port: number;

beforeEach(async () => {
  rig = await Rig.open();
  const server = rig.track(net.createServer((socket) => socket.once('data', () => answer(socket))));
  port = await listen(server);
  await rig.start((r) => [
    secureRoute(r),
    secureRoute(r, { name: 'raw', hosts: ['raw.test.example'], ports: [port], plainUpstream: true, privateNetworks: LOOPBACK }),
  ]);
});
afterEach(async () => {
  vi.useRealTimers();
  await rig[Symbol.asyncDispose]();
});

const raw = (rest = '/'): string => `https://raw.test.example:${port}${rest}`;
const head = (...lines: string[]): string => `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const good = async (): Promise<number> => (await rig.curl(`https://${NAME}:${rig.httpsPort}/`)).status;

/** Exit codes of curl that say: what came is not all, or came to an end that it should not have. */
const CUT = [18, 52, 55, 56, 92];

describe.each(['--http1.1', '--http2'])('a server (client %s)', (version) => {
  test('that sends all it promised is no fault: the failures below are not of the rig', async () => {
    answer = (socket) => socket.end(`${head('content-length: 5')}hello`);
    expect(await rig.curl(raw(), version)).toMatchObject({ exitCode: 0, status: 200, text: 'hello' });
  });

  test('that resets in the middle of a body', async () => {
    answer = (socket) => socket.write(`${head('content-length: 100000')}some`, () => setTimeout(() => socket.resetAndDestroy(), 50));
    const result = await rig.curl(raw(), version);
    expect(CUT).toContain(result.exitCode);
    await expect.poll(() => rig.audit()).toContainEqual(expect.objectContaining({ decision: 'deny', reason: 'upstream-failed' }));
    expect(await good()).toBe(200);
  });

  test('that promises more than it sends', async () => {
    answer = (socket) => socket.end(`${head('content-length: 100')}short`);
    expect(CUT).toContain((await rig.curl(raw(), version)).exitCode);
    answer = (socket) => socket.end(`${head('transfer-encoding: chunked')}5\r\nhel`);
    expect(CUT).toContain((await rig.curl(raw(), version)).exitCode);
  });

  test('that sends more than it promised: the rest is no answer to anybody', async () => {
    answer = (socket) => socket.write(`${head('content-length: 5')}helloHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`);
    expect(await rig.curl(raw('/1'), version)).toMatchObject({ text: 'hello' });
    answer = (socket) => socket.end(`${head('content-length: 4')}next`);
    expect(await rig.curl(raw('/2'), version)).toMatchObject({ text: 'next' });
  });

  test.each([
    ['two lengths', head('content-length: 5', 'content-length: 6')],
    ['a length and chunks', head('content-length: 5', 'transfer-encoding: chunked')],
    ['what is no HTTP', 'SSH-2.0-server\r\n'],
    ['a NUL in a field', head('x-a: a\0b', 'content-length: 5')],
  ])('that answers with %s', async (_what, text) => {
    answer = (socket) => socket.end(`${text}hello`);
    const result = await rig.curl(raw(), version);
    expect(result).toMatchObject({ status: 502, text: expect.stringContaining('upstream-failed') });
  });

  test('that never ends its head is cut off soon, in bounded memory', async () => {
    let sent = 0;
    const line = `x-a: ${'a'.repeat(8_000)}\r\n`;
    answer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const push = (): void => {
        while (!socket.destroyed && sent < 1 << 30) {
          sent += line.length;
          if (!socket.write(line)) return void socket.once('drain', push);
        }
      };
      push();
    };
    expect(await rig.curl(raw(), version)).toMatchObject({ status: 502, text: expect.stringContaining('upstream-failed') });
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  test('that never answers holds nobody else up, and is left when the client leaves', async () => {
    const closed = new Promise<void>((resolve) => {
      answer = (socket) => socket.on('close', () => resolve());
    });
    const waiting = rig.curl(raw(), version, '--max-time', '2');
    expect(await good()).toBe(200);
    expect((await waiting).exitCode).toBe(28);
    await closed;
  });
});

describe('clients', () => {
  test('that send a head byte by byte hold nobody up', async () => {
    const door = await rig.door(NAME, rig.httpsPort);
    const slow = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const socket = tls.connect({ host: '127.0.0.1', port: door, servername: NAME, ca: rig.ca.certificatePem });
        socket.on('error', () => undefined);
        await once(socket, 'secureConnect');
        return socket;
      }),
    );
    let at = 0;
    const text = `GET / HTTP/1.1\r\nHost: ${NAME}\r\nX: ${'a'.repeat(10_000)}`;
    const timer = setInterval(() => {
      for (const socket of slow) if (!socket.destroyed) socket.write(text[at] ?? 'a');
      at += 1;
    }, 20);
    try {
      for (let count = 0; count < 5; count += 1) expect(await good()).toBe(200);
    } finally {
      clearInterval(timer);
      for (const socket of slow) socket.destroy();
    }
    expect(rig.seen).toHaveLength(5);
  });

  test('that open ten thousand connections get as many as are allowed, and a reset for the rest', async () => {
    const door = await rig.door(NAME, rig.httpsPort);
    const sockets: net.Socket[] = [];
    for (let batch = 0; batch < 100; batch += 1) {
      const opened = Array.from({ length: 100 }, () => net.connect(door, '127.0.0.1').on('error', () => undefined));
      sockets.push(...opened);
      await Promise.all(opened.map((socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))));
    }
    const left = (): number => sockets.filter((socket) => !socket.destroyed).length;
    await expect.poll(left, { timeout: 20_000 }).toBeLessThanOrEqual(2_048);
    expect(await rig.audit()).toContainEqual(expect.objectContaining({ reason: 'too-many-connections' }));
    for (const socket of sockets) socket.destroy();
    await expect.poll(good, { timeout: 10_000 }).toBe(200);
  }, 120_000);
});

test('after a jump of the clock, either way, a certificate is one of today', async () => {
  const doorPort = await rig.door(NAME, rig.httpsPort);
  const validity = async (): Promise<{ readonly from: number; readonly to: number }> => {
    const socket = tls.connect({ host: '127.0.0.1', port: doorPort, servername: NAME, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    return { from: Date.parse(certificate?.validFrom ?? ''), to: Date.parse(certificate?.validTo ?? '') };
  };
  vi.useFakeTimers({ toFake: ['Date'] });
  const start = Date.now();
  for (const days of [0, 200, -3, 0]) {
    vi.setSystemTime(start + days * 86_400_000);
    const { from, to } = await validity();
    expect(from).toBeLessThan(Date.now());
    expect(to).toBeGreaterThan(Date.now());
  }
});
