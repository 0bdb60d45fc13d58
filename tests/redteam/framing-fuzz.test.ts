/*
 * Differential fuzzing of HTTP framing: whatever a client writes, the server behind the gateway sees well-formed requests that were
 * judged, or nothing. The oracle is a strict parser of its own. What breaks a property is kept below `tests/reproductions`, with its
 * seed; `TEROK_FUZZ_SECONDS=<n>` looks longer.
 */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SMUGGLED, smugglingTries } from '../../src/redteam/egress/smuggling.ts';
import { LOOPBACK, listen, NAME, Rig } from '../integration/egress-harness.ts';
import { fuzz } from '../support/fuzz.ts';
import { fuzzParameters } from './fuzz-parameters.ts';
import { type RawField, rawHttp2Request } from './raw-http2.ts';
import { StrictServer } from './strict-server.ts';

const { parameters: PARAMETERS, timeoutMs: TIMEOUT_MS } = fuzzParameters(8);
const JUDGED = '/judged';
const SILENCE_MS = 40;
const NO_ANSWER_MS = 150;

const strict = new StrictServer();
let rig: Rig;
let port = 0;
let door = 0;

beforeAll(async () => {
  rig = await Rig.open();
  port = await listen(rig.track(strict.server));
  const route = { name: 'api', hosts: [NAME], ports: [port], mode: 'inspect', plainUpstream: true, privateNetworks: LOOPBACK } as const;
  await rig.start(() => [{ ...route, paths: [JUDGED] }]);
  door = await rig.door(NAME, port);
});
beforeEach(() => strict.reset());
afterAll(async () => await rig[Symbol.asyncDispose]());

/** Writes bytes and reads until the end or a silence. */
function exchange(socket: net.Socket, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const done = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(NO_ANSWER_MS, done);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      socket.setTimeout(SILENCE_MS);
    });
    socket.on('error', done).on('close', done);
    socket.write(bytes);
  });
}

const send = (text: string, to = door): Promise<string> => exchange(net.connect(to, '127.0.0.1'), Buffer.from(text, 'latin1'));

/** Writes a plain request and, once it is answered, bytes. */
async function sendAfter(text: string): Promise<string> {
  const socket = net.connect(door, '127.0.0.1');
  socket.write(`GET ${JUDGED} HTTP/1.1\r\nHost: ${host()}\r\n\r\n`);
  await once(socket, 'data');
  expect(strict.requests).toEqual([{ method: 'GET', target: JUDGED }]);
  strict.reset();
  return await exchange(socket, Buffer.from(text, 'latin1'));
}

function sendHttp2(bytes: Buffer): Promise<string> {
  const options = { port: door, host: '127.0.0.1', servername: NAME, ALPNProtocols: ['h2'], ca: rig.ca.certificatePem };
  return exchange(tls.connect(options), bytes);
}

function expectOneReading(): void {
  expect(strict.violations).toEqual([]);
  expect(strict.requests.filter(({ target }) => !/^\/judged(?:[/?]|$)/.test(target))).toEqual([]);
}

/** What arrived after the last case was judged would be lost with the reset. */
function expectNothingLate(): void {
  expectOneReading();
  strict.reset();
}

const host = (): string => `${NAME}:${port}`;
const line = fc
  .constantFrom('GET', 'POST', 'PUT', 'get', 'PRI', 'GET\t')
  .chain((method) =>
    fc
      .tuple(
        fc.constantFrom(JUDGED, `${JUDGED}?x`, SMUGGLED, '*', `${JUDGED} x`, `${JUDGED}\t`),
        fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', ''),
      )
      .map(([path, version]) => `${method} ${path} ${version}`),
  );
const header = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        'Content-Length',
        'content-length',
        'Content_Length',
        'Content-Length ',
        ' Content-Length',
        'Content-Length\t',
        '\0Content-Length',
      ),
      fc.constantFrom('0', '5', '44', '+5', '-1', '0x5', '5,5', '5, 6', ' 5', '5\t', '', '5e0', '00005', '18446744073709551617'),
    )
    .map(([name, value]) => `${name}: ${value}`),
  fc
    .tuple(
      fc.constantFrom(
        'Transfer-Encoding',
        'transfer-encoding',
        'Transfer-Encoding ',
        'Transfer_Encoding',
        'X\nTransfer-Encoding',
        'X: y\rTransfer-Encoding',
      ),
      fc.constantFrom(
        'chunked',
        'Chunked',
        'xchunked',
        'chunked, identity',
        'identity, chunked',
        'gzip, chunked',
        '"chunked"',
        '\tchunked',
        ' chunked',
        'chunked;q=1',
        '\x0bchunked',
        '',
      ),
    )
    .map(([name, value]) => `${name}: ${value}`),
  fc.constantFrom(
    'X: y',
    'X: y\r\n z',
    'X:y',
    ': y',
    'X y',
    'Expect: 100-continue',
    'Connection: close',
    'Connection: content-length',
    'Connection: transfer-encoding',
    'Upgrade: h2c',
    'TE: trailers',
    'Host: other.example',
    'Trailer: X',
  ),
);
const hidden = fc.constant('').map(() => `GET ${SMUGGLED} HTTP/1.1\r\nHost: ${host()}\r\n\r\n`);
const body = fc.oneof(
  fc.constantFrom(
    '',
    'hello',
    '0\r\n\r\n',
    '5\r\nhello\r\n0\r\n\r\n',
    '5;x=y\r\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '05\r\nhello\r\n0\r\nX: y\r\n\r\n',
    '0x5\r\nhello\r\n0\r\n\r\n',
    '5\nhello\n0\n\n',
    '-5\r\nhello\r\n0\r\n\r\n',
    '5\r\nhelloXX0\r\n\r\n',
    'ffffffffffffffff5\r\nhello\r\n0\r\n\r\n',
    '5;\nx\r\nhello\r\n0\r\n\r\n',
  ),
);
const newline = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n');
const message = fc
  .tuple(line, fc.array(header, { maxLength: 4 }), body, hidden, newline, fc.boolean())
  .map(
    ([first, headers, content, rest, end, hides]) => [first, `Host: ${host()}`, ...headers, '', content].join(end) + (hides ? rest : ''),
  );
/** A message of the corpus with a few bytes changed. */
const mutated = fc
  .tuple(
    fc.nat(1_000),
    fc.array(fc.tuple(fc.nat(1_000), fc.constantFrom('', '\r', '\n', '\0', ' ', '\t', ':', ',', ';', '0', 'a', '\x80', '\r\n')), {
      maxLength: 3,
    }),
  )
  .map(([index, changes]) => {
    const corpus = smugglingTries(JUDGED);
    let text = corpus[index % corpus.length]?.bytes(host()) ?? '';
    for (const [at, byte] of changes)
      text = text.slice(0, at % text.length) + byte + text.slice((at % text.length) + (byte === '' ? 1 : 0));
    return text;
  });

describe('a strict server behind the gateway', () => {
  test('is one that the corpus would confuse without it', async () => {
    const confused: string[] = [];
    for (const { name, bytes } of smugglingTries(JUDGED)) {
      strict.reset();
      await send(bytes(host()), port);
      if (strict.violations.length > 0 || strict.requests.some(({ target }) => target === SMUGGLED)) confused.push(name);
    }
    expect(confused).toEqual(smugglingTries(JUDGED).map(({ name }) => name));
  });

  test('sees one well-formed request that was judged, or nothing, for each message of the corpus', async () => {
    for (const { bytes } of smugglingTries(JUDGED)) await send(bytes(host()));
    expectOneReading();
    await send(`POST ${JUDGED} HTTP/1.1\r\nHost: ${host()}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`);
    expect(strict.requests.at(-1)).toEqual({ method: 'POST', target: JUDGED });
  });

  // A plain request is read by another program than what follows it on the same connection
  test.each([
    ['messages made of odd parts', 'framing', message, send],
    ['the corpus with bytes changed', 'framing-corpus', mutated, send],
    ['messages made of odd parts after a plain request', 'framing-after', message, sendAfter],
    ['the corpus with bytes changed after a plain request', 'framing-corpus-after', mutated, sendAfter],
  ])(
    'sees well-formed requests that were judged, or nothing: %s',
    async (_what, name, arbitrary, write) => {
      let forwarded = 0;
      await fuzz(
        name,
        fc.asyncProperty(arbitrary, async (text) => {
          expectNothingLate();
          await write(text);
          forwarded += strict.requests.length;
          expectOneReading();
        }),
        { parameters: PARAMETERS },
      );
      expect(forwarded).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});

const pseudo = fc.oneof(
  fc.constantFrom<RawField>(
    [':method', 'GET'],
    [':method', 'POST'],
    [':method', 'GET /smuggled HTTP/1.1\r\nX: y'],
    [':method', 'CONNECT'],
    [':path', JUDGED],
    [':path', SMUGGLED],
    [':path', `${JUDGED} HTTP/1.1\r\nHost: x\r\n\r\nGET ${SMUGGLED}`],
    [':path', `${JUDGED}\0`],
    [':path', ''],
    [':scheme', 'https'],
    [':scheme', 'http'],
    [':authority', 'other.example'],
    [':protocol', 'websocket'],
    [':status', '200'],
    [':unknown', 'x'],
  ),
);
const regular = fc.constantFrom<RawField>(
  ['x', 'y'],
  ['X', 'y'],
  ['host', 'other.example'],
  ['content-length', '5'],
  ['content-length', '0'],
  ['content-length', '5, 5'],
  ['transfer-encoding', 'chunked'],
  ['connection', 'close'],
  ['te', 'trailers'],
  ['te', 'chunked'],
  ['x', 'y\r\nGET /smuggled HTTP/1.1'],
  ['x', 'y\n'],
  ['x\r\ny', 'z'],
  ['x: y\r\nz', '1'],
  ['', 'x'],
  ['x ', 'y'],
  ['x', '\0'],
);

describe('a strict server behind an HTTP/2 client', () => {
  const plain = (): RawField[] => [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', host()],
    [':path', JUDGED],
  ];

  test('sees an ordinary request', async () => {
    await sendHttp2(rawHttp2Request(plain()));
    expect(strict.requests).toEqual([{ method: 'GET', target: JUDGED }]);
    expectOneReading();
  });

  test(
    'sees well-formed requests that were judged, or nothing, whatever fields the client sends',
    async () => {
      await fuzz(
        'framing-http2',
        fc.asyncProperty(
          fc.array(pseudo, { maxLength: 3 }),
          fc.array(regular, { maxLength: 3 }),
          fc.constantFrom(null, '', 'hello', `GET ${SMUGGLED} HTTP/1.1\r\nHost: x\r\n\r\n`),
          fc.nat(7),
          async (odd, fields, content, where) => {
            expectNothingLate();
            const list = [...plain(), ...fields];
            list.splice(where, where % 2, ...odd);
            await sendHttp2(rawHttp2Request(list, content ?? undefined));
            expectOneReading();
          },
        ),
        { parameters: PARAMETERS },
      );
    },
    TIMEOUT_MS,
  );
});
