import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { isTerokError, systemCodeOf } from '../../../src/core/index.ts';
import { openPublishedPorts } from '../../../src/sidecars/gateway/index.ts';

const ADDRESS = '127.77.250.250';
const opened: Server[] = [];

afterEach(() => {
  for (const server of opened.splice(0)) server.close();
});

/** A server that stands for the one in the bottle. */
async function listen(onConnection: (socket: Duplex) => void, host = '127.0.0.1'): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  }).listen(0, host);
  opened.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function publish(port: number, hostPort: number): Promise<void> {
  const toBottle = async (target: number): Promise<Duplex> => {
    const socket = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return socket;
  };
  opened.push(...(await openPublishedPorts({ address: ADDRESS, ports: [{ hostPort, port }] }, toBottle)));
}

async function freePort(): Promise<number> {
  const port = await listen(() => undefined, ADDRESS);
  opened.pop()?.close();
  return port;
}

async function outcome(host: string, port: number): Promise<string> {
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.end('hello');
  return await text(socket).catch((error: unknown) => systemCodeOf(error) ?? 'error');
}

describe('published ports', () => {
  test('bytes and half-closes pass both ways, on that one address', async () => {
    const port = await listen((socket) => {
      let got = '';
      socket.on('data', (chunk: Buffer) => (got += chunk.toString())).once('end', () => socket.end(got.toUpperCase()));
    });
    const hostPort = await freePort();
    await publish(port, hostPort);
    expect(await outcome(ADDRESS, hostPort)).toBe('HELLO');
    for (const other of ['127.0.0.1', '127.77.250.251']) expect(await outcome(other, hostPort)).toBe('ECONNREFUSED');
  });

  test('a port on which nothing listens resets the client, and leads to a server that starts later', async () => {
    const port = await freePort();
    const hostPort = await freePort();
    await publish(port, hostPort);
    expect(await outcome(ADDRESS, hostPort)).toBe('ECONNRESET');
    const server = createServer((socket) => socket.end('late')).listen(port, '127.0.0.1');
    opened.push(server);
    await once(server, 'listening');
    expect(await outcome(ADDRESS, hostPort)).toBe('late');
  });

  test('a client that does not read holds the bottle back', async () => {
    let written = 0;
    const chunk = Buffer.alloc(256 * 1024);
    const port = await listen((socket) => {
      const write = (): void => {
        while (!socket.destroyed && written < 2 ** 30 && socket.write(chunk)) written += chunk.length;
        socket.once('drain', write);
      };
      write();
    });
    const hostPort = await freePort();
    await publish(port, hostPort);
    const client = connect({ host: ADDRESS, port: hostPort }).pause();
    await once(client, 'connect');
    let seen = -1;
    while (seen !== written) {
      seen = written;
      await sleep(300);
    }
    expect(written).toBeLessThan(64 * 1024 * 1024);
    client.destroy();
  });

  test('a bottle that breaks off resets the client', async () => {
    const port = await listen((socket) => (socket as Socket).resetAndDestroy());
    const hostPort = await freePort();
    await publish(port, hostPort);
    expect(await outcome(ADDRESS, hostPort)).toBe('ECONNRESET');
  });

  test('a client that leaves ends the stream of the bottle', async () => {
    let left: () => void = () => undefined;
    const leaving = new Promise<void>((resolve) => (left = resolve));
    const port = await listen((socket) => socket.resume().once('end', left));
    const hostPort = await freePort();
    await publish(port, hostPort);
    const client = connect(hostPort, ADDRESS);
    await once(client, 'connect');
    client.resetAndDestroy();
    await leaving;
  });

  test('a port that is taken is refused with who, where and what to do; none of the others stays open', async () => {
    const taken = await listen(() => undefined, '0.0.0.0');
    const free = await freePort();
    const ports = [
      { hostPort: free, port: 80 },
      { hostPort: taken, port: 3000 },
    ];
    const error = await openPublishedPorts({ address: ADDRESS, ports }, () => Promise.reject(new Error('unused'))).catch(
      (why: unknown) => why,
    );
    expect(isTerokError(error) && error.toJSON()).toMatchObject({
      code: 'GATEWAY_FAILED',
      message: `Port 3000 of the bottle cannot be published at ${ADDRESS}:${taken}: another program listens there.`,
      hint: 'End it, or choose another port: `--publish HOSTPORT:3000`, or `ports` in the configuration.',
    });
    expect(await outcome(ADDRESS, free)).toBe('ECONNREFUSED');
  });
});
