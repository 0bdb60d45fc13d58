/* A bottle's traffic through the proxy of the host: HTTP CONNECT and SOCKS5, with and without a login. */
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { UpstreamProxy } from '../../src/core/upstream-proxy.ts';
import { LOOPBACK, listen, NAME, Rig, secureRoute } from './egress-harness.ts';

let rig: Rig;
/** What the proxies were asked for */
let asked: string[];

beforeEach(async () => {
  rig = await Rig.open();
  asked = [];
  rig.secrets.set('corp', 'worker:a pass:word');
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const url = (rest = '/'): string => `https://${NAME}:${rig.httpsPort}${rest}`;

function join(client: net.Socket, port: number, greeting: Buffer | string): void {
  const upstream = net.connect(port, '127.0.0.1', () => {
    client.write(greeting);
    client.pipe(upstream).pipe(client);
  });
  upstream.on('error', () => client.destroy());
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
}

/** A proxy that makes tunnels for one user. */
async function httpProxy(login?: string): Promise<number> {
  return await listen(
    rig.track(
      net.createServer((client) => {
        client.once('data', (head: Buffer) => {
          const text = head.toString('latin1');
          const [, authority = '', port = ''] = /^CONNECT (\S+:(\d+)) HTTP/.exec(text) ?? [];
          const given = /^proxy-authorization: Basic (\S+)/im.exec(text)?.[1];
          asked.push(authority);
          if (login !== undefined && given !== Buffer.from(login).toString('base64'))
            client.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
          else join(client, Number(port), 'HTTP/1.1 200 OK\r\n\r\n');
        });
      }),
    ),
  );
}

/** A SOCKS5 server that knows one user, or none. */
async function socksProxy(login?: string): Promise<number> {
  return await listen(
    rig.track(
      net.createServer((client) => {
        const connect = (): void => {
          client.once('data', (request: Buffer) => {
            const isName = request[3] === 3;
            const host = isName ? request.subarray(5, 5 + (request[4] ?? 0)).toString() : request.subarray(4, 8).join('.');
            asked.push(host);
            join(client, request.readUInt16BE(request.length - 2), Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          });
        };
        client.once('data', (hello: Buffer) => {
          if (login === undefined) {
            client.write(Buffer.of(5, 0));
            connect();
            return;
          }
          client.write(Buffer.of(5, hello.includes(2, 2) ? 2 : 255));
          client.once('data', (auth: Buffer) => {
            const user = auth.subarray(2, 2 + (auth[1] ?? 0)).toString();
            const password = auth.subarray(3 + (auth[1] ?? 0)).toString();
            const isRight = `${user}:${password}` === login;
            client.write(Buffer.of(1, isRight ? 0 : 1));
            if (isRight) connect();
            else client.end();
          });
        });
      }),
    ),
  );
}

const start = (proxy: Partial<UpstreamProxy> & { readonly url: string }, privateNetworks: readonly string[] = LOOPBACK): Promise<Rig> =>
  rig.start((r) => [secureRoute(r, { privateNetworks })], { upstreamProxy: { noProxy: [], remoteNames: false, ...proxy } });

interface ProxyKind {
  readonly scheme: string;
  readonly open: (login?: string) => Promise<number>;
  /** What it is asked for */
  readonly target: () => string;
}

const KINDS: readonly ProxyKind[] = [
  { scheme: 'http', open: httpProxy, target: () => `${NAME}:${rig.httpsPort}` },
  { scheme: 'socks5', open: socksProxy, target: () => '127.0.0.1' },
];

describe.each(KINDS)('through a proxy of the kind $scheme', ({ scheme, open, target }) => {
  test('a request passes with the login of the vault, and not without', async () => {
    const port = await open('worker:a pass:word');
    await start({ url: `${scheme}://127.0.0.1:${port}`, secret: 'corp' });
    expect((await rig.curl(url())).status).toBe(200);
    expect(asked).toEqual([target()]);
    expect(JSON.stringify(await rig.audit())).not.toContain('pass:word');
    await rig.egress.close();
    await start({ url: `${scheme}://127.0.0.1:${port}` });
    const refused = await rig.curl(url());
    expect(refused.status).toBe(502);
    expect(refused.text).toContain('upstream-failed');
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
