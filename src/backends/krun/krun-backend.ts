import type { BackendCapabilities, BottleBackend, TerokPaths } from '../../core/index.ts';
import { createPodmanHost, OciBackend, openOnce } from '../oci/index.ts';
import { examineMachines, openMachineHost, probeMachines } from './examine-machines.ts';
import { MACHINE_PROFILE } from './machine-profile.ts';
import { resolveMachine } from './resolve-machine.ts';

export interface KrunBackendOptions {
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
  /** Where the runtime may be; the places of the system by default */
  readonly krunPaths?: readonly string[];
}

const CAPABILITIES: BackendCapabilities = {
  isolation: 'microvm',
  ownKernel: true,
  network: 'sealed',
  execWithoutSsh: false,
  terminal: true,
  copySymlinks: true,
  persistentFiles: true,
  rootUser: true,
  pausable: false,
  enforcesLimits: true,
};

/** Bottles as microVMs: Podman's containers, each of which is the monitor of one machine made by libkrun. */
export function createKrunBackend({ paths, env, krunPaths }: KrunBackendOptions): BottleBackend {
  const host = { env, runtimeDir: paths.runtime };
  const inputs = { ...host, krunPaths };
  return new OciBackend({
    name: 'krun',
    capabilities: CAPABILITIES,
    profile: MACHINE_PROFILE,
    paths,
    probe: async (options) => probeMachines(await examineMachines(inputs, options)),
    resolve: resolveMachine,
    openHost: openOnce((options) => openMachineHost(inputs, options)),
    openStore: openOnce(() => createPodmanHost(host)),
  });
}
