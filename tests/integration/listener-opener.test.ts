import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSealedNetwork } from '../../src/sidecars/gateway/index.ts';
import { makeTestNetwork, probeFrom, removeTestNetworks, whyNoNamespaces } from './sealed-network-harness.ts';

const reason = whyNoNamespaces();
const PROGRAM = fileURLToPath(new URL('listener-opener-program.ts', import.meta.url));

beforeEach((context) => {
  if (reason !== undefined) context.skip(reason);
});
afterEach(removeTestNetworks);

it.each([
  ['binds a socket of its stock, and its helper has ended', [], /^$/],
  ['orders it from the helper that stays, where Node cannot call the C library', ['--no-experimental-ffi'], /^\d+$/],
])('a new port where a user namespace owns the network needs no new process: the gateway %s', async (_, flags, helper) => {
  const network = await makeTestNetwork([], { namespaceLauncher: ['unshare', '--user', '--map-root-user', '--'] });
  await (await openSealedNetwork(network.plan)).ready;
  const argv = ['--disable-warning=ExperimentalWarning', ...flags, PROGRAM, JSON.stringify(network.holder())];
  const program = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(program.stdout, 'data')) as [Buffer];
  const { first, second, taken } = JSON.parse(line.toString()) as Record<string, string>;
  expect(first).toMatch(helper);
  expect(second).toBe(first);
  expect(taken).toContain('tcp 0.0.0.0:7002: listen EADDRINUSE');
  const inside = ['nsenter', `--target=${network.holder()?.pid}`, '--user', '--net', '--'];
  const udp = { kind: 'udp', host: '198.18.0.9', port: 7000, text: 'echo' } as const;
  const tcp = [7001, 7002, 22].flatMap((port) => Array.from({ length: 3 }, () => ({ kind: 'tcp', host: '198.18.0.9', port }) as const));
  expect(await probeFrom(inside, [udp, ...tcp])).toEqual(['answered echo', ...tcp.map(() => 'connected hello')]);
  program.stdin.end();
  await once(program, 'exit');
});
