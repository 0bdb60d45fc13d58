/* Protocols through an inspected route, with real clients and servers: gRPC, HTTP/2 where the server speaks nothing else, trailers. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LOOPBACK, listen, NAME, Rig, secureRoute, serverCertificate } from './egress-harness.ts';

let rig: Rig;

beforeEach(async () => {
  rig = await Rig.open();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const url = (rest = '/'): string => `https://${NAME}:${rig.httpsPort}${rest}`;

async function connect(port: number, ALPNProtocols: string[]): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port: await rig.door(NAME, port),
    servername: NAME,
    ca: rig.ca.certificatePem,
    ALPNProtocols,
  });
  await once(socket, 'secureConnect');
  return socket;
}

describe('gRPC', () => {
  const passed = { requestSerialize: (value: Buffer) => value, requestDeserialize: (value: Buffer) => value };
  const answered = { responseSerialize: (value: Buffer) => value, responseDeserialize: (value: Buffer) => value };
  const method = (name: string, requestStream: boolean, responseStream: boolean) =>
    ({ path: `/test.Echo/${name}`, requestStream, responseStream, ...passed, ...answered }) as const;
  const service = { one: method('One', false, false), talk: method('Talk', true, true), fail: method('Fail', false, false) };
  let server: grpc.Server;
  let port: number;
  let client: grpc.Client;

  beforeEach(async () => {
    const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
    server = new grpc.Server();
    server.addService(service, {
      one: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        const trailer = new grpc.Metadata();
        trailer.set('x-sum', String(call.request.length));
        trailer.set('x-token', String(call.metadata.get('x-token')[0] ?? ''));
        done(null, call.request, trailer);
      },
      talk: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (message: Buffer) => call.write(Buffer.concat([Buffer.from('echo '), message])));
        call.on('end', () => call.end());
      },
      fail: (_call: unknown, done: grpc.sendUnaryData<Buffer>) => done({ code: grpc.status.NOT_FOUND, details: 'nothing there' }),
    });
    const credentials = grpc.ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }]);
    port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
    );
    await rig.start((r) => [secureRoute(r, { ports: [port], methods: ['POST'], paths: ['/test.Echo'] })]);
    client = new grpc.Client(`127.0.0.1:${await rig.door(NAME, port)}`, grpc.credentials.createSsl(Buffer.from(rig.ca.certificatePem)), {
      'grpc.ssl_target_name_override': NAME,
      'grpc.default_authority': `${NAME}:${port}`,
    });
  });
  afterEach(() => {
    client.close();
    server.forceShutdown();
  });

  const identity = (value: Buffer): Buffer => value;

  test('a call, its metadata and its trailers pass', async () => {
    const metadata = new grpc.Metadata();
    metadata.set('x-token', 'mine');
    const message = randomBytes(300_000);
    const { reply, trailer } = await new Promise<{ reply: Buffer | undefined; trailer: grpc.Metadata }>((resolve, reject) => {
      let reply: Buffer | undefined;
      const call = client.makeUnaryRequest('/test.Echo/One', identity, identity, message, metadata, (error, value) => {
        if (error !== null) reject(error);
        reply = value;
      });
      call.on('status', ({ metadata: trailer }) => resolve({ reply, trailer }));
    });
    expect(reply?.equals(message)).toBe(true);
    expect(trailer.get('x-sum')).toEqual(['300000']);
    expect(trailer.get('x-token')).toEqual(['mine']);
  });

  test('both sides talk at once', async () => {
    const call = client.makeBidiStreamRequest('/test.Echo/Talk', identity, identity);
    for (const word of ['one', 'two', 'three']) {
      const answer = once(call, 'data');
      call.write(Buffer.from(word));
      expect(String((await answer)[0])).toBe(`echo ${word}`);
    }
    const status = once(call, 'status');
    call.end();
    expect((await status)[0]).toMatchObject({ code: grpc.status.OK });
  });

  test("the server's own failure arrives as it is, and a refusal is none of its answers", async () => {
    const code = (path: string): Promise<{ code: number; details: string }> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(path, identity, identity, Buffer.from('x'), (error) => resolve(error ?? { code: 0, details: '' }));
      });
    expect(await code('/test.Echo/Fail')).toMatchObject({ code: grpc.status.NOT_FOUND, details: 'nothing there' });
    expect(await code('/test.Other/One')).toMatchObject({
      code: grpc.status.PERMISSION_DENIED,
      details: expect.stringMatching(/^terok refused this: no route allows this path on `api\.test\.example`/),
    });
  });

  test('each stream is a decision of its own in the audit log', async () => {
    for (const path of ['/test.Echo/One', '/test.Other/One', '/test.Echo/One'])
      await new Promise((resolve) => {
        client.makeUnaryRequest(path, identity, identity, Buffer.from('x'), resolve);
      });
    const requests = (await rig.audit()).filter(({ kind }) => kind === 'request');
    expect(requests.map(({ decision, path }) => `${String(decision)} ${String(path)}`)).toEqual([
      'allow /test.Echo/One',
      'deny /test.Other/One',
      'allow /test.Echo/One',
    ]);
  });
});

describe('a server that speaks HTTP/2 alone', () => {
  test('is reached by clients of both versions, on sessions of its name alone', async () => {
    const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
    let sessions = 0;
    const server = rig.track(http2.createSecureServer({ cert, key }));
    server.on('session', () => {
      sessions += 1;
    });
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      stream.end(`${String(headers[':authority'])} ${String(headers[':path'])}`);
    });
    const port = await listen(server);
    await rig.start((r) => [secureRoute(r, { ports: [port] })]);
    for (const version of ['--http1.1', '--http2', '--http1.1']) {
      const result = await rig.curl(`https://${NAME}:${port}/a?b`, version);
      expect(result).toMatchObject({ status: 200, text: `${NAME}:${port} /a?b` });
    }
    expect(sessions).toBe(1);
  });

  test('a body passes up and down, whole', async () => {
    const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
    const server = rig.track(http2.createSecureServer({ cert, key }));
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const port = await listen(server);
    await rig.start((r) => [secureRoute(r, { ports: [port] })]);
    const body = randomBytes(5_000_000);
    const socket = await connect(port, ['h2']);
    const session = http2.connect(`https://${NAME}:${port}`, { createConnection: () => socket });
    const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': `${NAME}:${port}` });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk)).end(body);
    await once(stream, 'end');
    session.destroy();
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
  });
});

describe('a server that takes few HTTP/2 streams', () => {
  /** Answers once it was told to; counts what runs at the same time. */
  async function slowServer(maxConcurrentStreams: number) {
    const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
    const counts = { sessions: 0, total: 0, running: 0, most: 0, mostInSession: 0 };
    const held: (() => void)[] = [];
    const server = rig.track(http2.createSecureServer({ cert, key, settings: { maxConcurrentStreams } }));
    server.on('session', (session: http2.ServerHttp2Session) => {
      counts.sessions += 1;
      let here = 0;
      session.on('stream', (stream: http2.ServerHttp2Stream) => {
        here += 1;
        counts.total += 1;
        counts.running += 1;
        counts.mostInSession = Math.max(counts.mostInSession, here);
        counts.most = Math.max(counts.most, counts.running);
        stream
          .on('error', () => stream.destroy())
          .once('close', () => {
            here -= 1;
            counts.running -= 1;
          });
        held.push(() => {
          if (stream.destroyed) return;
          stream.respond({ ':status': 200 });
          stream.end('done');
        });
      });
    });
    const port = await listen(server);
    await rig.start((r) => [secureRoute(r, { ports: [port] })]);
    return { port, counts, held };
  }

  async function client(port: number): Promise<http2.ClientHttp2Session> {
    const socket = await connect(port, ['h2']);
    return http2.connect(`https://${NAME}:${port}`, { createConnection: () => socket });
  }

  function ask(session: http2.ClientHttp2Session, port: number): Promise<string> {
    const stream = session.request({ ':method': 'GET', ':path': '/', ':authority': `${NAME}:${port}` });
    return new Promise((resolve, reject) => {
      let text = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      stream.once('close', () => resolve(text)).once('error', reject);
    });
  }

  test('gets more sessions, so that one long stream holds up no other', async () => {
    const { port, counts, held } = await slowServer(1);
    const session = await client(port);
    const [long, short] = [ask(session, port), ask(session, port)];
    await expect.poll(() => held.length).toBe(2);
    held[1]?.();
    held[0]?.();
    expect(await Promise.all([long, short])).toEqual(['done', 'done']);
    expect(counts).toMatchObject({ sessions: 2, mostInSession: 1 });
    session.destroy();
  });

  test('gets a bounded number of them; further requests wait and are answered, unless their client gives up', async () => {
    const { port, counts, held } = await slowServer(2);
    const [session, leaving] = [await client(port), await client(port)];
    const answers = Array.from({ length: 20 }, () => ask(session, port));
    await expect.poll(() => held.length).toBe(16);
    const gone = Array.from({ length: 4 }, () => ask(leaving, port).catch(() => ''));
    await expect.poll(async () => (await rig.audit()).filter(({ kind }) => kind === 'request').length).toBe(24);
    leaving.destroy();
    await Promise.all(gone);
    await expect.poll(async () => (await rig.audit()).filter(({ kind }) => kind === 'end').length).toBe(4);
    const timer = setInterval(() => held.shift()?.(), 2);
    expect(await Promise.all(answers)).toEqual(answers.map(() => 'done'));
    clearInterval(timer);
    expect(counts).toMatchObject({ sessions: 8, total: 20, most: 16, mostInSession: 2 });
    session.destroy();
  });
});

describe('trailers of a request', () => {
  test('pass to a server that speaks HTTP/2 alone', async () => {
    const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
    const server = rig.track(http2.createSecureServer({ cert, key }));
    const seen = new Promise<http2.IncomingHttpHeaders>((resolve) => {
      server.on('stream', (stream: http2.ServerHttp2Stream) => {
        stream.once('trailers', resolve);
        stream.resume().once('end', () => {
          stream.respond({ ':status': 200 });
          stream.end();
        });
      });
    });
    const port = await listen(server);
    await rig.start((r) => [secureRoute(r, { ports: [port] })]);
    const socket = await connect(port, ['http/1.1']);
    const headers = { host: `${NAME}:${port}`, trailer: 'x-sum', 'transfer-encoding': 'chunked' };
    const request = http.request({ createConnection: () => socket, method: 'PUT', headers });
    request.write('body');
    request.addTrailers({ 'x-sum': '4', connection: 'x' });
    request.end();
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    expect(answer.statusCode).toBe(200);
    expect(Object.entries(await seen)).toEqual([['x-sum', '4']]);
    answer.resume();
    socket.destroy();
  });

  test('pass where both sides speak HTTP/1.1', async () => {
    const trailers = new Promise<NodeJS.Dict<string>>((resolve) => {
      rig.onRequest = (request) => request.once('end', () => resolve(request.trailers));
    });
    await rig.start((r) => [secureRoute(r)]);
    const socket = await connect(rig.httpsPort, ['http/1.1']);
    const request = http.request({
      createConnection: () => socket,
      method: 'PUT',
      headers: { host: `${NAME}:${rig.httpsPort}`, trailer: 'x-sum', 'transfer-encoding': 'chunked' },
    });
    request.write('body');
    request.addTrailers({ 'x-sum': '4', connection: 'x' });
    request.end();
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    expect(answer.statusCode).toBe(200);
    expect(await trailers).toEqual({ 'x-sum': '4' });
    answer.resume();
    socket.destroy();
  });
});

describe('what a server answers', () => {
  test('a redirect is passed on and not followed', async () => {
    await rig.start((r) => [secureRoute(r)]);
    rig.handler = (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    const result = await rig.curl(url(), '-D', '-');
    expect(result.status).toBe(302);
    expect(result.text).toContain('location: http://169.254.169.254/');
    expect(rig.seen).toHaveLength(1);
  });

  test('early hints are dropped, and what follows arrives', async () => {
    await rig.start((r) => [secureRoute(r)]);
    rig.handler = (_request, response) => {
      response.writeEarlyHints({ link: '</x.css>; rel=preload' });
      response.end('late');
    };
    expect(await rig.curl(url(), '--http1.1')).toMatchObject({ status: 200, text: 'late' });
  });

  test('an answer before the end of an upload arrives, and the connection stays usable', async () => {
    await rig.start((r) => [secureRoute(r)]);
    rig.onRequest = (request, response) => {
      if (request.method === 'PUT') request.once('data', () => response.writeHead(413).end('too large'));
    };
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: rig.ca.certificatePem, servername: NAME });
    const port = await rig.door(NAME, rig.httpsPort);
    const send = async (method: string, body: Buffer): Promise<number> => {
      const request = https.request({ agent, host: '127.0.0.1', port, method, headers: { host: `${NAME}:${rig.httpsPort}` } });
      request.on('error', () => undefined).end(body);
      const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
      answer.resume();
      await once(answer, 'end');
      return answer.statusCode ?? 0;
    };
    expect(await send('PUT', Buffer.alloc(3_000_000))).toBe(413);
    expect(await send('POST', Buffer.alloc(10))).toBe(200);
    agent.destroy();
  });
});

test('a WebSocket over HTTP/2 is refused as what it is, and the connection goes on', async () => {
  await rig.start((r) => [secureRoute(r, { privateNetworks: LOOPBACK })]);
  const socket = await connect(rig.httpsPort, ['h2']);
  const session = http2.connect(url(), { createConnection: () => socket });
  await once(session, 'remoteSettings');
  expect(session.remoteSettings.enableConnectProtocol).toBe(false);
  const stream = session.request({ ':path': '/', ':authority': `${NAME}:${rig.httpsPort}` });
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  expect(headers[':status']).toBe(200);
  session.destroy();
});
