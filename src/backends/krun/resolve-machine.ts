import { type BottlePlan, type BottleSpec, TerokError, type TerokPaths } from '../../core/index.ts';
import { type PodmanHost, resolvePlan, unenforceableLimits } from '../oci/index.ts';
import { MOST_PROCESSORS, SMALLEST_MEMORY_MIB } from './machine-profile.ts';

/**
 * As for a container, but the size of the machine itself is the limit of memory, processors and processes: what the host's control
 * groups cannot hold is left to it.
 */
export function resolveMachine(spec: BottleSpec, host: PodmanHost, paths: TerokPaths, backend: string): BottlePlan {
  const { memoryMiB, cpus } = spec.limits;
  if (memoryMiB < SMALLEST_MEMORY_MIB)
    throw cannot(`a machine has at least ${SMALLEST_MEMORY_MIB} MiB of memory; got ${memoryMiB}`, 'memory', memoryMiB);
  if (cpus > MOST_PROCESSORS) throw cannot(`a machine has at most ${MOST_PROCESSORS} processors; got ${cpus}`, 'cpus', cpus);
  return resolvePlan(
    { ...spec, unenforcedLimits: [...unenforceableLimits(host), ...spec.unenforcedLimits.filter((limit) => limit === 'disk')] },
    host,
    paths,
    backend,
  );
}

function cannot(rule: string, limit: string, value: number): TerokError {
  return new TerokError('UNSUPPORTED_BY_BACKEND', `The backend \`krun\` cannot do this: ${rule}.`, {
    context: { limit, value },
    hint: `Change the limit \`${limit}\`, or use the backend \`podman\`.`,
  });
}
