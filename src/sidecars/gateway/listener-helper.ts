/*
 * Runs inside the bottle's network namespace for a few milliseconds: opens listening sockets and hands them to the gateway.
 * It must not run in any other namespace: where the one it finds itself in is not the expected one it opens nothing.
 *
 * argv: the pid of the gateway, the expected namespace (`net:[…]`), then the sockets as JSON, see `ListenerSpec`.
 */
import { createSocket, type Socket } from 'node:dgram';
import { readlinkSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { HelperMessage, ListenerSpec } from './listener-spec.ts';

const PARENT_CHECK_MS = 20;
/** Far above what the gateway waits for. */
const LIFETIME_MS = 30_000;

const [gatewayPid, expected, specs] = process.argv.slice(2);

// Node 26 gives no `disconnect` when the other end goes while a socket is being sent, so the parent itself is watched
setInterval(endWithGateway, PARENT_CHECK_MS);
setTimeout(() => process.exit(1), LIFETIME_MS);
endWithGateway();
if (expected === undefined || specs === undefined || readlinkSync('/proc/self/ns/net') !== expected) {
  report({ kind: 'failed', reason: 'the helper is not in the namespace of the bottle' });
} else {
  openAll(JSON.parse(specs) as ListenerSpec[]);
}

function endWithGateway(): void {
  if (process.ppid === Number(gatewayPid)) return;
  writeSync(2, `the gateway ${gatewayPid} is not the parent, ${process.ppid} is\n`);
  process.exit(1);
}

function openAll(wanted: readonly ListenerSpec[]): void {
  for (const spec of wanted) {
    if (spec.protocol === 'udp') openUdp(spec);
    else openTcp(spec);
  }
}

function openTcp(spec: ListenerSpec): void {
  const server = createServer();
  server.once('error', (error) => fail(spec, error));
  server.listen({ host: spec.address, port: spec.port }, () => report({ kind: 'open', spec }, server));
}

function openUdp(spec: ListenerSpec): void {
  const socket = createSocket('udp4');
  socket.once('error', (error) => fail(spec, error));
  socket.bind({ address: spec.address, port: spec.port }, () => report({ kind: 'open', spec }, socket));
}

function fail(spec: ListenerSpec, error: Error): void {
  report({ kind: 'failed', reason: `${spec.protocol} ${spec.address}:${spec.port}: ${error.message}` });
}

function report(message: HelperMessage, handle?: Server | Socket): void {
  process.send?.(message, handle);
}
