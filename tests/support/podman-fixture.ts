import { rm } from 'node:fs/promises';
import path from 'node:path';
import { createPodmanHost } from '../../src/backends/oci/index.ts';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import {
  type Bottle,
  type BottleBackend,
  type BottlePlan,
  type BottleSpec,
  type SealedNetwork,
  type TerokPaths,
  writePrivateFile,
} from '../../src/core/index.ts';
import { acquireLoopbackAlias, mintBottleCa } from '../../src/core/resolve/index.ts';
import { controlProof, createChannelIdentity } from '../../src/exec-channel/index.ts';
import {
  closeSealedNetwork,
  digestOfProof,
  type GatewayPlan,
  openSealedNetwork,
  reopenSealedNetwork,
} from '../../src/sidecars/gateway/index.ts';
import type { BackendUnderTest, LaunchHooks } from '../conformance/support/case.ts';
import { findTestImage } from '../integration/podman-fixture/test-bottle.ts';
import { temporaryPaths } from './temporary-paths.ts';

export interface PodmanFixtureOptions {
  readonly freshSlug: () => string;
  /** Podman's own containers by default */
  readonly create?: (options: { readonly paths: TerokPaths; readonly env: NodeJS.ProcessEnv }) => BottleBackend;
  readonly env?: NodeJS.ProcessEnv;
}

interface Launched {
  readonly gateway: GatewayPlan;
  readonly network: SealedNetwork;
}

/** The Podman backend of this user with real sealed networks, in directories of its own. */
export async function openPodmanFixture({
  freshSlug,
  create = createPodmanBackend,
  env = process.env,
}: PodmanFixtureOptions): Promise<BackendUnderTest | { readonly unavailable: string }> {
  const home = await temporaryPaths();
  const backend = create({ paths: home.paths, env: { ...env, ...home.env } });
  const found = await findTestImage(backend);
  if ('reason' in found) {
    await home[Symbol.asyncDispose]();
    return { unavailable: found.reason };
  }
  const networks = new Map<string, Promise<Launched>>();
  const networkOf = (plan: BottlePlan): Promise<Launched> => {
    const opening = networks.get(plan.spec.slug) ?? openNetwork(backend, plan, home.paths);
    networks.set(plan.spec.slug, opening);
    return opening;
  };
  return {
    backend,
    addressOf: ({ id }) => acquireLoopbackAlias(home.paths, id),
    directories: [home.root],
    launch: async (options = {}, hooks = {}) => {
      const plan = await backend.resolve(specOf({ slug: freshSlug(), image: found.image, ...options }));
      const { network } = await networkOf(plan);
      return await launch(backend, plan, network, hooks);
    },
    reopen: async ({ plan }) => backend.open(plan, (await networkOf(plan)).network),
    crash: async ({ plan }, victim) => {
      const podman = await createPodmanHost({ env: { ...env, ...home.env }, runtimeDir: home.paths.runtime });
      const field = victim === 'init' ? '{{.State.Pid}}' : '{{.State.ConmonPid}}';
      process.kill(Number(await podman.call('find the process', ['container', 'inspect', '--format', field, plan.runtimeName])), 'SIGKILL');
    },
    reboot: async (bottle) => {
      const { gateway } = await networkOf(bottle.plan);
      await bottle.stop({ graceMs: 0 });
      await closeSealedNetwork(gateway);
      await rm(gateway.runtimeDir, { recursive: true, force: true });
      return await backend.open(bottle.plan, await reopenSealedNetwork(gateway, networkOptions(home.paths)));
    },
    cleanup: async () => {
      for (const { id } of await backend.list()) await backend.remove(id);
      for (const opened of await Promise.allSettled(networks.values()))
        if (opened.status === 'fulfilled') await closeSealedNetwork(opened.value.gateway);
      await home[Symbol.asyncDispose]();
    },
  };
}

function specOf(changes: Partial<BottleSpec> & Pick<BottleSpec, 'slug' | 'image'>): BottleSpec {
  return {
    project: 'conformance',
    env: {},
    limits: {
      memoryMiB: process.env.TEROK_LAB === '1' ? 768 : 2048,
      cpus: process.env.TEROK_LAB === '1' ? 1 : 2,
      pids: 1024,
      files: 65_536,
    },
    unenforcedLimits: process.getuid?.() === 0 ? [] : ['memory', 'cpus', 'pids'],
    sudo: false,
    egress: { version: 1, routes: [] },
    ...changes,
  };
}

/** As a task does it. */
function networkOptions(paths: TerokPaths): { readonly compileCacheDir: string } {
  return { compileCacheDir: path.join(paths.cache, 'compiled') };
}

async function openNetwork(backend: BottleBackend, plan: BottlePlan, paths: TerokPaths): Promise<Launched> {
  const identity = await createChannelIdentity(plan.stateDir);
  const ca = { certificate: path.join(plan.stateDir, 'ca/certificate.pem'), key: path.join(plan.stateDir, 'ca/key.pem') };
  const minted = await mintBottleCa(plan.spec.slug);
  await writePrivateFile(ca.certificate, minted.certificatePem);
  await writePrivateFile(ca.key, minted.keyPem);
  const { slug, project, egress: policy, ports } = plan.spec;
  const { stateDir, runtimeDir, namespaceLauncher } = plan;
  const gateway: GatewayPlan = {
    version: 1,
    slug,
    project,
    stateDir,
    runtimeDir,
    namespaceLauncher,
    policy,
    vaultDir: path.join(paths.data, 'secrets'),
    ca,
    ...(ports === undefined ? {} : { published: { address: await acquireLoopbackAlias(paths, slug), ports } }),
    ...(backend.capabilities.ownKernel ? { controlProof: digestOfProof(controlProof(identity)) } : {}),
  };
  return { gateway, network: await openSealedNetwork(gateway, networkOptions(paths)) };
}

function launch(
  backend: BottleBackend,
  plan: BottlePlan,
  network: SealedNetwork,
  { ready, onPhase, signal }: LaunchHooks,
): Promise<Bottle> {
  const inputs = {
    network: ready === undefined ? network : { ...network, ready },
    seeds: [],
    onPhase: onPhase ?? (() => Promise.resolve()),
  };
  return backend.launch(plan, inputs, signal === undefined ? {} : { signal });
}
