// Runs as an unprivileged user and prints what it saw as one line of JSON; `podman-rootless.test.ts` judges it.
import { isTerokError } from '../../../src/core/index.ts';
import { CALLS, SOCKETS } from './kernel-probes.ts';
import { makeTestNetwork } from './network.ts';
import { openTestHost, outputOf, testSpec } from './test-bottle.ts';

const [image = '', root = ''] = process.argv.slice(2);

await using host = await openTestHost({ image, root });
const probe = await host.backend.probe();
const refusal = await host.backend.resolve(testSpec(image)).then(
  () => 'resolved',
  (error: unknown) => (isTerokError(error) ? error.toJSON() : String(error)),
);
const plan = await host.plan({ unenforcedLimits: ['memory', 'cpus', 'pids'] });
await using network = await makeTestNetwork(plan);
const started = performance.now();
const bottle = await host.backend.launch(plan, {
  network,
  seeds: [{ path: '/home/agent/.seed', content: 'seeded', mode: 0o600, owner: 'agent' }],
  onPhase: async () => undefined,
});
const launchMs = performance.now() - started;
const asRoot = { user: 'root' } as const;
const facts = {
  status: await outputOf(bottle, ['cat', '/proc/1/status'], asRoot),
  uidMap: await outputOf(bottle, ['cat', '/proc/self/uid_map']),
  resolver: await outputOf(bottle, ['cat', '/etc/resolv.conf']),
  alg: await outputOf(bottle, SOCKETS.AF_ALG, asRoot),
  packet: await outputOf(bottle, SOCKETS.AF_PACKET, asRoot),
  unshare: await outputOf(bottle, CALLS.unshareUser, asRoot),
  seed: await outputOf(bottle, ['sh', '-c', 'cat ~/.seed && stat -c " %U %a" ~/.seed']),
  id: await outputOf(bottle, ['id', '-un']),
};
await bottle.stop({ graceMs: 3_000 });
const stopped = await bottle.status();
await bottle.start();
const afterStart = await outputOf(bottle, ['cat', '/home/agent/.seed']);
await bottle[Symbol.asyncDispose]();
await host.backend.remove(plan.spec.slug);
const left = await host.backend.list();

process.stdout.write(`${JSON.stringify({ probe, refusal, plan, launchMs, facts, stopped, afterStart, left })}\n`);
