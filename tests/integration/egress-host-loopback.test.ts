import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HOST_LOOPBACK_NAME, type Route } from '../../src/core/index.ts';
import { parseEgressPolicy } from '../../src/core/resolve/index.ts';
import { Rig } from './egress-harness.ts';

let rig: Rig;

beforeEach(async () => {
  rig = await Rig.open();
  // A resolver that the bottle's owner does not control must not be able to move the name
  rig.addresses.set(HOST_LOOPBACK_NAME, ['192.0.2.1']);
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const route = (more: Partial<Route> = {}): Route => ({
  name: 'host',
  hosts: [HOST_LOOPBACK_NAME],
  ports: [rig.httpPort],
  mode: 'inspect',
  privateNetworks: ['127.0.0.1/32'],
  ...more,
});
const url = (): string => `http://${HOST_LOOPBACK_NAME}:${rig.httpPort}/v1`;

describe('a service on the loopback of the host', () => {
  test.each(['inspect', 'passthrough'] as const)('is reached by a route that spells its name out (%s)', async (mode) => {
    await rig.start(() => [route({ mode })]);
    expect(await rig.curl(url())).toMatchObject({ status: 200, text: 'hello\n' });
    expect(await rig.rawCurl(url(), '-x', `http://127.0.0.1:${rig.proxyPort}`)).toMatchObject({ status: 200 });
  });

  test('is on the port of the route alone', async () => {
    await rig.start(() => [route({ ports: [rig.httpsPort] })]);
    expect(rig.egress.nameAllowed(HOST_LOOPBACK_NAME)).toBe(true);
    expect(await rig.curl(url())).toMatchObject({ status: 403 });
    expect(rig.seen).toHaveLength(0);
  });

  test('is covered by no wildcard', async () => {
    await rig.start(() => [route({ hosts: ['*.terok.internal'] })]);
    expect(rig.egress.nameAllowed('other.terok.internal')).toBe(false);
    expect(rig.egress.nameAllowed(HOST_LOOPBACK_NAME)).toBe(false);
    expect(await rig.curl(url())).toMatchObject({ status: 403 });
    expect(rig.seen).toHaveLength(0);
  });
});

test.each<[string, Partial<Route>, RegExp]>([
  ['does not open the address', { privateNetworks: ['10.0.0.0/8'] }, /is this machine and needs `privateNetworks/],
  ['names other hosts too, which could resolve there', { hosts: [HOST_LOOPBACK_NAME, 'a.example.com'] }, /needs a route of its own/],
])('a route that %s is refused', (_what, more, message) => {
  expect(() => parseEgressPolicy({ version: 1, routes: [route(more)] }, 'test')).toThrow(message);
});
