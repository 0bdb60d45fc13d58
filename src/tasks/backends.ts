import { type BottleBackend, RuntimeBackend, TerokError, type TerokPaths } from '../core/index.ts';

interface BackendInputs {
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
}

/** Every backend that a user can choose; loaded only when chosen. */
const BACKENDS: Readonly<Record<string, (inputs: BackendInputs) => Promise<BottleBackend>>> = {
  podman: async (inputs) => (await import('../backends/podman/index.ts')).createPodmanBackend(inputs),
  krun: async (inputs) => (await import('../backends/krun/index.ts')).createKrunBackend(inputs),
};

export const BACKEND_NAMES: readonly string[] = Object.keys(BACKENDS);

export async function openBackend(name: string, inputs: BackendInputs): Promise<RuntimeBackend> {
  const create = Object.hasOwn(BACKENDS, name) ? BACKENDS[name] : undefined;
  if (create === undefined) throw new TerokError('NOT_FOUND', `There is no backend \`${name}\`; there is: ${BACKEND_NAMES.join(', ')}.`);
  return new RuntimeBackend(await create(inputs), inputs.paths);
}
