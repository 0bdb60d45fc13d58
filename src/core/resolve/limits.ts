import { availableParallelism, totalmem } from 'node:os';
import type { ResourceLimits } from '../bottle.ts';
import { TerokError } from '../errors.ts';

export interface HostResources {
  readonly memoryMiB: number;
  readonly cpus: number;
}

const MIB = 1024 * 1024;
const DEFAULT_MEMORY_MIB = 4096;
const DEFAULT_PIDS = 2048;
const DEFAULT_FILES = 65_536;
/** Below this an agent's runtime does not start. */
const MIN_MEMORY_MIB = 64;
const MIB_PER_UNIT: Readonly<Record<string, number>> = { k: 1 / 1024, m: 1, g: 1024, t: 1024 * 1024 };

/** Completes the limits of a bottle. Memory and processors never exceed what the host has: more would promise what it cannot give. */
export function resolveLimits(wish: Partial<ResourceLimits> = {}, host: HostResources = hostResources()): ResourceLimits {
  return {
    memoryMiB: Math.min(atLeast('memory', 'MiB', wish.memoryMiB ?? DEFAULT_MEMORY_MIB, MIN_MEMORY_MIB), host.memoryMiB),
    cpus: Math.min(atLeast('cpus', 'processors', wish.cpus ?? host.cpus, 0.1), host.cpus),
    pids: whole('pids', atLeast('pids', 'processes', wish.pids ?? DEFAULT_PIDS, 16)),
    files: whole('files', atLeast('files', 'open files', wish.files ?? DEFAULT_FILES, 64)),
  };
}

/** What this process may use at most: the machine, or the control group that it runs in. */
export function hostResources(): HostResources {
  const group = process.constrainedMemory();
  const bytes = group > 0 && group < totalmem() ? group : totalmem();
  return { memoryMiB: Math.floor(bytes / MIB), cpus: availableParallelism() };
}

/**
 * Reads an amount of memory with a unit, as `MiB`: `512m`, `4g`, `1.5GiB`.
 *
 * @example
 * parseMemoryMiB('4g'); // 4096
 */
export function parseMemoryMiB(text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*([kmgt])(?:i?b)?$/i.exec(text.trim());
  const factor = MIB_PER_UNIT[match?.[2]?.toLowerCase() ?? ''];
  if (match === null || factor === undefined) {
    throw new TerokError(
      'USAGE',
      `An amount of memory is a number with the unit \`k\`, \`m\`, \`g\` or \`t\`; got \`${text.slice(0, 60)}\`.`,
      {
        hint: 'For example `512m` or `4g`.',
      },
    );
  }
  return atLeast('memory', 'MiB', Math.floor(Number(match[1]) * factor), MIN_MEMORY_MIB);
}

function atLeast(name: string, unit: string, value: number, minimum: number): number {
  if (Number.isFinite(value) && value >= minimum) return value;
  throw new TerokError('USAGE', `The limit \`${name}\` is at least ${minimum} ${unit}; got ${value}.`, { context: { limit: name, value } });
}

function whole(name: string, value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new TerokError('USAGE', `The limit \`${name}\` is a whole number; got ${value}.`, { context: { limit: name, value } });
}
