/* Servers that speak HTTP/2 and misbehave: what they began ends with an error of the client's protocol, and everything else goes on. */
import http2 from 'node:http2';
import type { TLSSocket } from 'node:tls';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LOOPBACK, listen, NAME, Rig, secureRoute, serverCertificate } from './egress-harness.ts';

let rig: Rig;
let port: number;
let rawPort: number;
let serve: (stream: http2.ServerHttp2Stream) => void;
let serveRaw: (socket: TLSSocket, streamId: number) => void;

beforeAll(async () => {
  rig = await Rig.open();
  const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
  const server = rig.track(http2.createSecureServer({ cert, key }));
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => stream.destroy());
    serve(stream);
  });
  server.on('sessionError', () => undefined);
  port = await listen(server);
  rawPort = await listen(
    rig.track(
      tls.createServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => {
        socket.on('error', () => socket.destroy());
        socket.write(frame(SETTINGS, 0, 0));
        onRequests(socket, (streamId) => serveRaw(socket, streamId));
      }),
    ),
  );
  await rig.start((r) => [secureRoute(r, { ports: [port, rawPort, r.httpsPort], privateNetworks: LOOPBACK })]);
});
afterAll(async () => await rig[Symbol.asyncDispose]());

const ask = (version: string, to = port, ...args: string[]) => rig.curl(`https://${NAME}:${to}/`, version, '--max-time', '4', ...args);
const good = async (): Promise<number> => (await rig.curl(`https://${NAME}:${rig.httpsPort}/`)).status;
/** Exit codes of curl that say: what came is not all, or came to an end that it should not have. */
const CUT = [18, 52, 55, 56, 92];
const begin = (stream: http2.ServerHttp2Stream, more: http2.OutgoingHttpHeaders = {}): void => {
  stream.respond({ ':status': 200, ...more });
  stream.write('some');
};
const later = (work: () => void): void => void setTimeout(work, 50);

/** Frames of HTTP/2 by hand. */
function frame(type: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const CONTINUATION = 9;
const END_HEADERS = 4;
const PREFACE_BYTES = 24;

/** Calls with the stream of each request. */
function onRequests(socket: TLSSocket, call: (streamId: number) => void): void {
  let bytes = Buffer.alloc(0);
  let at = PREFACE_BYTES;
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) if (bytes[at + 3] === HEADERS) call(bytes.readUInt32BE(at + 5));
  });
}

describe.each(['--http1.1', '--http2'])('a server of HTTP/2 (client %s)', (version) => {
  test('that sends all it promised is no fault: the failures below are not of the rig', async () => {
    serve = (stream) => {
      stream.respond({ ':status': 200, 'content-length': 5 });
      stream.end('hello');
    };
    expect(await ask(version)).toMatchObject({ exitCode: 0, status: 200, text: 'hello' });
  });

  test.each([204, 200])('that answers with a head alone, %i, is no fault either', async (status) => {
    serve = (stream) => stream.respond({ ':status': status }, { endStream: true });
    expect(await ask(version)).toMatchObject({ exitCode: 0, status, text: '' });
    expect(await ask(version, port, '--head')).toMatchObject({ exitCode: 0, status });
  });

  test.each<[string, (stream: http2.ServerHttp2Stream) => void]>([
    [
      'breaks the connection in the middle of a body',
      (stream) => {
        begin(stream);
        later(() => stream.session?.destroy());
      },
    ],
    [
      'promises more than it sends',
      (stream) => {
        begin(stream, { 'content-length': 100 });
        stream.end();
      },
    ],
    [
      'sends more than it promised',
      (stream) => {
        begin(stream, { 'content-length': 2 });
        stream.end('more');
      },
    ],
  ])('that %s', async (_what, answer) => {
    serve = answer;
    const result = await ask(version);
    // Where nothing of the answer was passed on yet, the failure has an answer of its own
    expect(result.exitCode === 0 ? result.status : CUT.includes(result.exitCode ?? -1)).toBeOneOf([true, 502]);
    await expect.poll(() => rig.audit()).toContainEqual(expect.objectContaining({ decision: 'deny', reason: 'upstream-failed', port }));
    expect(await good()).toBe(200);
  });

  test.each([
    ['NO_ERROR', 0],
    ['INTERNAL_ERROR', 2],
    ['CANCEL', 8],
  ])('that resets the stream in the middle of a body, with %s', async (_name, code) => {
    serveRaw = (socket, streamId) => {
      socket.write(Buffer.concat([frame(HEADERS, END_HEADERS, streamId, Buffer.of(0x88)), frame(DATA, 0, streamId, Buffer.from('some'))]));
      later(() => socket.write(frame(RST_STREAM, 0, streamId, Buffer.of(0, 0, 0, code))));
    };
    expect(await ask(version, rawPort)).toMatchObject({ text: 'some', exitCode: expect.toSatisfy((exit) => CUT.includes(exit)) });
    expect(await good()).toBe(200);
  });

  test('that resets a stream before it answers', async () => {
    serve = (stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    expect(await ask(version)).toMatchObject({ status: 502, text: expect.stringContaining('upstream-failed') });
  });

  test('that says goodbye ends what it began, and the next request gets a connection of its own', async () => {
    serve = (stream) => {
      begin(stream);
      stream.session?.goaway();
      later(() => stream.end(' and the rest'));
    };
    for (let count = 0; count < 2; count += 1) expect(await ask(version)).toMatchObject({ status: 200, text: 'some and the rest' });
  });

  test('that never ends its head is cut off soon, in bounded memory', async () => {
    let sent = 0;
    serveRaw = (socket, streamId) => {
      socket.write(frame(HEADERS, 0, streamId, Buffer.of(0x88)));
      const piece = frame(CONTINUATION, 0, streamId, Buffer.concat([Buffer.of(0, 1, 0x78, 0x7f, 0xff, 0x7d), Buffer.alloc(16_000, 0x61)]));
      const push = (): void => {
        while (!socket.destroyed && sent < 1 << 30) {
          sent += piece.length;
          if (!socket.write(piece)) return void socket.once('drain', push);
        }
      };
      push();
    };
    expect(await ask(version, rawPort)).toMatchObject({ status: 502, text: expect.stringContaining('upstream-failed') });
    expect(sent).toBeLessThan(16 * 1024 * 1024);
    expect(await good()).toBe(200);
  });

  test('that sends what is no HTTP/2', async () => {
    serveRaw = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello');
    expect(await ask(version, rawPort)).toMatchObject({ status: 502, text: expect.stringContaining('upstream-failed') });
  });

  test('that never answers holds nobody else up, and is left when the client leaves', async () => {
    const left = new Promise<void>((resolve) => {
      serve = (stream) => stream.once('close', () => resolve());
    });
    const waiting = ask(version, port, '--max-time', '1');
    expect(await good()).toBe(200);
    expect((await waiting).exitCode).toBe(28);
    await left;
  });
});
