/* A bottle's traffic through the proxy of the host: HTTP CONNECT and SOCKS5, with and without a login. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import https from 'node:https';
import type net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { UpstreamProxy } from '../../src/core/upstream-proxy.ts';
import { COMPANY_PROXIES } from '../support/company-proxies.ts';
import { LOOPBACK, NAME, Rig, secureRoute, serverCertificate } from './egress-harness.ts';

let rig: Rig;
/** What the proxies were asked for */
let asked: string[];
/** Where the proxies find the upstream, whatever they were asked for */
let upstreamHost: string;

beforeEach(async () => {
  rig = await Rig.open();
  asked = [];
  upstreamHost = '127.0.0.1';
  rig.secrets.set('corp', 'worker:a pass:word');
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const url = (rest = '/'): string => `https://${NAME}:${rig.httpsPort}${rest}`;

interface ProxyWish {
  /** The one that it knows; it asks for none by default */
  readonly login?: string;
  /** Address that it listens on */
  readonly at?: string;
}

async function openProxy(kind: keyof typeof COMPANY_PROXIES, { login, at = '127.0.0.1' }: ProxyWish = {}): Promise<number> {
  const lead = (port: number) => ({ host: upstreamHost, port });
  return await listenAt(at, rig.track(COMPANY_PROXIES[kind]({ login, asked, lead })));
}

async function listenAt(host: string, server: net.Server): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

const start = (proxy: Partial<UpstreamProxy> & { readonly url: string }, privateNetworks: readonly string[] = LOOPBACK): Promise<Rig> =>
  rig.start((r) => [secureRoute(r, { privateNetworks })], { upstreamProxy: { noProxy: [], remoteNames: false, ...proxy } });

interface ProxyKind {
  readonly scheme: keyof typeof COMPANY_PROXIES;
  /** What it is asked for, where the name has this address */
  readonly target: (address: string, port: number) => string;
}

const KINDS: readonly ProxyKind[] = [
  { scheme: 'http', target: (_, port) => `${NAME}:${port}` },
  { scheme: 'socks5', target: (address) => address },
];

describe.each(KINDS)('through a proxy of the kind $scheme', ({ scheme, target }) => {
  const open = async (wish?: ProxyWish): Promise<number> => await openProxy(scheme, wish);

  test('a request passes with the login of the vault, and not without', async () => {
    const port = await open({ login: 'worker:a pass:word' });
    await start({ url: `${scheme}://127.0.0.1:${port}`, secret: 'corp' });
    expect((await rig.curl(url())).status).toBe(200);
    expect(asked).toEqual([target('127.0.0.1', rig.httpsPort)]);
    expect(JSON.stringify(await rig.audit())).not.toContain('pass:word');
    await rig.egress.close();
    await start({ url: `${scheme}://127.0.0.1:${port}` });
    const refused = await rig.curl(url());
    expect(refused.status).toBe(502);
    expect(refused.text).toContain('upstream-failed');
  });

  test.each(['inspect', 'passthrough'] as const)('a name that has an IPv6 address alone is reached (%s)', async (mode) => {
    const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
    const server = rig.track(https.createServer({ cert, key }, (_, response) => response.end('six')));
    upstreamHost = '::1';
    const upstreamPort = await listenAt('::1', server);
    rig.addresses.set(NAME, ['::1']);
    const upstreamProxy = { url: `${scheme}://127.0.0.1:${await open()}`, noProxy: [], remoteNames: false };
    await rig.start((r) => [secureRoute(r, { mode, ports: [upstreamPort], privateNetworks: ['::1/128'] })], { upstreamProxy });
    if (mode === 'passthrough') await writeFile(path.join(rig.dir, 'ca.pem'), rig.upstreamCa.certificatePem);
    expect(await rig.curl(`https://${NAME}:${upstreamPort}/`)).toMatchObject({ status: 200, text: 'six' });
    expect(asked).toEqual([target('0000:0000:0000:0000:0000:0000:0000:0001', upstreamPort)]);
  });

  test('an IPv6 address that may not be dialled is not asked of the proxy', async () => {
    rig.addresses.set(NAME, ['fd00::1']);
    await start({ url: `${scheme}://127.0.0.1:${await open()}` });
    expect((await rig.curl(url())).status).toBe(403);
    expect(asked).toEqual([]);
  });

  test('a proxy at an IPv6 address is reached', async () => {
    await start({ url: `${scheme}://[::1]:${await open({ at: '::1' })}` });
    expect((await rig.curl(url())).status).toBe(200);
    expect(asked).toEqual([target('127.0.0.1', rig.httpsPort)]);
  });

  test('an address that may not be dialled is not asked of the proxy either', async () => {
    const port = await open();
    await start({ url: `${scheme}://127.0.0.1:${port}` }, []);
    expect((await rig.curl(url())).status).toBe(403);
    expect(asked).toEqual([]);
  });

  test('names of `noProxy` are reached directly', async () => {
    const port = await open();
    await start({ url: `${scheme}://127.0.0.1:${port}`, noProxy: ['*.test.example'] });
    expect((await rig.curl(url())).status).toBe(200);
    expect(asked).toEqual([]);
  });

  test('a name that this host cannot resolve is refused, unless the proxy may resolve it and anyone could own it', async () => {
    const port = await open();
    const elsewhere = 'api.somewhere.com';
    const route = (r: Rig, host: string) => secureRoute(r, { name: host.replaceAll('.', '-'), hosts: [host], ports: [r.httpPort] });
    const begin = (remoteNames: boolean) =>
      rig.start((r) => [route(r, NAME), route(r, elsewhere)], {
        upstreamProxy: { url: `${scheme}://127.0.0.1:${port}`, noProxy: [], remoteNames },
      });
    for (const name of [NAME, elsewhere]) rig.addresses.set(name, []);
    await begin(false);
    expect((await rig.curl(`http://${elsewhere}:${rig.httpPort}/`)).text).toContain('name-unresolved');
    await rig.egress.close();
    await begin(true);
    expect((await rig.curl(`http://${NAME}:${rig.httpPort}/`)).text).toContain('name-unresolved');
    expect(asked).toEqual([]);
    expect((await rig.curl(`http://${elsewhere}:${rig.httpPort}/`)).status).toBe(200);
    expect(asked).toEqual([scheme === 'http' ? `${elsewhere}:${rig.httpPort}` : elsewhere]);
  });

  test('a proxy that is gone is an answer at once', async () => {
    await start({ url: `${scheme}://127.0.0.1:1` });
    const result = await rig.curl(url());
    expect(result.status).toBe(502);
    expect(result.text).toContain('upstream-failed');
  });
});
