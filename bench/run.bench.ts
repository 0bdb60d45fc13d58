/**
 * `terok run DIR -- true` against a bare `podman run` of the same image, taking turns in one run; prints JSON. A bottle has a network, as a
 * container of `podman run` has one; what Podman takes without any is told beside it.
 * Usage: node bench/run.bench.ts [rounds]; needs a build (`npm run build`).
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { createPodmanHost, type PodmanHost } from '../src/backends/oci/index.ts';
import { sampleRepository, type TerokCli, terokCli } from '../tests/support/terok-cli.ts';
import { describeMachine, round, summarise } from './summary.ts';

const ROUNDS = Number(process.argv[2] ?? 15);
const STAGES = ['prepare', 'launch', 'provision', 'agent', 'finish'] as const;
const TARGET_RATIO = 2.5;
const BIN = path.join(import.meta.dirname, '../bin/terok.mjs');

interface Outcome {
  readonly slug: string;
  readonly exitCode: number;
  readonly stages: Readonly<Record<string, number>>;
}

const machine = describeMachine();
await using cli = await terokCli();
const source = await sampleRepository(cli.root);
// the first run builds the image where there is none, and fills the caches of compiled code
const image = await imageOf(cli, runTerok(source).outcome.slug);
const host = await createPodmanHost({ env: cli.env, runtimeDir: cli.paths.runtime });
const podman: number[] = [];
const withoutNetwork: number[] = [];
const terok: number[] = [];
const outcomes: Outcome[] = [];
for (let turn = -1; turn < ROUNDS; turn += 1) {
  const bareMs = runPodman(host, image);
  const withoutNetworkMs = runPodman(host, image, '--network', 'none');
  const { ms, outcome } = runTerok(source);
  if (turn === -1) continue;
  podman.push(bareMs);
  withoutNetwork.push(withoutNetworkMs);
  terok.push(ms);
  outcomes.push(outcome);
}
const stages = Object.fromEntries(STAGES.map((stage) => [stage, summarise(outcomes.map((outcome) => outcome.stages[stage] ?? 0))]));
const [bare, bareWithoutNetwork, whole] = [summarise(podman), summarise(withoutNetwork), summarise(terok)];
const withoutClone = whole.p50 - (stages.provision?.p50 ?? 0);
const result = {
  bench: 'run',
  machine,
  podman: host.facts.version,
  runtime: host.facts.runtime.version,
  image,
  rounds: ROUNDS,
  targetRatio: TARGET_RATIO,
  podmanRunMs: bare,
  podmanRunWithoutNetworkMs: bareWithoutNetwork,
  terokRunMs: whole,
  ratio: round(whole.p50 / bare.p50),
  ratioWithoutClone: round(withoutClone / bare.p50),
  ratioToRunWithoutNetwork: round(withoutClone / bareWithoutNetwork.p50),
  stagesMs: stages,
  samples: { podmanMs: podman, podmanWithoutNetworkMs: withoutNetwork, terokMs: terok },
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);

function runTerok(directory: string): { readonly ms: number; readonly outcome: Outcome } {
  const begin = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, 'run', directory, '--json', '--', 'true'], { env: cli.env });
  const ms = round(performance.now() - begin);
  if (status !== 0) throw new Error(`terok run ended with ${status}: ${stderr.toString()}`);
  return { ms, outcome: JSON.parse(stdout.toString('utf8')) as Outcome };
}

function runPodman({ launcher, binary, env }: PodmanHost, reference: string, ...options: readonly string[]): number {
  const [file, ...args] = [...launcher, binary, 'run', '--rm', '--pull=never', ...options, reference, 'true'];
  const begin = performance.now();
  const { status, stderr } = spawnSync(file, args, { cwd: '/', env });
  const ms = round(performance.now() - begin);
  if (status !== 0) throw new Error(`podman run ended with ${status}: ${stderr.toString()}`);
  return ms;
}

async function imageOf({ json }: TerokCli, slug: string): Promise<string> {
  return (await json<{ readonly image: string }>(['status', slug])).image;
}
