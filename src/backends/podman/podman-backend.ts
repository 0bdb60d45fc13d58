import type { BackendCapabilities, BottleBackend, CallOptions, ProbeReport, TerokPaths } from '../../core/index.ts';
import {
  createPodmanHost,
  examinePodmanHost,
  type Machine,
  OciBackend,
  openOnce,
  type PodmanHostOptions,
  resolvePlan,
} from '../oci/index.ts';
import { CONTAINER_PROFILE } from './container-profile.ts';
import { describeWeaknesses } from './probe-notes.ts';

export interface PodmanBackendOptions {
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
  /** What the machine is like; read from the kernel by default */
  readonly machine?: Machine;
}

const CAPABILITIES: BackendCapabilities = {
  isolation: 'container',
  ownKernel: false,
  network: 'sealed',
  execWithoutSsh: true,
  terminal: true,
  copySymlinks: true,
  persistentFiles: true,
  rootUser: true,
  pausable: true,
  enforcesLimits: true,
};

/** Bottles as hardened Podman containers, rootful or rootless, whichever this user has. */
export function createPodmanBackend({ paths, env, machine }: PodmanBackendOptions): BottleBackend {
  const hostOptions: PodmanHostOptions = { env, runtimeDir: paths.runtime, ...(machine === undefined ? {} : { machine }) };
  const openHost = openOnce(() => createPodmanHost(hostOptions));
  return new OciBackend({
    name: 'podman',
    capabilities: CAPABILITIES,
    profile: CONTAINER_PROFILE,
    paths,
    probe: (options) => probePodman({ ...hostOptions, ...options }),
    resolve: resolvePlan,
    openHost,
    openStore: openHost,
  });
}

async function probePodman(options: PodmanHostOptions & CallOptions): Promise<ProbeReport> {
  const examination = await examinePodmanHost(options);
  if ('host' in examination)
    return { state: 'available', version: examination.host.facts.version, notes: describeWeaknesses(examination.host) };
  const absent = examination.problems.some(({ code }) => code === 'PODMAN_MISSING');
  return { state: absent ? 'absent' : 'broken', findings: examination.problems };
}
