/**
 * A machine of terok against a bare `podman --runtime krun run` of the same image, taking turns in one run; prints JSON.
 * Usage: `node bench/krun.bench.ts [rounds]` where krun works, or `npm run lab -- node bench/krun.bench.ts 3`, whose figures are of an
 * emulated machine and only good for ratios.
 */
import { readFileSync } from 'node:fs';
import type { Bottle } from '../src/core/index.ts';
import { setup } from '../tests/support/global-setup.ts';
import { describeMachine, round, summarise } from './summary.ts';

const ROUNDS = Number(process.argv[2] ?? 10);
const EXEC_ROUNDS = ROUNDS * 10;
const TARGET_RATIO = 1.3;

const machine = describeMachine();
const tearDown = await setup();
await using _home = { [Symbol.asyncDispose]: async () => await tearDown?.() };
// it takes the name of the image from the environment that `setup` made
const { bareMachine, bareSize, inspect, openMachines, openPodman, whyNoMachines } = await import('../tests/integration/krun-fixture.ts');
const reason = await whyNoMachines();
if (reason !== undefined) {
  console.error(`The benchmark cannot run here: ${reason}`);
  process.exit(1);
}

const under = await openMachines();
const podman = await openPodman();
const bare: number[] = [];
const toFirstExec: number[] = [];
const execs: number[] = [];
const monitors: { readonly rssMiB: number; readonly pssMiB: number }[] = [];
let guestMiB = 0;
for (let turn = 0; turn < ROUNDS; turn += 1) {
  const begin = performance.now();
  const bottle = await under.launch();
  await mustRun(bottle);
  toFirstExec.push(performance.now() - begin);
  guestMiB = bottle.plan.spec.limits.memoryMiB;
  for (let at = 0; at < EXEC_ROUNDS / ROUNDS; at += 1) execs.push(await timed(async () => await mustRun(bottle)));
  monitors.push(memoryOf(Number(await inspect(podman, bottle, '{{.State.Pid}}'))));
  await bottle[Symbol.asyncDispose]();
  bare.push(await timed(async () => await mustRunBare(guestMiB)));
}
await under.cleanup();

const [whole, plain] = [summarise(toFirstExec), summarise(bare)];
const result = {
  bench: 'krun',
  machine,
  isLab: process.env.TEROK_LAB_RESULTS !== undefined,
  rounds: ROUNDS,
  targetRatio: TARGET_RATIO,
  createToFirstExecMs: whole,
  bareRunMs: plain,
  ratio: round(whole.p50 / plain.p50),
  execMs: summarise(execs),
  guestMiB,
  monitorRssMiB: summarise(monitors.map(({ rssMiB }) => rssMiB)),
  monitorPssMiB: summarise(monitors.map(({ pssMiB }) => pssMiB)),
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);

async function mustRun(bottle: Bottle): Promise<void> {
  const { status } = await bottle.exec(['true']);
  if (status.kind !== 'exited' || status.code !== 0) throw new Error(`\`true\` ended with ${JSON.stringify(status)}`);
}

async function mustRunBare(memoryMiB: number): Promise<void> {
  const { code, stderr } = await bareMachine(bareSize(memoryMiB), ['true']);
  if (code !== 0) throw new Error(`\`podman --runtime krun run\` ended with ${code}: ${stderr}`);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** Of a machine's monitor, which holds the pages that its guest has touched. */
function memoryOf(pid: number): { readonly rssMiB: number; readonly pssMiB: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const read = (field: string): number => round(Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) / 1_024);
  return { rssMiB: read('Rss'), pssMiB: read('Pss') };
}
