/* Budgets, tenants and conditions of routes, through a whole egress side with a real server behind it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NAME, Rig, secureRoute } from './egress-harness.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await Rig.open();
});
afterEach(async () => await rig[Symbol.asyncDispose]());

const url = (rest = '/'): string => `https://${NAME}:${rig.httpsPort}${rest}`;
const reason = async (...args: Parameters<Rig['curl']>): Promise<string> => {
  const { text, status } = await rig.curl(...args);
  return status === 200 ? 'served' : (JSON.parse(text) as { error: { reason: string } }).error.reason;
};

describe('a budget of requests', () => {
  test('holds, and a gateway that starts again does not forget it', async () => {
    await rig.start((r) => [secureRoute(r, { budget: { requests: 5 } })]);
    for (let count = 0; count < 3; count += 1) expect(await reason(url())).toBe('served');
    // Without a clean end, as after kill -9
    await rig.start((r) => [secureRoute(r, { budget: { requests: 5 } })]);
    const answers = [await reason(url()), await reason(url()), await reason(url())];
    expect(answers).toEqual(['served', 'served', 'budget-spent']);
    expect(rig.seen).toHaveLength(5);
  });

  test('is not there where the route has none', async () => {
    await rig.start((r) => [secureRoute(r)]);
    for (let count = 0; count < 7; count += 1) expect(await reason(url())).toBe('served');
  });

  test('counts what is refused for another reason for nothing', async () => {
    await rig.start((r) => [secureRoute(r, { budget: { requests: 2 }, methods: ['GET'] })]);
    for (let count = 0; count < 4; count += 1) expect(await reason(url(), '-X', 'DELETE')).toBe('method-not-allowed');
    expect([await reason(url()), await reason(url()), await reason(url())]).toEqual(['served', 'served', 'budget-spent']);
  });

  test('counts a request once, also where the policy changes while it is judged', async () => {
    rig.watched = [{ kind: 'secret', name: 'bank', value: 'vault-value/0123456789' }];
    const asking = (note: string) => [secureRoute(rig, { budget: { requests: 2 }, dataLoss: { secrets: 'ask' }, paths: ['/', note] })];
    await rig.start(() => asking('/one'));
    const first = reason(url(), '-H', 'x-note: vault-value/0123456789');
    await expect.poll(() => rig.egress.questions.list().length).toBe(1);
    rig.egress.setPolicy(rig.policy(asking('/two')));
    rig.egress.questions.answer(rig.egress.questions.list()[0]?.id ?? '', true);
    expect(await first).toBe('served');
    expect([await reason(url()), await reason(url())]).toEqual(['served', 'budget-spent']);
  });

  test('of a minute is a 429', async () => {
    await rig.start((r) => [secureRoute(r, { budget: { requestsPerMinute: 3 } })]);
    const statuses = [];
    for (let count = 0; count < 5; count += 1) statuses.push((await rig.curl(url())).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
  });
});

describe('a budget of bytes', () => {
  test('ends an upload where it is spent, and refuses what follows', async () => {
    await rig.start((r) => [secureRoute(r, { budget: { bytesUp: 100_000 } })]);
    const body = 'x'.repeat(60_000);
    expect(await reason(url(), '--data-binary', body)).toBe('served');
    expect(await reason(url(), '--data-binary', body)).toBe('budget-spent');
    expect(await reason(url())).toBe('budget-spent');
    const received = rig.seen.reduce((sum, { body: each }) => sum + each.length, 0);
    expect(received).toBeGreaterThanOrEqual(60_000);
    expect(received).toBeLessThanOrEqual(100_000);
  });

  test('counts addresses and headers too, so that a query is no way around it', async () => {
    await rig.start((r) => [secureRoute(r, { budget: { bytesUp: 10_000 } })]);
    const answers = [];
    for (let count = 0; count < 4; count += 1) answers.push(await reason(url(`/?${'q'.repeat(4_000)}`)));
    expect(answers).toEqual(['served', 'served', 'budget-spent', 'budget-spent']);
  });

  test('ends a download where it is spent, also a compressed one', async () => {
    await rig.start((r) => [secureRoute(r, { budget: { bytesDown: 100_000 } })]);
    rig.handler = (_request, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('x'.repeat(60_000));
    expect((await rig.curl(url())).text).toHaveLength(60_000);
    const second = await rig.curl(url());
    expect(second.exitCode === 0 ? second.status : 'cut').toBeOneOf(['cut', 403]);
    expect(await reason(url())).toBe('budget-spent');
    expect((await rig.audit()).filter((line) => line['reason'] === 'budget-spent')).toHaveLength(2);
  });

  test('holds in passthrough, for the bytes as they are', async () => {
    await rig.start((r) => [secureRoute(r, { mode: 'passthrough', budget: { bytesDown: 200_000, requests: 20 } })]);
    rig.handler = (_request, response) => response.end('x'.repeat(150_000));
    const fetch = async (): Promise<number> => {
      const port = await rig.door(NAME, rig.httpsPort);
      const socket = tls.connect({ host: '127.0.0.1', port, servername: NAME, ca: rig.upstreamCa.certificatePem });
      let bytes = 0;
      socket.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('error', () => undefined);
      socket.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nConnection: close\r\n\r\n`);
      await new Promise((resolve) => socket.once('close', resolve));
      return bytes;
    };
    expect(await fetch()).toBeGreaterThan(150_000);
    expect(await fetch()).toBeLessThan(60_000);
    expect(await fetch()).toBe(0);
  });
});

test('what was spent lies in a file of the bottle, and no other field than counts', async () => {
  await rig.start((r) => [secureRoute(r, { budget: { requests: 64 } })]);
  await rig.curl(url());
  const { routes } = JSON.parse(readFileSync(path.join(rig.dir, 'budgets.json'), 'utf8')) as { routes: Record<string, unknown> };
  expect(routes).toEqual({ api: { requests: 1, bytesUp: 0, bytesDown: 0 } });
});

describe('pins and conditions', () => {
  test('only the pinned tenant is reached, in the path that is forwarded', async () => {
    await rig.start((r) => [secureRoute(r, { tenants: { style: 'github', allow: ['acme/shop'] } })]);
    expect(await reason(url('/acme/shop.git/info/refs?service=git-upload-pack'))).toBe('served');
    expect(await reason(url('/other/../acme/./shop/x'))).toBe('served');
    for (const [rest, why] of [
      ['/other/shop', 'tenant-not-allowed'],
      ['/acme/other', 'tenant-not-allowed'],
      ['/acme/shop/../other', 'tenant-not-allowed'],
      ['/acme/shop/%2e%2e/other', 'path-ambiguous'],
      ['/acme/shop/..;/other', 'path-ambiguous'],
      ['//acme/shop', 'path-ambiguous'],
      ['/acme%2fshop/x', 'tenant-not-allowed'],
    ] as const)
      expect({ rest, why: await reason(url(rest)) }).toEqual({ rest, why });
    expect(rig.seen.map((seen) => seen.url)).toEqual(['/acme/shop.git/info/refs?service=git-upload-pack', '/acme/shop/x']);
  });

  test.each(['--http1.1', '--http2'])('headers and query are judged as they are forwarded (%s)', async (version) => {
    const conditions = { headers: [{ name: 'x-org', values: ['acme'] }], query: [{ name: 'team', values: ['blue'] }] };
    await rig.start((r) => [secureRoute(r, conditions)]);
    expect(await reason(url('/?team=blue'), version, '-H', 'X-Org: acme')).toBe('served');
    expect(await reason(url('/?team=blue'), version)).toBe('header-not-allowed');
    expect(await reason(url('/?team=blue'), version, '-H', 'X-Org: acme', '-H', 'X-Org: other')).toBe('header-not-allowed');
    expect(await reason(url('/?team=red'), version, '-H', 'X-Org: acme')).toBe('query-not-allowed');
    expect(await reason(url('/?team=blue&team=red'), version, '-H', 'X-Org: acme')).toBe('query-not-allowed');
    expect(rig.seen).toHaveLength(1);
  });

  test('a route for reading takes no body and no WebSocket', async () => {
    await rig.start((r) => [secureRoute(r, { methods: ['GET'] })]);
    expect(await reason(url(), '-X', 'GET', '-d', 'secret')).toBe('body-not-allowed');
    const upgrade = [
      '-H',
      'Connection: Upgrade',
      '-H',
      'Upgrade: websocket',
      '-H',
      'Sec-WebSocket-Key: x',
      '-H',
      'Sec-WebSocket-Version: 13',
    ];
    expect(await reason(url(), '--http1.1', ...upgrade)).toBe('upgrade-not-allowed');
    expect(rig.seen).toHaveLength(0);
  });

  test('an event stream is refused where the route says so, and passes otherwise', async () => {
    rig.handler = (_request, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).end('data: x\n\n');
    await rig.start((r) => [secureRoute(r)]);
    expect((await rig.curl(url())).text).toBe('data: x\n\n');
    rig.egress.setPolicy(rig.policy([secureRoute(rig, { streaming: false })]));
    expect(await reason(url())).toBe('streaming-not-allowed');
  });
});

test('a block cuts what a route allows, at once', async () => {
  await rig.start((r) => [secureRoute(r)]);
  expect(await reason(url())).toBe('served');
  rig.egress.setPolicy({ ...rig.policy([secureRoute(rig)]), blocks: [{ host: NAME }], task: 'shop' });
  const { text, status } = await rig.curl(url());
  expect(status).toBe(403);
  expect(JSON.parse(text)).toMatchObject({ error: { reason: 'host-blocked', hint: expect.stringContaining('terok egress allow shop') } });
});
