/*
 * The attacks of `seal-rows.ts` from inside a machine, whose connections are made by its monitor.
 */
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll } from 'vitest';
import { type Bottle, type BottleProcess, patient } from '../../src/core/index.ts';
import { networkFiles } from '../../src/sidecars/gateway/network-files.ts';
import { askStatus } from '../../src/sidecars/gateway/readiness.ts';
import type { BackendUnderTest } from '../conformance/support/case.ts';
import { inspect, openMachines, openPodman, whyNoMachines } from '../integration/krun-fixture.ts';
import { PROBE_ENV, PROBE_PROGRAM, removeTestNetworks } from '../integration/sealed-network-harness.ts';
import type { Outcome, Probe } from '../integration/sealed-network-probe.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { ROUTE, sealRows } from './seal-rows.ts';

const MODULES = path.join(import.meta.dirname, '../../node_modules');
const INSIDE = '/opt/probe';

/** Node and the program of the probes, put into the machine by way of the files that its monitor serves. */
async function armMachine(bottle: Bottle): Promise<void> {
  const monitor = await inspect(await openPodman(), bottle, '{{.State.Pid}}');
  const target = `/proc/${monitor}/root${INSIDE}`;
  await mkdir(target);
  await cp(process.execPath, path.join(target, 'node'));
  await cp(PROBE_PROGRAM, path.join(target, 'probe.ts'));
  for (const name of ['dns-packet', '@leichtgewicht/ip-codec'])
    await cp(path.join(MODULES, name), path.join(target, 'node_modules', name), { recursive: true });
}

describeUnless(await whyNoMachines(), 'a machine', () => {
  let under: BackendUnderTest;
  let bottle: Bottle;
  let prober: BottleProcess;
  let answers: AsyncIterator<string>;

  beforeAll(async () => {
    under = await openMachines();
    bottle = await under.launch({ egress: { version: 1, routes: [ROUTE] } });
    await armMachine(bottle);
    prober = await bottle.spawn([`${INSIDE}/node`, `${INSIDE}/probe.ts`], { env: { ...PROBE_ENV, NODE_NO_WARNINGS: '1' } });
    prober.stderr.pipe(process.stderr);
    answers = createInterface({ input: prober.stdout })[Symbol.asyncIterator]();
  }, patient(120_000));
  afterAll(async () => {
    await removeTestNetworks();
    await bottle?.[Symbol.asyncDispose]();
    await under?.cleanup();
  }, patient(60_000));

  const probe = async (probes: readonly Probe[]): Promise<Outcome[]> => {
    prober.stdin.write(`${JSON.stringify(probes)}\n`);
    return JSON.parse((await answers.next()).value) as Outcome[];
  };

  sealRows(() => ({
    probe,
    idle: async () => (await askStatus(networkFiles(bottle.plan)))?.idleExecConnections,
    // the monitor makes an end without a byte of it
    reset: /^(ECONNRESET|no answer|connected )$/,
    unreachable: { tcp: /^(ENETUNREACH|ECONNREFUSED|EADDRNOTAVAIL)$/, udp: /^(ENETUNREACH|no answer)$/ },
  }));
});
