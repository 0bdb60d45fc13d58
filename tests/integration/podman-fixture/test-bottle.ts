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

/** Backend with directories of its own, for bottles of `image`. */
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

/** The base image that `global-setup.ts` built, or the reason why there is none. */
export async function findTestImage(backend: BottleBackend): Promise<{ readonly image: string } | { readonly reason: string }> {
  const report = await backend.probe();
  if (report.state !== 'available')
    return { reason: `${backend.name} cannot be used: ${report.findings.map(({ message }) => message).join(' ')}` };
  const image = process.env.TEROK_TEST_IMAGE ?? '';
  if (image === '' || (await backend.images.inspect(image)) === undefined) throw new Error(`There is no base image \`${image}\`.`);
  return { image };
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
