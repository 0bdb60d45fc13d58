/*
 * Every protocol, and every request that is refused for its form, by each way into the gateway: transparent, through CONNECT, and in
 * absolute form.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import { ENTRIES, type Entry, hostOf, portOf, request, sendRaw, targetOf } from './egress-entries.ts';
import { listen, Rig, secureRoute } from './egress-harness.ts';

const PHANTOM = 'terok-phantom-0123456789abcdef';
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.open();
  rig.secrets.set('model', 'sk-real-0123456789-secret');
  await rig.start(() => []);
});
afterAll(async () => await rig[Symbol.asyncDispose]());
beforeEach(() => {
  rig.seen.length = 0;
  rig.handler = (_request, response) => response.end('hello\n');
});

/** The one rule that holds in a test. */
function allow(entry: Entry, more: Partial<Route> = {}): void {
  const plain = entry.secure || more.mode === 'passthrough' ? {} : { plainUpstream: true };
  rig.egress.setPolicy(rig.policy([secureRoute(rig, { ports: [portOf(rig, entry)], ...plain, ...more })]));
}

async function answerTo(sent: http.ClientRequest, body?: Buffer | string): Promise<http.IncomingMessage> {
  const answer = once(sent, 'response') as Promise<[http.IncomingMessage]>;
  sent.end(body);
  return (await answer)[0];
}

describe.each(ENTRIES)('by $way', (entry) => {
  test('a large body passes up and down, whole', async () => {
    allow(entry);
    rig.handler = (_request, response, body) => response.end(body);
    const body = randomBytes(3_000_000);
    const answer = await answerTo(await request(rig, entry, { method: 'PUT' }), body);
    expect((await buffer(answer)).equals(body)).toBe(true);
  });

  test('each event of a stream passes at once', async () => {
    allow(entry);
    let more: (event: string) => void = () => undefined;
    rig.handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      more = (event) => response.write(`data: ${event}\n\n`);
    };
    const sent = await request(rig, entry);
    const answer = await answerTo(sent);
    for (const event of ['one', 'two']) {
      const came = once(answer, 'data');
      more(event);
      expect(String((await came)[0])).toBe(`data: ${event}\n\n`);
    }
    sent.destroy();
  });

  test('a WebSocket carries both directions', async () => {
    allow(entry);
    rig.onUpgrade = (_request, socket, head) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      socket.on('data', (chunk: Buffer) => socket.write(chunk));
      if (head.length > 0) socket.emit('data', head);
    };
    const socket = await entry.open(rig);
    socket.write(`GET ${targetOf(rig, entry, '/ws')} HTTP/1.1\r\nHost: ${hostOf(rig, entry)}\r\n${UPGRADE}\r\n`);
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /);
    socket.write(Buffer.of(0x81, 0x81, 0, 0, 0, 0, 0x78));
    expect((await once(socket, 'data'))[0]).toEqual(Buffer.of(0x81, 0x81, 0, 0, 0, 0, 0x78));
    socket.destroy();
    expect(rig.seen[0]).toMatchObject({ url: '/ws', headers: { upgrade: 'websocket' } });
  });

  test('trailers pass both ways', async () => {
    allow(entry);
    let received: NodeJS.Dict<string> = {};
    rig.handler = (incoming, response) => {
      received = incoming.trailers;
      response.writeHead(200, { trailer: 'x-sum' }).write('body');
      response.addTrailers({ 'x-sum': '42' });
      response.end();
    };
    const sent = await request(rig, entry, { method: 'PUT', headers: { trailer: 'x-up', 'transfer-encoding': 'chunked' } });
    sent.write('x');
    sent.addTrailers({ 'x-up': '7' });
    const answer = await answerTo(sent);
    await text(answer);
    expect([received, answer.trailers]).toEqual([{ 'x-up': '7' }, { 'x-sum': '42' }]);
  });

  test('100 Continue comes after the decision', async () => {
    allow(entry, { methods: ['PUT'] });
    for (const method of ['PUT', 'POST']) {
      const sent = await request(rig, entry, { method, headers: { expect: '100-continue', 'content-length': 5 } });
      let wasTold = false;
      sent.on('continue', () => {
        wasTold = true;
        sent.end('hello');
      });
      sent.flushHeaders();
      const [answer] = (await once(sent, 'response')) as [http.IncomingMessage];
      expect({ method, wasTold, status: answer.statusCode }).toEqual(
        method === 'PUT' ? { method, wasTold: true, status: 200 } : { method, wasTold: false, status: 403 },
      );
      sent.destroy();
    }
    expect(rig.seen.map(({ body }) => body.toString())).toEqual(['hello']);
  });

  test('a redirect is passed on and not followed', async () => {
    allow(entry);
    rig.handler = (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    const answer = await answerTo(await request(rig, entry));
    answer.resume();
    expect([answer.statusCode, answer.headers.location, rig.seen.length]).toEqual([302, 'http://169.254.169.254/', 1]);
  });

  test('an encoding that nobody knows is refused where a credential is added', async () => {
    allow(entry, { inject: { secret: 'model', header: 'x-api-key', phantom: PHANTOM } });
    const post = async (encoding: Record<string, string>): Promise<number | undefined> => {
      const answer = await answerTo(await request(rig, entry, { method: 'POST', headers: { 'x-api-key': PHANTOM, ...encoding } }), 'x');
      answer.resume();
      return answer.statusCode;
    };
    expect([await post({}), await post({ 'content-encoding': 'x-my-own' })]).toEqual([200, 415]);
    expect(rig.seen.map(({ headers }) => headers['x-api-key'])).toEqual(['sk-real-0123456789-secret']);
  });
});

describe.each(ENTRIES.filter(({ secure }) => secure))('HTTP/2 by $way', (entry) => {
  test('each stream is judged by itself; heads that are too large, other names and tunnels are refused', async () => {
    allow(entry, { paths: ['/v1'] });
    const socket = await entry.open(rig, ['h2']);
    const session = http2.connect(`https://${hostOf(rig, entry)}`, { createConnection: () => socket });
    const status = async (headers: http2.OutgoingHttpHeaders): Promise<unknown> => {
      const stream = session.request({ ':path': '/v1', ...headers });
      stream.on('error', () => stream.close());
      const [answer] = (await Promise.race([once(stream, 'response'), once(stream, 'close')])) as [http2.IncomingHttpHeaders?];
      stream.resume();
      return answer?.[':status'];
    };
    expect(
      await Promise.all([
        status({}),
        status({ ':path': '/v2' }),
        status({ ':authority': 'other.example' }),
        status({ host: 'other.example' }),
        status({ ':method': 'CONNECT', ':path': undefined, ':authority': 'other.example:443' }),
      ]),
    ).toEqual([200, 403, 421, 421, 403]);
    expect(await status({ 'x-a': 'a'.repeat(100_000) }).catch(() => undefined)).not.toBe(200);
    session.destroy();
    expect(rig.seen.map(({ url }) => url)).toEqual(['/v1']);
  });
});

describe.each(ENTRIES.filter(({ secure }) => secure))('gRPC by $way', (entry) => {
  test('a call gets its answer and its status, and another method of the service a refusal', async () => {
    allow(entry, { methods: ['POST'], paths: ['/test.Echo/One'] });
    rig.handler = (_request, response, body) => {
      response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status' }).write(body);
      response.addTrailers({ 'grpc-status': '0' });
      response.end();
    };
    const socket = await entry.open(rig, ['h2']);
    const session = http2.connect(`https://${hostOf(rig, entry)}`, { createConnection: () => socket });
    const call = async (path: string): Promise<readonly unknown[]> => {
      const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
      const fields: http2.IncomingHttpHeaders = {};
      for (const event of ['response', 'trailers']) stream.on(event, (more: object) => Object.assign(fields, more));
      stream.end('frame');
      const body = await text(stream);
      return [fields['grpc-status'], body];
    };
    expect(await call('/test.Echo/One')).toEqual(['0', 'frame']);
    expect(await call('/test.Echo/Two')).toEqual(['7', '']);
    session.destroy();
  });
});

test.each(ENTRIES.filter(({ secure, isAbsolute }) => !secure && isAbsolute !== true))(
  'a protocol of its own is joined by name and port by $way',
  async (entry) => {
    const greets = (socket: net.Socket): void => {
      socket.write('SSH-2.0-server\r\n');
      socket.on('data', (chunk: Buffer) => socket.end(chunk));
    };
    const port = await listen(rig.track(net.createServer(greets)));
    const before = rig.httpPort;
    rig.httpPort = port;
    try {
      allow(entry, { mode: 'passthrough' });
      const socket = await entry.open(rig);
      expect(String((await once(socket, 'data'))[0])).toBe('SSH-2.0-server\r\n');
      socket.write('SSH-2.0-client\r\n');
      expect(String((await once(socket, 'data'))[0])).toBe('SSH-2.0-client\r\n');
    } finally {
      rig.httpPort = before;
    }
  },
);

/** First line and fields; `TARGET` and `HOST` are what the way in needs. */
const FRAMINGS: Readonly<Record<string, string>> = {
  'two content lengths': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
  'two equal content lengths': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
  'a list of content lengths': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3, 3\r\n\r\nabc',
  'length and chunks': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'chunks and length': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n',
  'an obscured encoding': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'a stack of encodings': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  'a space before the colon': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length : 3\r\n\r\nabc',
  'a folded field': 'GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n',
  'two hosts': 'GET TARGET HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n',
  'no host': 'GET TARGET HTTP/1.1\r\n\r\n',
  'another host in the first line': 'GET http://other.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n',
  'a negative length': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n',
  'a hexadecimal length': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x3\r\n\r\nabc',
  'chunks in HTTP/1.0': 'POST TARGET HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'an upgrade to h2c':
    'GET TARGET HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
  'HTTP/2 without TLS': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a tunnel': 'CONNECT other.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n',
  TRACE: 'TRACE TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n',
  'HTTP/0.9': 'GET TARGET\r\n\r\n',
  'bare line feeds': 'POST TARGET HTTP/1.1\nHost: HOST\nContent-Length: 3\n\nabc',
  'a bare line feed after a field': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nX: a\nContent-Length: 3\r\n\r\nabc',
  'a bare return in a field': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nX: a\rContent-Length: 3\r\n\r\nabc',
  'a NUL in a field': 'GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n',
  'another method in a header': 'POST TARGET HTTP/1.1\r\nHost: HOST\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n',
  'another method in the query': 'POST TARGET?_method=DELETE HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n',
};

describe.each(ENTRIES)('refused by $way:', (entry) => {
  test('not a plain request, so the refusals are not of the rig', async () => {
    allow(entry, { methods: ['GET', 'POST'] });
    const chunks = 'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    expect(await sendRaw(rig, entry, `POST TARGET HTTP/1.1\r\nHost: HOST\r\n${chunks}`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(rig.seen[0]).toMatchObject({ url: '/', body: Buffer.from('abc') });
  });

  test.each(Object.entries(FRAMINGS))('%s', async (_what, bytes) => {
    allow(entry, { methods: ['GET', 'POST'] });
    const denials = async (): Promise<number> => (await rig.audit()).filter(({ decision }) => decision === 'deny').length;
    const before = await denials();
    expect(await sendRaw(rig, entry, bytes)).toMatch(/^HTTP\/1\.1 4\d\d [^]*x-terok-refused: /);
    expect(rig.seen).toEqual([]);
    expect(await denials()).toBeGreaterThan(before);
  });
});
