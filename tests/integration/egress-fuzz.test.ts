/*
 * Differential fuzzing over the wire: what the gateway decided about is what it dialled and what the server read. Inputs are mutations of
 * what a policy allows, sent as raw bytes. What breaks a property is kept below `tests/reproductions`, with its seed;
 * `TEROK_FUZZ_RUNS` tries more of them.
 */
import http from 'node:http';
import net from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import { fuzz } from '../support/fuzz.ts';
import { LOOPBACK, listen, Rig } from './egress-harness.ts';

const ALLOWED = 'api.allowed.example';
const CANARY = 'canary.other.example';
const RUNS = Number(process.env['TEROK_FUZZ_RUNS'] ?? 250);
const PARAMETERS = { numRuns: RUNS };

let rig: Rig;
let port = 0;
const resolved: string[] = [];
const served: string[] = [];

beforeAll(async () => {
  rig = await Rig.open();
  const server = http.createServer((request, response) => {
    served.push(request.url ?? '');
    response.end('served');
  });
  rig.track(server);
  port = await listen(server);
  const route: Route = { name: 'api', hosts: [ALLOWED], ports: [port], mode: 'inspect', paths: ['/v1'], privateNetworks: LOOPBACK };
  const get = rig.addresses.get.bind(rig.addresses);
  rig.addresses.get = (name) => {
    resolved.push(name);
    return get(name) ?? ['127.0.0.1'];
  };
  await rig.start(() => [route]);
});
afterAll(async () => await rig[Symbol.asyncDispose]());

/** Sends bytes to the explicit proxy and gives what comes back until it closes or answers. */
async function send(bytes: string, to = rig.proxyPort): Promise<string> {
  return await new Promise((resolve) => {
    const socket = net.connect(to, '127.0.0.1', () => socket.end(Buffer.from(bytes, 'latin1')));
    let text = '';
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(done, 3_000);
    socket
      .setEncoding('latin1')
      .on('data', (chunk: string) => (text += chunk))
      .on('error', done)
      .on('close', done);
  });
}

const odd = fc.constantFrom(
  '\0',
  '\t',
  ' ',
  '.',
  '..',
  '%2e',
  '%00',
  '@',
  ':',
  '\\',
  '/',
  '#',
  '?',
  '\u00ad',
  '\u3002',
  '\uff0e',
  '[',
  ']',
  '\r',
  '%',
  '_',
  '-',
);
/** A name that is near to an allowed one, or to one that is not. */
const host = fc.oneof(
  fc.constantFrom(ALLOWED, ALLOWED.toUpperCase(), `${ALLOWED}.`, CANARY, '127.0.0.1', '0x7f.1', '2130706433', '[::1]', 'localhost'),
  fc
    .tuple(fc.constantFrom(ALLOWED, CANARY), odd, fc.nat(ALLOWED.length))
    .map(([name, piece, at]) => name.slice(0, at) + piece + name.slice(at)),
  fc
    .tuple(fc.constantFrom(`${ALLOWED}@`, `${CANARY}@`, `${CANARY}\0`, `${CANARY}#`, `${CANARY}%00`, `${CANARY}\\`), fc.constant(ALLOWED))
    .map(([a, b]) => a + b),
  fc.tuple(fc.constant(ALLOWED), fc.constantFrom(`@${CANARY}`, `\0.${CANARY}`, `#.${CANARY}`, `.${CANARY}`)).map(([a, b]) => a + b),
);

describe('the host that was judged is the host that is dialled', () => {
  test('in CONNECT, absolute form and Host, however the name is written', async () => {
    let dialled = 0;
    await fuzz(
      'egress-host',
      fc.asyncProperty(host, fc.constantFrom('connect', 'absolute', 'host'), async (name, form) => {
        resolved.length = 0;
        served.length = 0;
        const line = {
          connect: `CONNECT ${name}:${port} HTTP/1.1\r\nHost: ${name}:${port}\r\n\r\nGET /v1/x HTTP/1.1\r\nHost: ${ALLOWED}:${port}\r\n\r\n`,
          absolute: `GET http://${name}:${port}/v1/x HTTP/1.1\r\nHost: ${name}:${port}\r\n\r\n`,
          host: `GET http://${ALLOWED}:${port}/v1/x HTTP/1.1\r\nHost: ${name}:${port}\r\n\r\n`,
        }[form];
        await send(line);
        // Nothing but the allowed name is ever looked up, whatever was written
        expect(resolved.filter((each) => each !== ALLOWED)).toEqual([]);
        if (served.length === 0 && resolved.length === 0) return;
        dialled += 1;
        // And only where the name that was written is that name in any reading; HTTP lets blanks stand before it
        expect(name.toLowerCase().replace(/^[ \t]+/, '')).toBe(ALLOWED);
      }),
      { parameters: PARAMETERS },
    );
    expect(dialled).toBeGreaterThan(0);
  }, 120_000);
});

const piece = fc.constantFrom(
  'v1',
  'x',
  'admin',
  '.',
  '..',
  '',
  ';',
  '..;',
  '%2e',
  '%2e%2e',
  '%2f',
  '%5c',
  '\\',
  '%252e',
  '%00',
  '%7e',
  '~',
  ';/../',
  '%3b',
  '//',
  '?',
  '%',
  '*',
  '%2E.',
);
const target = fc
  .tuple(fc.constantFrom('/v1', '/v1', '', '/admin', '/v1/..'), fc.array(fc.tuple(fc.constantFrom('/', '/', ''), piece), { maxLength: 6 }))
  .map(([start, parts]) => `${start}${parts.flat().join('')}`);

/** Every way in which a server may read a path: as it is, decoded, decoded twice, without parameters, backslashes as slashes. */
function readings(path: string): string[] {
  const plain = path.split('?', 1)[0] ?? '';
  const decode = (text: string): string =>
    text.replaceAll(/%([0-9a-f]{2})/gi, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const forms = [plain, decode(plain), decode(decode(plain))];
  const variants = forms.flatMap((form) => [
    form,
    form.replaceAll('\\', '/'),
    form.replaceAll(/;[^/]*/g, ''),
    form.replaceAll(/;[^/]*/g, '').replaceAll('\\', '/'),
  ]);
  return variants.map(resolveDots);
}

function resolveDots(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

describe('the path that was judged is the path that is forwarded', () => {
  test('in whatever way a server reads it', async () => {
    let passed = 0;
    let refused = 0;
    await fuzz(
      'egress-path',
      fc.asyncProperty(target, fc.boolean(), async (path, transparent) => {
        served.length = 0;
        const request = transparent
          ? await send(`GET ${path} HTTP/1.1\r\nHost: ${ALLOWED}:${port}\r\nConnection: close\r\n\r\n`, await rig.door(ALLOWED, port))
          : await send(`GET http://${ALLOWED}:${port}${path} HTTP/1.1\r\nHost: ${ALLOWED}:${port}\r\nConnection: close\r\n\r\n`);
        if (served.length === 0) {
          refused += 1;
          expect(request).not.toContain('served');
          return;
        }
        passed += 1;
        for (const reading of served.flatMap(readings))
          expect({ path, reading, inside: reading === '/v1' || reading.startsWith('/v1/') }).toMatchObject({ inside: true });
      }),
      { parameters: PARAMETERS },
    );
    expect({ passed: passed > RUNS / 50, refused: refused > RUNS / 50 }).toEqual({ passed: true, refused: true });
  }, 120_000);
});
