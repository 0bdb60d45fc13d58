import { type BottleBackend, RuntimeBackend, TerokError, type TerokPaths } from '../core/index.ts';

interface BackendInputs {
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
}

/** Every backend that a user can choose; loaded only when chosen. */
const BACKENDS: Readonly<Record<string, (inputs: BackendInputs) => Promise<BottleBackend>>> = {
  podman: async (inputs) => (await import('../backends/podman/index.ts')).createPodmanBackend(inputs),
};

export const BACKEND_NAMES: readonly string[] = Object.keys(BACKENDS);

/** Loads a backend by name; throws NOT_FOUND with what exists and what is usable here. */
export async function openBackend(name: string, inputs: BackendInputs): Promise<RuntimeBackend> {
  const create = Object.hasOwn(BACKENDS, name) ? BACKENDS[name] : undefined;
  if (create !== undefined) return new RuntimeBackend(await create(inputs), inputs.paths);
  const usable = await usableBackends(inputs);
  throw new TerokError('NOT_FOUND', `There is no backend \`${name}\`. There is: ${BACKEND_NAMES.join(', ')}; usable here: ${usable.join(', ') || 'none'}.`, {
    context: { backend: name },
    hint: 'Choose one with `--backend`, `TEROK_BACKEND` or `backend:` in the project; `terok backend list` says why one is not usable.',
  });
}

async function usableBackends(inputs: BackendInputs): Promise<string[]> {
  const states = await Promise.all(BACKEND_NAMES.map(async (name) => ({ name, report: await (await openBackend(name, inputs)).probe() })));
  return states.filter(({ report }) => report.state === 'available').map(({ name }) => name);
}
