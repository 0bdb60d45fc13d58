import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import tls from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import { NAME, Rig, secureRoute } from './egress-harness.ts';

const PHANTOM = 'terok-phantom-0123456789abcdef';
const SECRET = 'sk-real-0123456789-secret';
const MASK = '*'.repeat(SECRET.length);

let rig: Rig;

beforeEach(async () => {
  rig = await Rig.open();
  rig.secrets.set('model', SECRET);
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const url = (rest = '/'): string => `https://${NAME}:${rig.httpsPort}${rest}`;
const keyed = (r: Rig, more: Partial<Route> = {}): Route =>
  secureRoute(r, { inject: { secret: 'model', header: 'x-api-key', phantom: PHANTOM }, ...more });
const bearer = (r: Rig): Route => keyed(r, { inject: { secret: 'model', header: 'authorization', prefix: 'Bearer ', phantom: PHANTOM } });

describe('a credential', () => {
  test.each(['--http1.1', '--http2'])('takes the place of the phantom, and the phantom goes nowhere (%s)', async (version) => {
    await rig.start((r) => [keyed(r)]);
    expect((await rig.curl(url(), version, '-H', `x-api-key: ${PHANTOM}`)).status).toBe(200);
    expect(rig.seen[0]?.headers['x-api-key']).toBe(SECRET);
    expect(JSON.stringify(rig.seen)).not.toContain(PHANTOM);
    expect((await rig.audit())[0]).toMatchObject({ decision: 'allow', injected: true });
  });

  test('is added with its prefix', async () => {
    await rig.start((r) => [bearer(r)]);
    expect((await rig.curl(url(), '-H', `authorization: Bearer ${PHANTOM}`)).status).toBe(200);
    expect(rig.seen[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
  });

  test('is added through the explicit proxy too', async () => {
    await rig.start((r) => [keyed(r)]);
    expect((await rig.rawCurl(url(), '-x', `http://127.0.0.1:${rig.proxyPort}`, '-H', `x-api-key: ${PHANTOM}`)).status).toBe(200);
    expect(rig.seen[0]?.headers['x-api-key']).toBe(SECRET);
  });

  test('is never added without the right phantom', async () => {
    await rig.start((r) => [keyed(r)]);
    for (const [headers, reason] of [
      [[], 'phantom-missing'],
      [['x-api-key: sk-own-key'], 'phantom-wrong'],
      [[`x-api-key: ${PHANTOM}x`], 'phantom-wrong'],
      [['authorization: Bearer sk-own-key'], 'phantom-wrong'],
      [[`cookie: x-api-key=${PHANTOM}`], 'phantom-missing'],
    ] as const) {
      const result = await rig.curl(url(), '-D', '-', ...headers.flatMap((line) => ['-H', line]));
      expect(result).toMatchObject({ status: 403, text: expect.stringContaining(`x-terok-refused: ${reason}`) });
      expect(result.text).not.toContain(PHANTOM);
    }
    expect(rig.seen).toHaveLength(0);
  });

  test('travels alone: nothing else that looks like a credential goes with it', async () => {
    await rig.start((r) => [keyed(r)]);
    const canaries = [
      'authorization: Bearer canary',
      'cookie: s=canary',
      'api-key: canary',
      'x-goog-api-key: canary',
      'x-auth-token: canary',
      'private-token: canary',
      'proxy-authorization: Basic canary',
    ];
    const result = await rig.curl(
      url('/?key=canary&a=1&access_token=canary'),
      '-H',
      `x-api-key: ${PHANTOM}`,
      ...canaries.flatMap((line) => ['-H', line]),
    );
    expect(result.status).toBe(200);
    expect(JSON.stringify(rig.seen)).not.toContain('canary"');
    expect(rig.seen[0]?.url).toBe('/?a=1');
  });

  test('the same headers do pass where no credential is managed', async () => {
    await rig.start((r) => [secureRoute(r)]);
    await rig.curl(url('/?key=canary'), '-H', 'authorization: Bearer canary', '-H', 'cookie: s=canary');
    expect(rig.seen[0]).toMatchObject({ url: '/?key=canary', headers: { authorization: 'Bearer canary', cookie: 's=canary' } });
  });

  test('is not sent without TLS, unless the route is for a server in the own network', async () => {
    const plain = `http://${NAME}:${rig.httpPort}/`;
    await rig.start((r) => [keyed(r, { ports: [r.httpPort] })]);
    expect(await rig.curl(plain, '-D', '-', '-H', `x-api-key: ${PHANTOM}`)).toMatchObject({
      status: 403,
      text: expect.stringContaining('plain-credential'),
    });
    expect(rig.seen).toHaveLength(0);
    rig.egress.setPolicy(rig.policy([keyed(rig, { ports: [rig.httpPort], plainUpstream: true })]));
    expect((await rig.curl(plain, '-H', `x-api-key: ${PHANTOM}`)).status).toBe(200);
    expect(rig.seen[0]?.headers['x-api-key']).toBe(SECRET);
  });

  test('that is missing, short or unreadable refuses the request, and the reason names no value', async () => {
    await rig.start((r) => [keyed(r)]);
    for (const value of [undefined, 'short', 'with\nnewline-in-it']) {
      if (value === undefined) rig.secrets.delete('model');
      else rig.secrets.set('model', value);
      rig.egress.setPolicy(rig.policy([keyed(rig)]));
      const result = await rig.curl(url(), '-D', '-', '-H', `x-api-key: ${PHANTOM}`);
      expect(result).toMatchObject({ status: 403, text: expect.stringContaining('secret-unavailable') });
      expect(result.text).toContain('terok secret set model');
      if (value !== undefined) expect(result.text).not.toContain(value);
    }
    expect(rig.seen).toHaveLength(0);
  });

  test('is never in the audit log', async () => {
    await rig.start((r) => [keyed(r)]);
    await rig.curl(url(`/${SECRET.slice(0, 5)}`), '-H', `x-api-key: ${PHANTOM}`);
    await rig.curl(url('/'), '-H', 'x-api-key: wrong-phantom-of-other');
    const text = JSON.stringify(await rig.audit());
    for (const value of [SECRET, PHANTOM, 'wrong-phantom']) expect(text).not.toContain(value);
  });

  test('revoking it cuts a stream that runs', async () => {
    await rig.start((r) => [keyed(r)]);
    rig.handler = (_request, response) => void response.writeHead(200).write('first');
    const client = await connect();
    client.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nx-api-key: ${PHANTOM}\r\n\r\n`);
    await once(client, 'data');
    rig.egress.setPolicy(
      rig.policy([keyed(rig, { inject: { secret: 'model', header: 'x-api-key', phantom: 'another-phantom-0123456789' } })]),
    );
    await once(client, 'close');
  });
});

describe('an answer', () => {
  const ask = (...args: string[]) => rig.curl(url(), '-i', '-H', `x-api-key: ${PHANTOM}`, ...args);

  test.each(['--http1.1', '--http2'])('does not bring the credential back, in head or body (%s)', async (version) => {
    await rig.start((r) => [keyed(r)]);
    rig.handler = (request, response) => {
      const key = request.headers['x-api-key'] as string;
      response.writeHead(401, {
        'x-echo': `key=${key}`,
        location: `https://evil.example/?k=${key}`,
        'set-cookie': [`a=${key}`, `b=${key}`],
      });
      response.end(JSON.stringify({ error: `bad key ${key}` }));
    };
    const result = await ask(version);
    expect(result.status).toBe(401);
    expect(result.text).not.toContain(SECRET);
    expect(result.text).toContain(`bad key ${MASK}`);
    expect(result.text.match(/\*{25}/g)).toHaveLength(5);
  });

  test('does so however the server cuts it, with or without a length', async () => {
    await rig.start((r) => [keyed(r)]);
    for (let cut = 1; cut < SECRET.length; cut += 6) {
      rig.handler = (_request, response) => {
        response.flushHeaders();
        response.write(`a${SECRET.slice(0, cut)}`);
        setTimeout(() => response.end(`${SECRET.slice(cut)}b${SECRET.slice(0, cut)}`), 20);
      };
      const { text } = await ask();
      expect(text.endsWith(`\r\n\r\na${MASK}b${SECRET.slice(0, cut)}`)).toBe(true);
    }
    rig.handler = (_request, response) => response.writeHead(200, { 'content-length': SECRET.length + 2 }).end(`[${SECRET}]`);
    expect((await ask()).text).toContain(`[${MASK}]`);
  });

  test('does so in trailers', async () => {
    await rig.start((r) => [keyed(r)]);
    rig.handler = (_request, response) => {
      response.writeHead(200, { trailer: 'x-sum' }).write('x');
      response.addTrailers({ 'x-sum': SECRET });
      response.end();
    };
    const client = await connect();
    client.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nx-api-key: ${PHANTOM}\r\nConnection: close\r\n\r\n`);
    const chunks: Buffer[] = [];
    client.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(client, 'close');
    expect(Buffer.concat(chunks).toString()).toContain(`x-sum: ${MASK}`);
  });

  test('does so in the name of a field or trailer, which has no upper case, and in the reason phrase', async () => {
    const value = 'sk-ReAl-0123456789-SeCrEt';
    rig.secrets.set('model', value);
    await rig.start((r) => [keyed(r)]);
    rig.handler = (_request, response) => {
      response.writeHead(200, `OK ${value}`, {
        [`x-${value}-y`]: '1',
        [Buffer.from(value).toString('base64url')]: '2',
        trailer: `t-${value}`,
      });
      response.write('body');
      response.addTrailers({ [`t-${value}`]: '3' });
      response.end();
    };
    const client = await connect();
    client.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nx-api-key: ${PHANTOM}\r\nConnection: close\r\n\r\n`);
    const text = (await buffer(client)).toString().toLowerCase();
    expect(text).toMatch(/^http\/1\.1 200 ok \*{25}\r\n/);
    for (const line of [`x-${MASK}-y: 1`, `t-${MASK}: 3`]) expect(text).toContain(line);
    for (const form of [value, Buffer.from(value).toString('base64url')]) expect(text).not.toContain(form.toLowerCase());
  });

  test.each(['gzip', 'br, gzip', 'x-unheard-of', 'IDENTITY, x'])(
    'that is encoded is asked for plainly, and refused when it comes encoded all the same (%s)',
    async (encoding) => {
      await rig.start((r) => [keyed(r)]);
      rig.handler = (request, response) => {
        const packed = request.url === '/packed';
        response.writeHead(200, packed ? { 'content-encoding': encoding } : {}).end(packed ? gzipSync(SECRET) : 'plain');
      };
      expect((await rig.curl(url(), '-H', `x-api-key: ${PHANTOM}`, '-H', 'accept-encoding: gzip, br')).text).toBe('plain');
      expect(rig.seen[0]?.headers['accept-encoding']).toBe('identity');
      expect(await rig.curl(url('/packed'), '-D', '-', '-H', `x-api-key: ${PHANTOM}`)).toMatchObject({
        status: 502,
        text: expect.stringContaining('response-unscannable'),
      });
    },
  );

  test("in parts of the server's choice is not offered: a range could cut the credential", async () => {
    await rig.start((r) => [keyed(r)]);
    await ask('-H', 'range: bytes=3-9');
    expect(rig.seen[0]?.headers.range).toBeUndefined();
  });

  test('over WebSocket does not bring the credential back', async () => {
    await rig.start((r) => [keyed(r)]);
    rig.onUpgrade = (request, socket) => {
      const accept = createHash('sha1')
        .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nx-echo: ${String(request.headers['x-api-key'])}\r\n\r\n`,
      );
      const key = Buffer.from(String(request.headers['x-api-key']));
      const frame = (first: number, payload: Buffer): Buffer => Buffer.concat([Buffer.of(first, payload.length), payload]);
      socket.write(frame(0x81, key));
      socket.write(Buffer.concat([frame(0x01, key.subarray(0, 9)), frame(0x89, Buffer.from('ping')), frame(0x80, key.subarray(9))]));
      socket.end(Buffer.of(0x88, 0));
    };
    const client = await connect();
    client.write(
      `GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nx-api-key: ${PHANTOM}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
    const chunks: Buffer[] = [];
    client.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(client, 'close');
    const text = Buffer.concat(chunks).toString('latin1');
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    expect(text).not.toContain(SECRET);
    expect(text.match(/\*{25}/g)).toHaveLength(2);
    expect(text).toMatch(/\x01\t\*{9}\x89\x04ping\x80\x10\*{16}/);
    expect(rig.seen[0]?.headers['x-api-key']).toBe(SECRET);
    expect(rig.seen[0]?.headers['sec-websocket-extensions']).toBeUndefined();
  });
});

async function connect(): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: '127.0.0.1', port: await rig.door(NAME, rig.httpsPort), servername: NAME, ca: rig.ca.certificatePem });
  socket.on('error', () => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}
