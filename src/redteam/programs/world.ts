/*
 * The control of attacks on the seal: runs in an empty network namespace of its own, gives itself every address that is attacked, answers
 * on every port, and carries the same steps out there. What a bottle could reach if its network led anywhere is reached here.
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { runStep, type Step } from './steps.ts';

function listenTcp(port: number, host: string): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()).end('world'));
  return new Promise((resolve) => server.once('error', () => resolve()).listen(port, host, resolve));
}

function listenUdp(port: number, host: string): Promise<void> {
  const socket = host === '::' ? createSocket({ type: 'udp6', ipv6Only: true }) : createSocket('udp4');
  socket.on('message', (_message, from) => socket.send('world', from.port, from.address));
  return new Promise((resolve) => socket.once('error', () => resolve()).bind(port, host, resolve));
}

/** Without IPv6 in the kernel its addresses stay out, and the steps to them fail */
function addAddress(address: string): void {
  const argv = ['address', 'add', `${address}/${address.includes(':') ? 128 : 32}`, 'dev', 'lo'];
  try {
    execFileSync('ip', argv, { stdio: 'ignore' });
  } catch {
    // the outcome of the steps says so
  }
}

const steps = JSON.parse(await text(process.stdin)) as readonly Step[];
execFileSync('ip', ['link', 'set', 'lo', 'up']);
for (const address of new Set(steps.map(({ host }) => host))) addAddress(address);
const ports = [...new Set(steps.map(({ port }) => port))];
await Promise.all(
  ports.flatMap((port) => [listenTcp(port, '0.0.0.0'), listenTcp(port, '::'), listenUdp(port, '0.0.0.0'), listenUdp(port, '::')]),
);
const outcomes = await Promise.all(steps.map(runStep));
process.stdout.write(JSON.stringify(outcomes), () => process.exit(0));
