import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { DenialLog } from '../../../src/sidecars/gateway/denial-log.ts';
import { ExecBroker } from '../../../src/sidecars/gateway/exec-broker.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Two ends of a connection: the one that dialled, and the one that the broker sees. */
async function connect(accept: (socket: Socket) => void): Promise<Socket> {
  const server = createServer({ allowHalfOpen: true }, accept);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  const socket = createConnection({ port: bound.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => socket.destroy());
  await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
  return socket;
}

function textOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.once('close', () => resolve(text)).once('end', () => resolve(text));
  });
}

async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const newBroker = (): ExecBroker => new ExecBroker(new DenialLog({ record: () => undefined }));

describe('ExecBroker', () => {
  it('joins a waiting bottle and a client, after one `g`, each direction ending by itself', async () => {
    const broker = newBroker();
    const bottle = await connect((socket) => broker.offer(socket));
    await until(() => broker.idle === 1);
    const client = await connect((socket) => broker.take(socket));
    const heard = textOf(bottle);
    client.end('question');
    expect(await heard).toBe('gquestion');
    const answer = textOf(client);
    bottle.end('x'.repeat(1_000_000));
    expect((await answer).length).toBe(1_000_000);
    expect(broker.idle).toBe(0);
  });

  it('answers a waiting bottle what time it is, and then lets it have its session', async () => {
    const broker = newBroker();
    const bottle = await connect((socket) => broker.offer(socket));
    const heard = textOf(bottle);
    const before = Date.now();
    bottle.write('t\n');
    await once(bottle, 'data');
    const client = await connect((socket) => broker.take(socket));
    client.end('question');
    const [, microseconds] = /^t(\d+)\ngquestion$/.exec(await heard) ?? [];
    expect(Number(microseconds) / 1000).toBeGreaterThanOrEqual(before);
    expect(Number(microseconds) / 1000).toBeLessThanOrEqual(Date.now());
  });

  it('lets a client wait for the bottle', async () => {
    const broker = newBroker();
    const client = await connect((socket) => broker.take(socket));
    const bottle = await connect((socket) => broker.offer(socket));
    const heard = textOf(bottle);
    client.end('late');
    expect(await heard).toBe('glate');
  });

  it('forgets a connection whose bottle left, and resets one that talks before its turn', async () => {
    const broker = newBroker();
    const leaver = await connect((socket) => broker.offer(socket));
    const talker = await connect((socket) => {
      socket.on('error', () => undefined);
      broker.offer(socket);
    });
    await until(() => broker.idle === 2);
    leaver.end();
    talker.write('me first');
    await until(() => broker.idle === 0);
    expect(broker.idle).toBe(0);
  });

  it('keeps a few idle connections of a flood and resets the others', async () => {
    const broker = newBroker();
    const sockets = await Promise.all(Array.from({ length: 40 }, () => connect((socket) => broker.offer(socket))));
    for (const socket of sockets) socket.resume();
    await until(() => sockets.filter((socket) => socket.destroyed).length === 24);
    expect(broker.idle).toBe(16);
    for (const socket of sockets) socket.destroy();
  });

  it('takes nothing more from the bottle while a client does not read', async () => {
    const broker = newBroker();
    const bottle = await connect((socket) => broker.offer(socket));
    const client = await connect((socket) => broker.take(socket));
    client.pause();
    const sent = 64 << 20;
    bottle.write(Buffer.alloc(sent));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(bottle.bytesWritten - bottle.writableLength).toBeLessThan(sent);
    expect(bottle.writableLength).toBeGreaterThan(sent / 2);
    client.destroy();
  });
});
