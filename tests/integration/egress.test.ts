import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run, runOrThrow } from '../../src/core/index.ts';
import { verifyAuditLog } from '../../src/sidecars/egress/index.ts';
import { LOOPBACK, listen, NAME, Rig, secureRoute, serverCertificate } from './egress-harness.ts';

let rig: Rig;

beforeEach(async () => {
  rig = await Rig.open();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const url = (rest = '/'): string => `https://${NAME}:${rig.httpsPort}${rest}`;
const plainUrl = (rest = '/'): string => `http://${NAME}:${rig.httpPort}${rest}`;
const proxy = (): string[] => ['-x', `http://127.0.0.1:${rig.proxyPort}`];

describe('an inspected route', () => {
  test.each(['--http1.1', '--http2'])('passes a request and its answer (%s)', async (version) => {
    await rig.start((r) => [secureRoute(r)]);
    rig.handler = (_request, response, body) =>
      response.writeHead(201, { 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] }).end(`got ${body.length}`);
    const body = 'x'.repeat(100_000);
    const result = await rig.curl(url('/v1/x?y=1'), version, '-i', '-X', 'PUT', '-H', 'x-own: 1', '--data-binary', body);
    expect(result.status).toBe(201);
    expect(result.text).toMatch(/x-answer: yes[\s\S]*set-cookie: a=1\r\nset-cookie: b=2[\s\S]*got 100000/);
    expect(rig.seen[0]).toMatchObject({ method: 'PUT', url: '/v1/x?y=1', headers: { host: `${NAME}:${rig.httpsPort}`, 'x-own': '1' } });
    expect(rig.seen[0]?.body.toString()).toBe(body);
    await expect
      .poll(() => rig.audit())
      .toEqual([
        expect.objectContaining({ kind: 'request', decision: 'allow', host: NAME, method: 'PUT', path: '/v1/x', route: 'api' }),
        expect.objectContaining({ kind: 'end', of: 1, host: NAME, route: 'api', status: 201, bytesUp: 100_000, bytesDown: 10 }),
      ]);
  });

  test("the certificate is of the bottle's CA, for 99 days at most", async () => {
    await rig.start((r) => [secureRoute(r)]);
    const socket = tls.connect({
      host: '127.0.0.1',
      port: await rig.door(NAME, rig.httpsPort),
      servername: NAME,
      ca: rig.ca.certificatePem,
    });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    expect(certificate?.checkHost(NAME)).toBe(NAME);
    expect(Date.parse(certificate?.validTo ?? '') - Date.parse(certificate?.validFrom ?? '')).toBeLessThanOrEqual(99 * 86_400_000);
  });

  test('a client with other roots does not accept it, so the CA of one bottle is of no use in another', async () => {
    await rig.start((r) => [secureRoute(r)]);
    await writeFile(path.join(rig.dir, 'ca.pem'), rig.upstreamCa.certificatePem);
    expect((await rig.curl(url())).exitCode).toBe(60);
    await expect.poll(rig.audit.bind(rig)).toMatchObject([{ kind: 'tls', decision: 'deny', reason: 'ca-not-trusted', host: NAME }]);
  });

  test('refuses methods and paths outside of its rule, and forwards the path that it matched', async () => {
    await rig.start((r) => [secureRoute(r, { methods: ['GET'], paths: ['/v1'] })]);
    expect((await rig.curl(url('/v1/ok'))).status).toBe(200);
    expect((await rig.curl(url('/v0/../v1/%7eme?q=/../x'))).status).toBe(200);
    expect(rig.seen.map((seen) => seen.url)).toEqual(['/v1/ok', '/v1/~me?q=/../x']);
    for (const [rest, reason] of [
      ['/v10', 'path-not-allowed'],
      ['/v1/../admin', 'path-not-allowed'],
      ['/v1/%2e%2e/admin', 'path-ambiguous'],
      ['/v1/..;/admin', 'path-ambiguous'],
      ['/v1//admin', 'path-ambiguous'],
      ['/v1\\..\\admin', 'path-ambiguous'],
      ['/v1/%252e%252e/admin', 'path-ambiguous'],
    ] as const) {
      const result = await rig.curl(url(rest), '-D', '-');
      expect(result.text).toContain(`x-terok-refused: ${reason}`);
    }
    const post = await rig.curl(url('/v1/x'), '-d', 'x');
    expect(post.status).toBe(403);
    expect(JSON.parse(post.text)).toMatchObject({
      error: { type: 'terok_refused', reason: 'method-not-allowed', hint: expect.stringContaining('terok egress allow') },
    });
    expect(rig.seen).toHaveLength(2);
  });

  test.each(['--http1.1', '--http2'])('Host must be the name that was dialled (%s)', async (version) => {
    await rig.start((r) => [secureRoute(r)]);
    for (const host of ['other.example', `${NAME}:1`, NAME, `${NAME}.:${rig.httpsPort}`, '127.0.0.1']) {
      expect(await rig.curl(url(), version, '-H', `Host: ${host}`)).toMatchObject({ status: 421 });
    }
    expect(rig.seen).toHaveLength(0);
    expect((await rig.curl(url(), version, '-H', `Host: ${NAME.toUpperCase()}:${rig.httpsPort}`)).status).toBe(200);
  });

  test('each stream of an HTTP/2 connection is judged by its own authority', async () => {
    await rig.start((r) => [secureRoute(r)]);
    const session = http2.connect(`https://${NAME}:${rig.httpsPort}`, {
      createConnection: () =>
        tls.connect({ host: '127.0.0.1', port: doorPort, servername: NAME, ca: rig.ca.certificatePem, ALPNProtocols: ['h2'] }),
    });
    const status = async (headers: http2.OutgoingHttpHeaders): Promise<unknown> => {
      const stream = session.request(headers);
      stream.on('error', () => stream.close());
      const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      stream.resume();
      return answer[':status'];
    };
    expect(await status({ ':path': '/' })).toBe(200);
    expect(await status({ ':path': '/', ':authority': 'other.example' })).toBe(421);
    expect(await status({ ':path': '/', host: 'other.example' })).toBe(421);
    expect(await status({ ':method': 'CONNECT', ':authority': 'other.example:443' })).toBe(403);
    session.destroy();
    expect(rig.seen).toHaveLength(1);
  });

  test('a second request behind a body stays a request of its own', async () => {
    await rig.start((r) => [secureRoute(r, { paths: ['/v1'] })]);
    const inner = 'GET /admin HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n';
    const answer = await rawRequest(`POST /v1 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nabc${inner}`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 403 /);
    expect(rig.seen.map((seen) => seen.url)).toEqual(['/v1']);
  });

  test('drops what speaks about one connection', async () => {
    await rig.start((r) => [secureRoute(r)]);
    await rig.curl(
      url(),
      '--http1.1',
      ...['Connection: close, X-Hop', 'X-Hop: 1', 'Keep-Alive: 1', 'TE: trailers', 'Proxy-Authorization: Basic x', 'X-Stays: 1'].flatMap(
        (line) => ['-H', line],
      ),
    );
    const names = Object.keys(rig.seen[0]?.headers ?? {});
    expect(names).toContain('x-stays');
    for (const name of ['x-hop', 'keep-alive', 'te', 'proxy-authorization']) expect(names).not.toContain(name);
  });

  test.each([
    ['/items', 'X-HTTP-Method-Override: DELETE'],
    ['/items', 'X-HTTP-Method: DELETE'],
    ['/items', 'X-Method-Override: DELETE'],
    ['/items', 'X_HTTP_Method_Override: DELETE'],
    ['/items?_method=DELETE', 'X-Stays: 1'],
    ['/items?a=1;%5Fmethod=DELETE', 'X-Stays: 1'],
  ])('refuses a request that asks to be taken for another method where a rule states its methods: %s, %s', async (target, header) => {
    await rig.start((r) => [secureRoute(r, { methods: ['GET', 'POST'] })]);
    const send = (to: string, field: string): ReturnType<typeof rig.curl> => rig.curl(url(to), '-X', 'POST', '-d', '{}', '-H', field);
    expect((await send('/items', 'X-Stays: 1')).status).toBe(200);
    rig.seen.length = 0;
    const refused = await send(target, header);
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.text)).toMatchObject({
      error: { reason: 'method-override', hint: expect.stringContaining('Send the method itself') },
    });
    expect(rig.seen).toHaveLength(0);
  });

  const URLENCODED = 'content-type: application/x-www-form-urlencoded';
  const multipart = (name: string): string => `--b\r\nContent-Disposition: form-data; name=${name}\r\n\r\nDELETE\r\n--b--\r\n`;
  test.each([
    ['a form', '_method=DELETE', URLENCODED],
    ['a later field of it', `${'a=1&'.repeat(25_000)}%5F%4dethod=DELETE`, URLENCODED],
    ['a name with a space before', 'a=1&+_method=DELETE', `${URLENCODED}; charset=utf-8`],
    ['a form without a type', '_method=DELETE', 'content-type:'],
    ['a part', multipart('"_method"'), 'content-type: multipart/form-data; boundary=b'],
    ['a part whose name is not quoted', multipart('_METHOD'), 'content-type: multipart/form-data; boundary=b'],
  ])('refuses %s that asks for another method where a rule states its methods, and passes the same without', async (_, body, type) => {
    await rig.start((r) => [secureRoute(r, { methods: ['GET', 'POST'] })]);
    const send = (data: string): ReturnType<typeof rig.curl> =>
      rig.curl(url('/items'), '-X', 'POST', '--data-binary', data, '-H', type, '-H', 'expect:');
    const harmless = body.replace(/(?:_|%5F)(?:m|%4d)ethod/i, 'the_methodology');
    expect(await send(harmless)).toMatchObject({ status: 200 });
    expect(rig.seen[0]?.body.toString()).toBe(harmless);
    rig.seen.length = 0;
    const refused = await send(body);
    expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('method-override') });
    expect(rig.seen).toHaveLength(0);
  });

  test('refuses a compressed form where a rule states its methods', async () => {
    await rig.start((r) => [secureRoute(r, { methods: ['POST'] })]);
    const refused = await rig.curl(url('/items'), '-X', 'POST', '--data-binary', 'a=1', '-H', URLENCODED, '-H', 'content-encoding: br');
    expect(refused).toMatchObject({ status: 415, text: expect.stringContaining('compressed form') });
    expect(rig.seen).toHaveLength(0);
  });

  test('passes a method override where the rule allows every method anyway', async () => {
    await rig.start((r) => [secureRoute(r)]);
    await rig.curl(url('/items?_method=DELETE'), '-X', 'POST', '-d', '{}', '-H', 'X-HTTP-Method-Override: DELETE');
    expect(rig.seen[0]).toMatchObject({ url: '/items?_method=DELETE', headers: { 'x-http-method-override': 'DELETE' } });
  });

  test('waits with 100 Continue for the decision', async () => {
    await rig.start((r) => [secureRoute(r, { methods: ['PUT'] })]);
    const body = path.join(rig.dir, 'body');
    await writeFile(body, randomBytes(200_000));
    const allowed = await rig.curl(url(), '--http1.1', '-v', '-H', 'Expect: 100-continue', '-T', body);
    expect(allowed).toMatchObject({ status: 200 });
    expect(allowed.stderr.toString()).toContain('100 Continue');
    const refused = await rig.curl(url(), '--http1.1', '-v', '-H', 'Expect: 100-continue', '-X', 'POST', '-T', body);
    expect(refused.status).toBe(403);
    expect(refused.stderr.toString()).not.toContain('100 Continue');
  });

  test('passes trailers of the answer', async () => {
    await rig.start((r) => [secureRoute(r)]);
    rig.handler = (_request, response) => {
      response.writeHead(200, { trailer: 'x-sum' });
      response.write('body');
      response.addTrailers({ 'x-sum': '42' });
      response.end();
    };
    expect(await rawRequest('GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n')).toContain('x-sum: 42');
  });

  test.each(['--http1.1', '--http2'])('passes each event of a stream at once (%s)', async (version) => {
    await rig.start((r) => [secureRoute(r)]);
    let more: (text: string) => void = () => undefined;
    rig.handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      more = (text) => void (text === '' ? response.end() : response.write(`data: ${text}\n\n`));
    };
    const client = rig.curl(url('/events'), version, '-N', '--trace-ascii', path.join(rig.dir, 'trace'));
    const { readFile } = await import('node:fs/promises');
    const traced = (): Promise<string> => readFile(path.join(rig.dir, 'trace'), 'utf8').catch(() => '');
    await expect.poll(traced, { timeout: 5_000 }).toContain('text/event-stream');
    for (const text of ['one', 'two']) {
      more(text);
      await expect.poll(traced, { timeout: 5_000, interval: 5 }).toContain(`data: ${text}`);
    }
    more('');
    expect((await client).status).toBe(200);
  });

  test('a client that goes away ends the request upstream', async () => {
    await rig.start((r) => [secureRoute(r)]);
    const closed = new Promise<void>((resolve) => {
      rig.handler = (_request, response) => {
        response.writeHead(200).write('x');
        response.on('close', resolve);
      };
    });
    expect((await rig.curl(url(), '--max-time', '1')).exitCode).toBe(28);
    await closed;
  });

  test('slow readers hold the server back', async () => {
    await rig.start((r) => [secureRoute(r)]);
    let sent = 0;
    rig.handler = (_request, response) => {
      const chunk = Buffer.alloc(1 << 20);
      const push = (): void => {
        while (sent < 400 && !response.destroyed) {
          sent += 1;
          if (!response.write(chunk)) return void response.once('drain', push);
        }
        response.end();
      };
      push();
    };
    const socket = await connectTls();
    socket.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\n\r\n`);
    socket.pause();
    let before = -1;
    await expect
      .poll(
        () => {
          const same = sent > 0 && sent === before;
          before = sent;
          return same;
        },
        { timeout: 15_000, interval: 500 },
      )
      .toBe(true);
    expect(sent).toBeLessThan(100);
    socket.resume();
    await expect.poll(() => sent, { timeout: 30_000 }).toBe(400);
    socket.destroy();
  });

  test('says 502 when the server is gone, untrusted or unknown, and why', async () => {
    await rig.start((r) => [
      secureRoute(r, { ports: [rig.httpsPort, 1] }),
      secureRoute(r, { name: 'other', hosts: ['other.test.example'] }),
    ]);
    expect(await rig.curl(`https://${NAME}:1/`, '-D', '-')).toMatchObject({
      status: 502,
      text: expect.stringContaining('x-terok-refused: upstream-failed'),
    });
    expect(await rig.curl(`https://other.test.example:${rig.httpsPort}/`, '-D', '-')).toMatchObject({
      status: 502,
      text: expect.stringContaining('upstream-untrusted'),
    });
    rig.addresses.set('other.test.example', []);
    await rig.egress.close();
    expect(await rig.curl(`https://other.test.example:${rig.httpsPort}/`, '-D', '-')).toMatchObject({
      status: 502,
      text: expect.stringContaining('name-unresolved'),
    });
  });
});

describe('the name that is dialled', () => {
  test('TLS for another name, or for none, is refused with an alert', async () => {
    await rig.start((r) => [secureRoute(r)]);
    for (const servername of ['other.example', '']) {
      const door = await rig.door(NAME, rig.httpsPort);
      const result = await run(
        ['openssl', 's_client', '-connect', `127.0.0.1:${door}`, ...(servername === '' ? ['-noservername'] : ['-servername', servername])],
        { input: '', timeoutMs: 10_000 },
      );
      expect(result.exitCode).toBe(1);
      expect(result.stderr.toString()).toContain('unrecognized name');
    }
    expect((await rig.audit()).map((line) => line.reason)).toEqual(['host-mismatch', 'tls-name-missing']);
  });

  test('an unnamed host is refused with a reason that a client can read', async () => {
    await rig.start((r) => [secureRoute(r)]);
    expect(rig.egress.nameAllowed(NAME)).toBe(true);
    expect(rig.egress.nameAllowed('other.example')).toBe(false);
    expect(rig.egress.ports()).toEqual([rig.httpsPort]);
    expect(await rig.curl('https://other.example/', '-D', '-')).toMatchObject({
      status: 403,
      text: expect.stringContaining('x-terok-refused: host-not-allowed'),
    });
    expect(await rig.curl('http://other.example/', '-D', '-')).toMatchObject({
      status: 403,
      text: expect.stringContaining('x-terok-refused: host-not-allowed'),
    });
    expect(await rig.curl(`https://${NAME}:8443/`, '-D', '-')).toMatchObject({
      status: 403,
      text: expect.stringContaining('x-terok-refused: port-not-allowed'),
    });
  });

  test('what is neither TLS nor HTTP is reset', async () => {
    await rig.start((r) => [secureRoute(r)]);
    const socket = net.connect({ host: '127.0.0.1', port: await rig.door('other.example', 22) });
    socket.write('SSH-2.0-client\r\n');
    await expect(once(socket, 'data')).rejects.toThrow('ECONNRESET');
  });
});

describe('the connect guard', () => {
  test('a name that resolves into a private network is refused, unless its route says so', async () => {
    await rig.start((r) => [
      secureRoute(r),
      secureRoute(r, { name: 'inner', hosts: ['inner.test.example'], privateNetworks: ['10.0.0.0/8'] }),
    ]);
    expect((await rig.curl(url())).status).toBe(200);
    for (const address of [
      '127.0.0.1',
      '::1',
      '::ffff:127.0.0.1',
      '169.254.169.254',
      '100.64.0.1',
      '192.168.0.1',
      '0.0.0.0',
      '64:ff9b::7f00:1',
    ]) {
      rig.addresses.set('inner.test.example', [address]);
      expect(await rig.curl(`https://inner.test.example:${rig.httpsPort}/`, '-D', '-')).toMatchObject({
        status: 403,
        text: expect.stringContaining('address-not-allowed'),
      });
    }
    expect(rig.seen).toHaveLength(1);
  });

  test.each(['inspect', 'passthrough'] as const)('a name that has an IPv6 address alone is reached there (%s)', async (mode) => {
    const { cert, key } = await serverCertificate(rig.upstreamCa, NAME);
    const seen: (string | undefined)[] = [];
    const server = rig.track(
      http2.createSecureServer({ cert, key, allowHTTP1: true }, (request, response) => {
        seen.push(request.socket.remoteAddress);
        response.end('six');
      }),
    );
    server.listen({ port: 0, host: '::1', ipv6Only: true });
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    rig.addresses.set(NAME, ['::1']);
    await rig.start((r) => [secureRoute(r, { mode, ports: [port], privateNetworks: ['::1/128'] })]);
    if (mode === 'passthrough') await writeFile(path.join(rig.dir, 'ca.pem'), rig.upstreamCa.certificatePem);
    expect(await rig.curl(`https://${NAME}:${port}/`)).toMatchObject({ status: 200, text: 'six' });
    expect(seen).toEqual(['::1']);
  });

  test('rebinding does not help: each connection dials the address that was checked', async () => {
    await rig.start((r) => [secureRoute(r)]);
    const answers = [['127.0.0.1'], ['169.254.169.254']];
    rig.addresses.get = () => answers.shift() ?? ['169.254.169.254'];
    expect((await rig.curl(url())).status).toBe(200);
    expect(answers).toHaveLength(1);
  });
});

describe('plain HTTP', () => {
  test('goes through the same decision', async () => {
    await rig.start((r) => [secureRoute(r, { ports: [r.httpPort], paths: ['/v1'] })]);
    expect((await rig.curl(plainUrl('/v1'))).status).toBe(200);
    expect((await rig.curl(plainUrl('/v2'))).status).toBe(403);
    expect((await rig.curl(plainUrl('/v1'), '-H', 'Host: other.example')).status).toBe(421);
    expect(rig.seen).toHaveLength(1);
  });

  test('a model server without TLS is reached from a client that uses TLS', async () => {
    await rig.start((r) => [secureRoute(r, { ports: [r.httpPort], plainUpstream: true })]);
    expect((await rig.curl(`https://${NAME}:${rig.httpPort}/`)).status).toBe(200);
  });
});

describe('the explicit proxy', () => {
  test('CONNECT and absolute-form follow the same rules', async () => {
    await rig.start((r) => [secureRoute(r, { paths: ['/v1'] }), secureRoute(r, { name: 'plain', ports: [r.httpPort], paths: ['/v1'] })]);
    for (const at of [url, plainUrl]) {
      expect((await rig.rawCurl(at('/v1'), ...proxy())).status).toBe(200);
      expect((await rig.rawCurl(at('/v2'), ...proxy())).status).toBe(403);
      expect((await rig.rawCurl(at('/v1'), ...proxy(), '-H', 'Host: other.example')).status).toBe(421);
    }
    expect(rig.seen).toHaveLength(2);
    expect(rig.seen[1]?.url).toBe('/v1');
  });

  test.each([
    'other.example:443',
    '127.0.0.1:443',
    '127.1:443',
    '0x7f000001:443',
    '2130706433:443',
    '[::1]:443',
    '[::ffff:127.0.0.1]:443',
    'api.test.example.:443',
    'api.test.example',
    'a@api.test.example:443',
    '\u0000:443',
  ])('refuses CONNECT to %j', async (authority) => {
    await rig.start((r) => [secureRoute(r)]);
    const socket = net.connect({ host: '127.0.0.1', port: rig.proxyPort });
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 4\d\d [\s\S]*x-terok-refused/);
  });

  test('a tunnel to one name is not a tunnel to another', async () => {
    await rig.start((r) => [secureRoute(r), secureRoute(r, { name: 'other', hosts: ['other.test.example'] })]);
    const result = await run(
      [
        'openssl',
        's_client',
        '-proxy',
        `127.0.0.1:${rig.proxyPort}`,
        '-connect',
        `${NAME}:${rig.httpsPort}`,
        '-servername',
        'other.test.example',
      ],
      { input: '', timeoutMs: 10_000 },
    );
    expect(result.stderr.toString()).toContain('unrecognized name');
  });

  test('refuses origin-form and other schemes', async () => {
    await rig.start((r) => [secureRoute(r)]);
    for (const target of ['/', `https://${NAME}/`, `ftp://${NAME}/`, 'http://127.0.0.1/', 'http://user@api.test.example/']) {
      const socket = net.connect({ host: '127.0.0.1', port: rig.proxyPort });
      socket.write(`GET ${target} HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
  });
});

describe('a passthrough route', () => {
  test("joins TLS unread: the client sees the server's own certificate", async () => {
    await rig.start((r) => [secureRoute(r, { mode: 'passthrough' })]);
    await writeFile(path.join(rig.dir, 'ca.pem'), rig.upstreamCa.certificatePem);
    expect((await rig.curl(url(), '--http2')).status).toBe(200);
    expect((await rig.rawCurl(url(), ...proxy())).status).toBe(200);
    expect((await rig.audit())[0]).toMatchObject({ kind: 'connection', decision: 'allow', route: 'api' });
  });

  test('refuses TLS for another name, and without one', async () => {
    await rig.start((r) => [secureRoute(r, { mode: 'passthrough' })]);
    for (const args of [['-servername', 'other.example'], ['-noservername']]) {
      const result = await run(['openssl', 's_client', '-connect', `127.0.0.1:${await rig.door(NAME, rig.httpsPort)}`, ...args], {
        input: '',
        timeoutMs: 10_000,
      });
      expect(result.stderr.toString()).toContain('unrecognized name');
    }
    expect(rig.seen).toHaveLength(0);
  });

  test('joins TLS without a name where the route takes that on itself', async () => {
    await rig.start((r) => [secureRoute(r, { mode: 'passthrough', tls: ['no-server-name'] })]);
    const door = `127.0.0.1:${await rig.door(NAME, rig.httpsPort)}`;
    const handshake = async (...args: string[]): Promise<string> =>
      (await run(['openssl', 's_client', '-connect', door, ...args], { input: '', timeoutMs: 10_000 })).stdout.toString();
    expect(await handshake('-noservername')).toContain('BEGIN CERTIFICATE');
    expect(await handshake('-servername', 'other.example')).not.toContain('BEGIN CERTIFICATE');
  });

  /** Version line of SSH; first packet of the handshake of MySQL: three bytes of length, number, version 10, text. */
  test.each<[string, Buffer, Buffer]>([
    ['SSH', Buffer.from('SSH-2.0-server\r\n'), Buffer.from('SSH-2.0-client\r\n')],
    ['a database', Buffer.from('110000000a382e302e333600', 'hex'), Buffer.from('0300000185a60300', 'hex')],
  ])('joins %s by name and port, byte for byte, and on no other port', async (_what, greeting, reply) => {
    const received: Buffer[] = [];
    const server = rig.track(
      net.createServer((socket) => {
        socket.write(greeting);
        socket.on('data', (chunk: Buffer) => {
          received.push(chunk);
          socket.end('taken');
        });
      }),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await rig.start((r) => [secureRoute(r, { mode: 'passthrough', ports: [port] })]);
    const socket = net.connect({ host: '127.0.0.1', port: await rig.door(NAME, port) });
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first).toEqual(greeting);
    socket.write(reply);
    expect(String((await once(socket, 'data'))[0])).toBe('taken');
    expect(Buffer.concat(received)).toEqual(reply);
    socket.destroy();
    const other = net.connect({ host: '127.0.0.1', port: await rig.door(NAME, port === 22 ? 23 : 22) });
    const answered: Buffer[] = [];
    other.on('error', () => other.destroy()).on('data', (chunk: Buffer) => answered.push(chunk));
    other.write(reply);
    await new Promise((resolve) => other.once('close', resolve));
    expect(Buffer.concat(answered).includes(greeting)).toBe(false);
    expect(await rig.audit()).toContainEqual(expect.objectContaining({ decision: 'deny', host: NAME, port: 22 }));
  });

  test('joins a protocol in which the server greets first', async () => {
    const server = rig.track(
      net.createServer((socket) => {
        socket.write('220 hello\r\n');
        socket.on('data', (chunk) => socket.end(`echo ${chunk.toString()}`));
      }),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await rig.start((r) => [secureRoute(r, { mode: 'passthrough', ports: [port] })]);
    const socket = net.connect({ host: '127.0.0.1', port: await rig.door(NAME, port) });
    const [greeting] = (await once(socket, 'data')) as [Buffer];
    expect(greeting.toString()).toBe('220 hello\r\n');
    socket.write('hi');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toBe('echo hi');
    socket.destroy();
  });
});

describe('WebSocket', () => {
  beforeEach(() => {
    rig.onUpgrade = (request, socket, head) => {
      const accept = createHash('sha1')
        .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      socket.on('data', (chunk: Buffer) => socket.write(frame(`echo ${unframe(chunk)}`)));
      if (head.length > 0) socket.emit('data', head);
    };
  });

  test('a real client talks through an inspected route', async () => {
    await rig.start((r) => [secureRoute(r, { paths: ['/ws'] })]);
    const script = `
      const { WebSocket, Agent } = require('undici');
      const tls = require('node:tls');
      const dispatcher = new Agent({ allowH2: false, connect: (_options, done) => {
        const socket = tls.connect({ host: '127.0.0.1', port: Number(process.env.DOOR), servername: process.env.NAME, ca: process.env.CA }, () => done(null, socket));
        socket.on('error', (error) => done(error, null));
      } });
      const ws = new WebSocket(process.env.URL_, { dispatcher });
      ws.onopen = () => ws.send('hello'); ws.onmessage = (e) => { console.log(e.data); ws.close(); process.exit(0); }; ws.onerror = (e) => { console.error(e.error); process.exit(3); };
    `;
    const go = async (rest: string) =>
      run([process.execPath, '-e', script], {
        timeoutMs: 15_000,
        env: {
          CA: rig.ca.certificatePem,
          NAME,
          DOOR: String(doorPort),
          URL_: `wss://${NAME}:${rig.httpsPort}${rest}`,
        },
      });
    const allowed = await go('/ws');
    expect(allowed.stdout.toString() + allowed.stderr.toString()).toBe('echo hello\n');
    expect(rig.seen[0]).toMatchObject({ url: '/ws', headers: { upgrade: 'websocket' } });
    expect((await go('/other')).exitCode).toBe(3);
    expect(rig.seen).toHaveLength(1);
  });

  test('a server that does not answer is left when the client leaves', async () => {
    await rig.start((r) => [secureRoute(r)]);
    const left = new Promise<void>((resolve) => {
      rig.onUpgrade = (_request, socket) => void socket.once('close', resolve).resume();
    });
    const client = await connectTls();
    client.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\n${UPGRADE}\r\n`);
    await expect.poll(() => rig.seen.length).toBe(1);
    client.destroy();
    await left;
  });

  test('a server that declines gives a clear answer', async () => {
    await rig.start((r) => [secureRoute(r)]);
    rig.onUpgrade = (_request, socket) => void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    expect(await rawRequest(`GET / HTTP/1.1\r\nHost: HOST\r\n${UPGRADE}\r\n`)).toMatch(/^HTTP\/1\.1 (403|502) /);
  });
});

describe('git', () => {
  test('clones over an inspected route', async () => {
    const work = path.join(rig.dir, 'work');
    await mkdir(work);
    const git = (...args: string[]) => runOrThrow(['git', '-C', work, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args]);
    await git('init', '-q', '-b', 'main');
    await writeFile(path.join(work, 'big'), randomBytes(2_000_000));
    await git('add', '.');
    await git('commit', '-q', '-m', 'one');
    await git('update-server-info');
    const { readFile } = await import('node:fs/promises');
    rig.handler = (request, response) => {
      readFile(path.join(work, '.git', (request.url ?? '').split('?', 1)[0] ?? '')).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    };
    await rig.start((r) => [secureRoute(r, { methods: ['GET'] })]);
    const target = path.join(rig.dir, 'clone');
    const proxyUrl = `http://127.0.0.1:${rig.proxyPort}`;
    await runOrThrow([
      'git',
      '-c',
      `http.proxy=${proxyUrl}`,
      '-c',
      `http.sslCAInfo=${path.join(rig.dir, 'ca.pem')}`,
      'clone',
      '-q',
      url('/'),
      target,
    ]);
    const head = async (dir: string) => (await runOrThrow(['git', '-C', dir, 'rev-parse', 'HEAD'])).stdout.toString();
    expect(await head(target)).toBe(await head(work));
  });
});

describe('a change of policy', () => {
  test('cuts what it does not allow, and leaves the rest', async () => {
    // A server that never ends a connection by itself
    const port = await listen(rig.track(net.createServer((socket) => socket.pipe(socket))));
    const gone = { name: 'gone', hosts: ['gone.test.example'], mode: 'passthrough' as const, privateNetworks: LOOPBACK };
    await rig.start((r) => [secureRoute(r), { ...gone, ports: [port] }]);
    const stays = await connectTls();
    const raw = net.connect({ host: '127.0.0.1', port: await rig.door('gone.test.example', port) });
    raw.write('hello');
    await once(raw, 'data');
    rig.egress.setPolicy(rig.policy([secureRoute(rig)]));
    await once(raw, 'close');
    stays.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nConnection: close\r\n\r\n`);
    const [answer] = (await once(stays, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200/);
  });

  test('cuts a connection that is passed through when its rule changed, and not when another one did', async () => {
    const port = await listen(rig.track(net.createServer((socket) => socket.pipe(socket))));
    const passed = (networks: readonly string[]) => secureRoute(rig, { mode: 'passthrough', ports: [port], privateNetworks: networks });
    const other = secureRoute(rig, { name: 'other', hosts: ['other.test.example'] });
    await rig.start(() => [passed(LOOPBACK)]);
    const raw = net.connect({ host: '127.0.0.1', port: await rig.door(NAME, port) });
    const echo = async (text: string): Promise<string> => {
      raw.write(text);
      return String((await once(raw, 'data'))[0]);
    };
    expect(await echo('one')).toBe('one');
    rig.egress.setPolicy(rig.policy([other, passed(LOOPBACK)]));
    expect(await echo('two')).toBe('two');
    rig.egress.setPolicy(rig.policy([other, passed(['10.0.0.0/8'])]));
    await once(raw, 'close');
  });

  describe.each([
    ['the path', () => [secureRoute(rig, { paths: ['/v2'] })]],
    ['the host', () => []],
  ] as const)('that takes back %s has taken effect when it returns:', (what, left) => {
    const change = (): void => rig.egress.setPolicy(rig.policy(left()));
    const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    const head = (fields = ''): string => `GET /v1 HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\n${fields}\r\n`;

    test.each(['transparent', 'CONNECT'])('the next request on an open connection of HTTP/1.1 (%s)', async (way) => {
      await rig.start((r) => [secureRoute(r)]);
      const client = way === 'CONNECT' ? await connectTls(await tunnel()) : await connectTls();
      client.on('error', () => client.destroy()).write(head());
      expect(String((await once(client, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
      const next = Promise.race([once(client, 'data'), once(client, 'close')]);
      change();
      client.write(head());
      const [answer] = (await next) as [Buffer | boolean];
      if (what === 'the path') expect(String(answer)).toMatch(/^HTTP\/1\.1 403 /);
      else expect(answer).not.toBeInstanceOf(Buffer);
      expect(rig.seen).toHaveLength(1);
      client.destroy();
    });

    test('the next stream of an open connection of HTTP/2, and the one that runs', async () => {
      await rig.start((r) => [secureRoute(r)]);
      rig.handler = (_request, response) => void response.writeHead(200).write('first');
      const session = http2.connect(`https://${NAME}:${rig.httpsPort}`, {
        createConnection: () => tls.connect({ port: doorPort, servername: NAME, ca: rig.ca.certificatePem, ALPNProtocols: ['h2'] }),
      });
      session.on('error', () => undefined);
      const ask = (): http2.ClientHttp2Stream => session.request({ ':path': '/v1' }).on('error', () => undefined);
      const running = ask();
      await once(running, 'data');
      const cut = new Promise((resolve) => running.once('close', resolve));
      change();
      running.resume();
      await cut;
      expect(running.rstCode).not.toBe(http2.constants.NGHTTP2_NO_ERROR);
      if (what === 'the path') expect((await once(ask(), 'response'))[0]).toMatchObject({ ':status': 403 });
      else await expect.poll(() => session.destroyed).toBe(true);
      expect(rig.seen).toHaveLength(1);
      session.destroy();
    });

    test('an open WebSocket', async () => {
      await rig.start((r) => [secureRoute(r)]);
      const received: Buffer[] = [];
      rig.onUpgrade = (_request, socket) => {
        socket.on('data', (chunk: Buffer) => received.push(chunk)).on('error', () => undefined);
        socket.write(upgraded);
      };
      const client = await connectTls();
      client.on('error', () => client.destroy()).write(head(UPGRADE));
      expect(String((await once(client, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /);
      const frame = Buffer.from([0x82, 0x81, 0, 0, 0, 0, 65]);
      client.write(frame);
      await expect.poll(() => Buffer.concat(received)).toEqual(frame);
      const closed = once(client, 'close');
      change();
      client.write(frame);
      await closed;
      expect(Buffer.concat(received)).toEqual(frame);
    });
  });

  test('that takes back a host has taken effect when it returns: bytes of a connection that is passed through', async () => {
    const received: Buffer[] = [];
    const echo = net.createServer((socket) => socket.on('data', (chunk: Buffer) => received.push(chunk)).pipe(socket));
    const port = await listen(rig.track(echo));
    await rig.start((r) => [secureRoute(r, { mode: 'passthrough', ports: [port] })]);
    const raw = net.connect({ host: '127.0.0.1', port: await rig.door(NAME, port) });
    raw.on('error', () => raw.destroy()).write('one');
    await once(raw, 'data');
    const closed = once(raw, 'close');
    rig.egress.setPolicy(rig.policy([]));
    raw.write('two');
    await closed;
    expect(Buffer.concat(received).toString()).toBe('one');
  });

  test('cuts a stream that runs, when its path is no longer allowed', async () => {
    await rig.start((r) => [secureRoute(r)]);
    rig.handler = (_request, response) => void response.writeHead(200).write('first');
    const client = await connectTls();
    client.on('error', () => client.destroy());
    client.write(`GET /v1 HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\n\r\n`);
    await once(client, 'data');
    rig.egress.setPolicy(rig.policy([secureRoute(rig, { paths: ['/v2'] })]));
    await once(client, 'close');
    expect((await rig.curl(url('/v1'))).status).toBe(403);
  });

  test('every decision is in a chain that verifies', async () => {
    await rig.start((r) => [secureRoute(r, { paths: ['/v1'] })]);
    await rig.curl(url('/v1?secret-query=1'));
    await rig.curl(url('/v2'));
    const lines = await rig.audit();
    expect(lines.map((line) => [line.kind, line.decision, line.reason])).toEqual([
      ['request', 'allow', undefined],
      ['end', 'allow', undefined],
      ['request', 'deny', 'path-not-allowed'],
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret-query');
    expect(verifyAuditLog(rig.auditFile)).toEqual({ intact: true, lines: 3 });
  });
});

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
let doorPort = 0;

beforeEach(async () => {
  doorPort = await rig.door(NAME, rig.httpsPort);
});

async function connectTls(below?: net.Socket): Promise<tls.TLSSocket> {
  const where = below === undefined ? { host: '127.0.0.1', port: doorPort } : { socket: below };
  const socket = tls.connect({ ...where, servername: NAME, ca: rig.ca.certificatePem });
  await once(socket, 'secureConnect');
  return socket;
}

/** Sends bytes as they are over TLS; gives all that comes back. */
async function rawRequest(text: string): Promise<string> {
  const socket = await connectTls();
  socket.write(text.replaceAll('HOST', `${NAME}:${rig.httpsPort}`));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => socket.destroy());
  socket.setTimeout(5_000, () => socket.destroy());
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}

function frame(text: string): Buffer {
  return Buffer.concat([Buffer.of(0x81, text.length), Buffer.from(text)]);
}

function unframe(bytes: Buffer): string {
  const length = (bytes[1] ?? 0) & 0x7f;
  const mask = bytes.subarray(2, 6);
  return Buffer.from(bytes.subarray(6, 6 + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0))).toString();
}

/** A connection to the upstream by the explicit proxy. */
async function tunnel(): Promise<net.Socket> {
  const socket = net.connect(rig.proxyPort, '127.0.0.1');
  socket.write(`CONNECT ${NAME}:${rig.httpsPort} HTTP/1.1\r\n\r\n`);
  await once(socket, 'data');
  return socket;
}
