/**
 * From what was asked to a plan that this machine can carry out.
 *
 * Scope: refusing what Podman cannot do here, before anything is made.
 * Fail-safe direction: a limit that cannot be enforced stops the bottle unless the user named it.
 */
import { createHash } from 'node:crypto';
import { type BottlePlan, type BottleSpec, bottleDirs, type LimitName, parseSlug, TerokError, type TerokPaths } from '../../core/index.ts';
import { assertImageReference } from './image-reference.ts';
import type { PodmanHost } from './podman-host.ts';
import { quotaProblem } from './storage-quota.ts';

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_ENV_VALUE_BYTES = 128 * 1024;

/** Kernel floors below which a container does not come up. */
const SMALLEST = { memoryMiB: 16, cpus: 0.01, pids: 16, files: 64, diskMiB: 64 } as const;

export function resolvePlan(spec: BottleSpec, host: PodmanHost, paths: TerokPaths, backend: string): BottlePlan {
  const slug = parseSlug(spec.slug);
  assertImageReference(spec.image);
  assertEnvironment(spec.env);
  assertLimits(spec);
  return {
    backend,
    spec,
    runtimeName: containerName(slug, paths.state),
    ...bottleDirs(paths, slug),
    missingLimits: resolveMissingLimits(spec, host),
    namespaceLauncher: host.facts.rootless ? [...host.launcher, host.binary, 'unshare'] : [],
  };
}

/** Readable, and different for each state directory: several of them may share the containers of one user. */
function containerName(slug: string, owner: string): string {
  return `terok-${slug}-${createHash('sha256').update(owner).digest('hex').slice(0, 6)}`;
}

/** Limits that the kernel would not enforce for containers of this user. */
export function unenforceableLimits({ facts, machine }: Pick<PodmanHost, 'facts' | 'machine'>): readonly LimitName[] {
  const makesGroups = (): boolean => facts.cgroupVersion === 'v2' && (facts.cgroupManager === 'systemd' || machine.mayMakeGroups);
  if (facts.rootless && !makesGroups()) return ['memory', 'cpus', 'pids'];
  const controllerOf = { memory: 'memory', cpus: 'cpu', pids: 'pids' } as const;
  return (['memory', 'cpus', 'pids'] as const).filter((limit) => !facts.controllers.includes(controllerOf[limit]));
}

function resolveMissingLimits(spec: BottleSpec, host: PodmanHost): readonly LimitName[] {
  const missing = unenforceableLimits(host);
  const quota = spec.limits.diskMiB === undefined ? undefined : quotaProblem(host.facts);
  const allowed = (limit: LimitName): boolean => spec.unenforcedLimits.includes(limit);
  const refused = missing.filter((limit) => !allowed(limit));
  if (refused.length > 0)
    throw unenforceable(refused, `(cgroup ${host.facts.cgroupVersion})`, 'Delegate the cgroup v2 controllers to your user', host);
  if (quota === undefined) return missing;
  if (!allowed('disk'))
    throw unenforceable(['disk'], `because ${quota}`, "Put Podman's storage on xfs that is mounted with `prjquota`", host);
  return [...missing, 'disk'];
}

export function unenforceable(limits: readonly LimitName[], why: string, remedy: string, { facts }: PodmanHost): TerokError {
  return new TerokError(
    'LIMIT_UNENFORCEABLE',
    `This host cannot enforce the limit${limits.length === 1 ? '' : 's'} ${limits.join(', ')} for ${facts.rootless ? 'rootless' : 'rootful'} Podman ${why}.`,
    {
      context: { limits, cgroupVersion: facts.cgroupVersion, controllers: facts.controllers },
      hint: `${remedy}, or allow it by name: \`${limits.map((limit) => `--allow-unenforced ${limit}`).join(' ')}\`, or \`unenforcedLimits: [${limits.join(', ')}]\` in the configuration.`,
    },
  );
}

function assertEnvironment(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (!ENV_NAME.test(name)) throw new TerokError('INVALID_CONFIG', `\`${name}\` is not a name of an environment variable.`);
    if (value.includes('\0')) throw new TerokError('INVALID_CONFIG', `The environment variable \`${name}\` holds a NUL byte.`);
    if (Buffer.byteLength(value) > MAX_ENV_VALUE_BYTES)
      throw new TerokError('INVALID_CONFIG', `The environment variable \`${name}\` is longer than ${MAX_ENV_VALUE_BYTES} bytes.`);
  }
}

function assertLimits({ limits }: BottleSpec): void {
  for (const [name, smallest] of Object.entries(SMALLEST)) {
    const value = limits[name as keyof typeof SMALLEST] ?? smallest;
    const whole = name === 'cpus' || Number.isInteger(value);
    if (!Number.isFinite(value) || value < smallest || !whole) {
      throw new TerokError(
        'INVALID_CONFIG',
        `The limit \`${name}\` must be ${name === 'cpus' ? 'a number' : 'a whole number'} of at least ${smallest}; got ${value}.`,
      );
    }
  }
}
