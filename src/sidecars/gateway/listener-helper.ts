/*
 * Runs inside the bottle's network namespace: opens the sockets that the gateway asks for, hands them over and waits for more orders.
 * It must not run in any other namespace: where the one it finds itself in is not the expected one it opens nothing.
 *
 * argv: the pid of the gateway, the expected namespace (`net:[…]`). Orders come as `HelperOrder`.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { readlinkSync, writeSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import type { HelperMessage, HelperOrder, ListenerSpec } from './listener-spec.ts';
import { makeSocket } from './namespace-sockets.ts';

const PARENT_CHECK_MS = 100;

const [gatewayPid, expected] = process.argv.slice(2);

// Node 26 gives no `disconnect` when the other end goes while a socket is being sent, so the parent itself is watched
setInterval(endWithGateway, PARENT_CHECK_MS);
endWithGateway();
process.on('disconnect', () => process.exit());
process.on('message', ({ specs, spares }: HelperOrder) => {
  if (readlinkSync('/proc/self/ns/net') !== expected) return fail('the helper is not in the namespace of the bottle');
  for (const spec of specs) {
    if (spec.protocol === 'udp') openUdp(spec);
    else openTcp(spec);
  }
  for (let made = 0; made < spares; made += 1) openSpare();
});

function endWithGateway(): void {
  if (process.ppid === Number(gatewayPid)) return;
  writeSync(2, `the gateway ${gatewayPid} is not the parent, ${process.ppid} is\n`);
  process.exit(1);
}

function openTcp(spec: ListenerSpec): void {
  const server = createServer();
  server.once('error', (error) => failFor(spec, error));
  server.listen({ host: spec.address, port: spec.port }, () => report({ kind: 'open', spec }, server));
}

function openUdp(spec: ListenerSpec): void {
  const socket = createSocket('udp4');
  socket.once('error', (error) => failFor(spec, error));
  socket.bind({ address: spec.address, port: spec.port }, () => report({ kind: 'open', spec }, socket));
}

/** Sent as the bare handle: a whole `Socket` would begin to read at the other end, which an unbound one cannot. */
function openSpare(): void {
  const fd = makeSocket();
  if (fd === undefined) return fail('no socket could be made');
  const socket: Socket & { readonly _handle?: Server } = new Socket({ fd, readable: false, writable: true });
  report({ kind: 'spare' }, socket._handle);
}

function failFor({ protocol, address, port }: ListenerSpec, error: Error): void {
  fail(`${protocol} ${address}:${port}: ${error.message}`);
}

function fail(reason: string): void {
  report({ kind: 'failed', reason });
}

/** What was handed over is closed here: two processes with one socket would share what arrives. */
function report(message: HelperMessage, socket?: Server | UdpSocket): void {
  process.send?.(message, socket, undefined, () => socket?.close());
}
