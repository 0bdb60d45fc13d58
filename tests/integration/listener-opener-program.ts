/*
 * Opens listeners in the namespace of a sealed network as its gateway does, in a process whose flags a test chooses; each connection is
 * told `hello`. argv: the holder as JSON. Prints one line of JSON and goes on until its input ends.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../../src/core/index.ts';
import { ListenerOpener } from '../../src/sidecars/gateway/listener-set.ts';
import type { ListenerSpec } from '../../src/sidecars/gateway/listener-spec.ts';

const holder = JSON.parse(process.argv[2] ?? '') as ProcessIdentity;
const opener = new ListenerOpener({ holder, rootless: true });
const tcp = (port: number): ListenerSpec => ({ protocol: 'tcp', address: '0.0.0.0', port });
const open = (specs: readonly ListenerSpec[]) =>
  opener.open(specs, { onConnection: (socket) => void socket.end('hello'), onDatagram: (message, reply) => reply(message) });
const helpers = (): string => readFileSync('/proc/thread-self/children', 'utf8').trim();

await open([{ protocol: 'udp', address: '198.18.0.9', port: 7000 }, tcp(7001)]);
await sleep(200);
const first = helpers();
const later = open([tcp(7002), tcp(22)]);
const second = helpers();
await later;
const taken = await open([tcp(7002)]).then(
  () => 'opened',
  (error: unknown) => String(error),
);
process.stdout.write(`${JSON.stringify({ first, second, taken })}\n`);
process.stdin.on('end', () => process.exit()).resume();
