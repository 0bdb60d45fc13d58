import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { createPodmanHost, type PodmanHost, releaseCgroupNamespace } from '../../../src/backends/oci/index.ts';
import { createPodmanBackend } from '../../../src/backends/podman/index.ts';
import {
  type Bottle,
  type BottleBackend,
  type BottlePlan,
  type BottleSpec,
  resolvePaths,
  type TerokPaths,
} from '../../../src/core/index.ts';
import { createChannelIdentity } from '../../../src/exec-channel/index.ts';
import { makeTestNetwork, type TestNetwork } from './network.ts';

const BASE_IMAGES = [process.env.TEROK_TEST_IMAGE ?? 'localhost/l0:test', 'localhost/terok/l0'];

export interface TestHost extends AsyncDisposable {
  readonly backend: BottleBackend;
  readonly podman: PodmanHost;
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
  readonly image: string;
  /** A plan whose directories and keys exist */
  plan(changes?: Partial<BottleSpec>): Promise<BottlePlan>;
  launch(plan: BottlePlan, network: TestNetwork): Promise<Bottle>;
}

/** Backend with directories of its own. `image` has the user `agent`; it is made from the base image where it does not exist. */
export async function openTestHost(given: {
  readonly env?: NodeJS.ProcessEnv;
  readonly image: string;
  readonly root?: string;
}): Promise<TestHost> {
  const root = given.root ?? (await mkdtemp('/tmp/tpb-'));
  const env = { ...process.env, TEROK_STATE_DIR: path.join(root, 's'), TEROK_RUNTIME_DIR: path.join(root, 'r'), ...given.env };
  const paths = resolvePaths(env);
  const backend = createPodmanBackend({ paths, env });
  return {
    backend,
    podman: await createPodmanHost({ env, runtimeDir: paths.runtime }),
    paths,
    env,
    image: given.image,
    plan: async (changes) => {
      const plan = await backend.resolve(testSpec(given.image, changes));
      await createChannelIdentity(plan.stateDir);
      return plan;
    },
    launch: (plan, network) => backend.launch(plan, { network, seeds: [], onPhase: async () => undefined }),
    [Symbol.asyncDispose]: async () => {
      for (const { id } of await backend.list()) await backend.remove(id);
      if (process.getuid?.() === 0) await releaseCgroupNamespace(paths.runtime);
      await rm(root, { recursive: true, force: true });
    },
  };
}

export function testSpec(image: string, changes: Partial<BottleSpec> = {}): BottleSpec {
  return {
    slug: `tpb-${randomBytes(3).toString('hex')}x`.replace(/^tpb-(\d)/, 'tpb-a$1'),
    project: 'test',
    image,
    env: { GREETING: 'hello' },
    limits: { memoryMiB: 256, cpus: 0.5, pids: 150, files: 2048 },
    unenforcedLimits: [],
    sudo: false,
    egress: { version: 1, routes: [] },
    ...changes,
  };
}

/** Image with the user `agent`, built once from whatever base image is there; undefined with the reason where none is. */
export async function findTestImage(backend: BottleBackend): Promise<{ readonly image: string } | { readonly reason: string }> {
  const report = await backend.probe();
  if (report.state !== 'available') return { reason: `Podman cannot be used: ${report.findings.map(({ message }) => message).join(' ')}` };
  const ready = 'localhost/terok-podman-test:agent';
  if ((await backend.images.inspect(ready)) !== undefined) return { image: ready };
  const stored = await Promise.all([...BASE_IMAGES].map((reference) => backend.images.inspect(reference)));
  const layered = (await backend.images.list('terok.layer=l0')).at(0);
  const base = stored.find((image) => image !== undefined) ?? layered;
  if (base === undefined)
    return { reason: `there is no base image; set TEROK_TEST_IMAGE or build one (looked for ${BASE_IMAGES.join(', ')})` };
  const image = await buildAgentImage(backend, base.references[0] ?? base.id, ready);
  return { image };
}

async function buildAgentImage(backend: BottleBackend, base: string, reference: string): Promise<string> {
  const { writeFile } = await import('node:fs/promises');
  const contextDir = await mkdtemp('/tmp/tpb-image-');
  try {
    const run =
      "id agent || useradd --password '*' --uid 1000 --create-home --shell /bin/sh agent; mkdir -p /work && chown agent:agent /work";
    await writeFile(path.join(contextDir, 'Containerfile'), `FROM ${base}\nRUN ${run}\n`);
    await backend.images.build({ contextDir, reference, labels: { 'terok.test': 'podman' } });
    return reference;
  } finally {
    await rm(contextDir, { recursive: true, force: true });
  }
}

/** Launches a bottle, gives it to `work`, and takes everything away again. */
export async function withBottle<T>(
  host: TestHost,
  work: (bottle: Bottle, plan: BottlePlan, network: TestNetwork) => Promise<T>,
  changes?: Partial<BottleSpec>,
): Promise<T> {
  const plan = await host.plan(changes);
  await using network = await makeTestNetwork(plan);
  const bottle = await host.launch(plan, network);
  try {
    return await work(bottle, plan, network);
  } finally {
    await bottle[Symbol.asyncDispose]();
    await host.backend.remove(plan.spec.slug);
  }
}

/** stdout of a command that must succeed in the bottle. */
export async function outputOf(bottle: Bottle, argv: readonly string[], options: Parameters<Bottle['exec']>[1] = {}): Promise<string> {
  const result = await bottle.exec(argv, options);
  if (result.status.kind !== 'exited' || result.status.code !== 0)
    throw new Error(`${argv.join(' ')}: ${JSON.stringify(result.status)} ${result.stderr.toString()}`);
  return result.stdout.toString();
}
