/* Requests without a body go a short way of their own, on both sides; whatever else comes on the same connection is served as ever. */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EgressOptions } from '../../src/sidecars/egress/index.ts';
import { LOOPBACK, listen, NAME, Rig, secureRoute } from './egress-harness.ts';

let rig: Rig;
let port: number;
/** What each connection to the server has received */
let received: string[];
let answer: (socket: net.Socket, count: number, connection: number) => void;

const head = (...lines: string[]): string => `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const say = (text: string): string => `${head(`content-length: ${text.length}`)}${text}`;
const request = (line: string, ...lines: string[]): string => [`${line} HTTP/1.1`, `Host: ${NAME}:${port}`, ...lines, '', ''].join('\r\n');

beforeEach(async () => {
  rig = await Rig.open();
  received = [];
  answer = (socket, count, connection) => socket.write(say(`${connection}.${count}`));
  const server = rig.track(
    net.createServer((socket) => {
      const connection = received.push('') - 1;
      let count = 0;
      socket.on('data', (chunk) => {
        received[connection] += chunk.toString('latin1');
        count += 1;
        answer(socket, count, connection);
      });
    }),
  );
  port = await listen(server);
  await start({});
});
afterEach(async () => await rig[Symbol.asyncDispose]());

async function start(clientLimits: NonNullable<EgressOptions['clientLimits']>): Promise<void> {
  const route = { ports: [port], plainUpstream: true, privateNetworks: LOOPBACK, paths: ['/'] };
  await rig.start((r) => [secureRoute(r, route)], { clientLimits });
}

/** A connection of a bottle, and all that came on it. */
class Client implements Disposable {
  readonly socket: tls.TLSSocket;
  text = '';

  static async open(): Promise<Client> {
    const options = { host: '127.0.0.1', port: await rig.door(NAME, port), servername: NAME, ca: rig.ca.certificatePem };
    const client = new Client(tls.connect(options));
    await once(client.socket, 'secureConnect');
    return client;
  }

  private constructor(socket: tls.TLSSocket) {
    this.socket = socket;
    socket.on('error', () => undefined).on('data', (chunk) => (this.text += chunk.toString('latin1')));
  }

  async ask(text: string, wanted: RegExp): Promise<string> {
    this.text = '';
    this.socket.write(text, 'latin1');
    await this.expect(wanted);
    return this.text;
  }

  async expect(wanted: RegExp): Promise<void> {
    await expect.poll(() => this.text, { timeout: 10_000 }).toMatch(wanted);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Node's server says this, the short way does not. */
const OF_NODE = /^keep-alive: /im;

describe('a connection of the bottle', () => {
  test('carries one plain request after another, over one connection to the server', async () => {
    using client = await Client.open();
    for (const count of [1, 2, 3]) {
      const text = await client.ask(request('GET /'), new RegExp(`0\\.${count}$`));
      expect(text).toBe(say(`0.${count}`));
    }
    expect(received).toHaveLength(1);
    expect((await rig.audit()).filter(({ kind }) => kind === 'request')).toHaveLength(3);
    await expect.poll(async () => (await rig.audit()).filter(({ kind }) => kind === 'end')).toHaveLength(3);
  });

  test.each([
    ['a body', () => `${request('POST /', 'Content-Length: 5')}hello`],
    ['a body in chunks', () => `${request('POST /', 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`],
    ['another method', () => request('DELETE /')],
    ['a field that speaks about the connection', () => request('GET /', 'Connection: x-a', 'X-A: 1')],
    ['two requests at once', () => request('GET /').repeat(2)],
  ])('goes on where %s follows a plain request', async (_what, odd) => {
    answer = (socket, _count, connection) => {
      if (!received[connection]?.endsWith('0\r\n\r\n') && /chunked\r\n\r\n/.test(received[connection] ?? '')) return;
      socket.write(say('ok'));
    };
    using client = await Client.open();
    expect(await client.ask(request('GET /'), /ok$/)).not.toMatch(OF_NODE);
    expect(await client.ask(odd(), /ok$/)).toMatch(OF_NODE);
    expect(await client.ask(request('GET /last'), /ok$/)).toMatch(OF_NODE);
    expect(received.join('')).toContain('GET /last HTTP/1.1\r\n');
  });

  test('answers what came before the answer to a plain request, in order, and what it says is lost nowhere', async () => {
    let finish = (): void => undefined;
    answer = (socket, _count, connection) => {
      if (/^GET \/1 (?!.*GET)/s.test(received[connection] ?? '')) finish = () => socket.write(say('first'));
      else socket.write(say('second'));
    };
    using client = await Client.open();
    client.socket.write(request('GET /1'));
    await expect.poll(() => received.join('')).toContain('GET /1 ');
    client.socket.write(request('GET /2'));
    client.socket.write(`${request('GET /3')}${request('GET /4')}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(received.join('')).not.toContain('GET /2 ');
    finish();
    await client.expect(/first(?:.*second){3}$/s);
    expect([...received.join('').matchAll(/GET \/(\d)/g)].map(([, at]) => at)).toEqual(['1', '2', '3', '4']);
  });

  test('holds back who sends without end before an answer', async () => {
    answer = () => undefined;
    using client = await Client.open();
    client.socket.write(request('GET /1'));
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    while (sent < 400) {
      sent += 1;
      if (client.socket.write(chunk)) continue;
      const wasHeld = await Promise.race([
        once(client.socket, 'drain').then(() => false),
        new Promise((done) => setTimeout(done, 400, true)),
      ]);
      if (wasHeld === true) break;
    }
    expect(sent).toBeLessThan(200);
  });

  test('is judged request by request, and ends with a refusal', async () => {
    rig.egress.setPolicy(rig.policy([secureRoute(rig, { ports: [port], plainUpstream: true, paths: ['/open'] })]));
    using client = await Client.open();
    await client.ask(request('GET /open'), /0\.1$/);
    const text = await client.ask(request('GET /shut'), /path-not-allowed/);
    expect(text).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*connection: close\r\n/);
    client.socket.write(request('GET /open'));
    await expect.poll(() => client.socket.destroyed).toBe(true);
    expect(received.join('').match(/GET/g)).toHaveLength(1);
  });

  test('ends where it is silent for too long, but not before an answer', async () => {
    await rig.egress.close();
    await start({ idleMs: 300 });
    answer = (socket) => setTimeout(() => socket.write(say('late')), 900);
    using client = await Client.open();
    await client.ask(request('GET /'), /late$/);
    expect(client.socket.destroyed).toBe(false);
    await expect.poll(() => client.socket.destroyed, { timeout: 5_000 }).toBe(true);
  });

  test('ends where the head of a later request comes too slowly', async () => {
    await rig.egress.close();
    await start({ headMs: 400 });
    using client = await Client.open();
    await client.ask(request('GET /'), /0\.1$/);
    const timer = setInterval(() => client.socket.write('a'), 50);
    client.socket.write('GET /');
    await expect.poll(() => client.socket.destroyed, { timeout: 5_000 }).toBe(true);
    clearInterval(timer);
  });

  test('is given up where the client leaves', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    answer = (socket) => {
      closed = once(socket, 'close');
    };
    using client = await Client.open();
    client.socket.write(request('GET /'));
    await expect.poll(() => received.join('')).toContain('GET /');
    client.socket.destroy();
    await closed;
  });

  test('becomes a WebSocket after a plain request', async () => {
    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ];
    answer = (socket) => {
      const isUpgrade = /upgrade: websocket/i.test(received.join(''));
      socket.write(isUpgrade ? 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n' : say('ok'));
    };
    using client = await Client.open();
    await client.ask(request('GET /'), /ok$/);
    await client.ask(request('GET /', ...upgrade), /^HTTP\/1\.1 101 /);
  });

  test('gives an answer without a length in chunks, and that to HEAD without a body', async () => {
    answer = (socket) => socket.end(`${head()}hello`);
    using client = await Client.open();
    expect(await client.ask(request('GET /'), /0\r\n\r\n$/)).toBe(`${head('transfer-encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`);
    answer = (socket) => socket.write(head('content-length: 5'));
    expect(await client.ask(request('HEAD /'), /\r\n\r\n$/)).toBe(head('content-length: 5'));
    answer = (socket) => socket.write(say('ok'));
    await client.ask(request('GET /'), /ok$/);
  });
});

describe('a connection to the server', () => {
  test('that was closed while it waited is replaced, where the request has no consequences', async () => {
    answer = (socket, count, connection) => {
      if (count === 2) socket.destroy();
      else socket.write(say(`from ${connection}`));
    };
    using client = await Client.open();
    await client.ask(request('GET /'), /from 0$/);
    await client.ask(request('GET /again'), /from 1$/);
    expect(received.map((text) => text.match(/GET \S+/g))).toEqual([['GET /', 'GET /again'], ['GET /again']]);
  });

  test.each([
    ['with consequences', 'DELETE /again', (socket: net.Socket) => socket.destroy()],
    ['whose answer had begun', 'GET /again', (socket: net.Socket) => socket.end('HTTP/1.1 2')],
  ])('that was closed does not make a request %s be sent twice', async (_what, line, close) => {
    answer = (socket, count) => {
      if (count === 2) close(socket);
      else socket.write(say('ok'));
    };
    using client = await Client.open();
    await client.ask(request('GET /'), /ok$/);
    await client.ask(request(line), /upstream-failed/);
    expect(received.join('').match(/again/g)).toHaveLength(1);
  });

  test.each([
    ['after its answer', (socket: net.Socket) => socket.write(`${say('ok')}${say('evil')}`)],
    ['while nobody asks', (socket: net.Socket) => socket.write(say('ok'), () => setTimeout(() => socket.write(say('evil')), 50))],
  ])('on which the server speaks %s is used for nobody else', async (_what, speak) => {
    answer = speak;
    using client = await Client.open();
    await client.ask(request('GET /1'), /ok$/);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(client.text).toBe(say('ok'));
    expect(await client.ask(request('GET /2'), /ok$/)).toBe(say('ok'));
    expect(received).toHaveLength(2);
  });

  test('whose answer is not understood fails that request, and no other uses it', async () => {
    answer = (socket) => socket.write(`${head('content-length: 2', 'content-length: 2')}ok`);
    using client = await Client.open();
    await client.ask(request('GET /1'), /upstream-failed/);
    answer = (socket) => socket.write(say('fine'));
    using next = await Client.open();
    await next.ask(request('GET /2'), /fine$/);
    expect(received).toHaveLength(2);
  });
});
