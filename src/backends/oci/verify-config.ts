/**
 * Compares the configuration that the OCI runtime gets with what a bottle must be.
 *
 * Scope: capabilities, privileges, seccomp, namespaces, mounts, devices, limits, masked paths, hooks, annotations, first process.
 * Out of scope: whether the kernel and the runtime do what the configuration says.
 * Fail-safe direction: whatever is not expected is a difference, and a difference keeps the bottle from starting.
 */

import type { BottlePlan } from '../../core/index.ts';
import type { ContainerLimits, ContainerProfile, OciHook } from './container-profile.ts';
import { BOTTLE_PATH } from './create-arguments.ts';
import type { OciConfig } from './oci-config.ts';
import type { SeccompProfile } from './seccomp/profile.ts';
import { mountDifferences } from './verify-mounts.ts';
import { seccompDifferences } from './verify-seccomp.ts';

export interface Expectation {
  readonly plan: BottlePlan;
  readonly networkPath: string;
  readonly seccomp: SeccompProfile;
  readonly init: readonly string[];
  readonly profile: ContainerProfile;
  readonly limits: ContainerLimits;
  /** Directories of this container in which Podman makes the files that it mounts */
  readonly ownDirs: readonly string[];
  readonly graphRoot: string;
}

/** One sentence for each thing that is not as a bottle must be; empty when all is well. */
export function configDifferences(config: OciConfig, expected: Expectation): string[] {
  return [
    ...processDifferences(config.process, expected),
    ...capabilityDifferences(config.process.capabilities, expected.profile),
    ...seccompDifferences(config.linux.seccomp, expected.seccomp),
    ...namespaceDifferences(config.linux.namespaces, expected),
    ...mountDifferences(config.mounts ?? [], expected.ownDirs),
    ...limitDifferences(config, expected),
    ...pathDifferences(config.linux),
    ...extraDifferences(config, expected),
  ];
}

const ENV_NAMES = new Set(['PATH', 'TERM', 'HOME', 'HOSTNAME', 'container']);

function processDifferences(process: OciConfig['process'], { init, plan, profile }: Expectation): string[] {
  const foreign = process.env.map((entry) => entry.split('=')[0] ?? '').filter((name) => !ENV_NAMES.has(name));
  return [
    ...differs('first process', process.args, init),
    ...differs('user of the first process', [process.user.uid, process.user.gid], [0, 0]),
    ...(process.user.additionalGids ?? []).filter((gid) => gid !== 0).map((gid) => `the first process is in group ${gid}`),
    ...differs('working directory', process.cwd, '/'),
    ...differs('no-new-privileges', process.noNewPrivileges === true, profile.noNewPrivileges(plan)),
    ...foreign.map((name) => `the environment variable \`${name}\` is set`),
    ...(process.env.includes(`PATH=${BOTTLE_PATH}`) ? [] : ["PATH is not terok's"]),
  ];
}

function capabilityDifferences(capabilities: OciConfig['process']['capabilities'], profile: ContainerProfile): string[] {
  const expected = profile.capabilities.map((name) => `CAP_${name}`).toSorted();
  const sets = capabilities ?? { bounding: ['(unlimited)'], effective: [], permitted: [], inheritable: [], ambient: [] };
  return [
    ...(['bounding', 'effective', 'permitted'] as const).flatMap((set) => differs(`${set} capabilities`, sets[set].toSorted(), expected)),
    ...(['inheritable', 'ambient'] as const).flatMap((set) =>
      sets[set].filter((name) => !expected.includes(name)).map((name) => `${set} capability ${name}`),
    ),
  ];
}

const NAMESPACES = ['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup'];

function namespaceDifferences(namespaces: OciConfig['linux']['namespaces'], { networkPath }: Expectation): string[] {
  const found = new Map(namespaces.map(({ type, path }) => [type, path ?? '']));
  return [
    ...NAMESPACES.filter((type) => !found.has(type)).map((type) => `no ${type} namespace of its own`),
    ...[...found]
      .filter(([type, path]) => type !== 'network' && path !== '')
      .map(([type, path]) => `the ${type} namespace is the one at \`${path}\``),
    ...differs('network namespace', found.get('network'), networkPath),
  ];
}

function limitDifferences(config: OciConfig, { plan, limits }: Expectation): string[] {
  const { files } = limits;
  const { memory, cpu, pids } = config.linux.resources ?? {};
  const bytes = limits.memoryMiB * 1024 * 1024;
  const nofile = config.process.rlimits?.find(({ type }) => type === 'RLIMIT_NOFILE');
  const share = cpu?.quota == null || cpu.period == null ? Number.POSITIVE_INFINITY : cpu.quota / cpu.period;
  const enforced = (name: 'memory' | 'cpus' | 'pids'): boolean => !plan.missingLimits.includes(name);
  return [
    ...(enforced('memory')
      ? [...differs('memory limit', memory?.limit, bytes), ...differs('memory and swap limit', memory?.swap, bytes)]
      : []),
    ...(enforced('cpus') && Math.abs(share - limits.cpus) > 0.005 ? [`cpu limit is ${share}, not ${limits.cpus}`] : []),
    ...(enforced('pids') ? differs('pids limit', pids?.limit, limits.pids) : []),
    ...differs('open files limit', [nofile?.soft, nofile?.hard], [files, files]),
  ];
}

/** What of /proc and /sys tells about or changes the host; a newer Podman may hide more. */
const MASKED = ['/proc/acpi', '/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/scsi', '/sys/firmware'];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

function pathDifferences({ maskedPaths, readonlyPaths }: OciConfig['linux']): string[] {
  return [
    ...MASKED.filter((path) => !maskedPaths.includes(path)).map((path) => `\`${path}\` is not masked`),
    ...READ_ONLY.filter((path) => !readonlyPaths.includes(path)).map((path) => `\`${path}\` is not read-only`),
  ];
}

const SYSCTLS = new Set(['net.ipv4.ping_group_range']);

function extraDifferences(config: OciConfig, { graphRoot, plan, profile }: Expectation): string[] {
  const { linux } = config;
  const own = profile.annotations(plan);
  return [
    ...hookDifferences(config.hooks ?? {}, profile.hooks),
    ...(linux.devices ?? []).map(({ path }) => `the device \`${path}\` is there`),
    ...(linux.resources?.devices ?? []).filter(({ allow }) => allow).map((rule) => `device access is allowed: ${JSON.stringify(rule)}`),
    ...Object.keys(linux.sysctl ?? {})
      .filter((name) => !SYSCTLS.has(name))
      .map((name) => `the sysctl \`${name}\` is set`),
    ...(linux.personality == null ? [] : ['a personality is set']),
    ...(linux.intelRdt == null ? [] : ['intelRdt is set']),
    ...Object.entries(config.annotations ?? {})
      .filter(([name, value]) => own[name] !== value && !isHarmlessAnnotation(name, value))
      .map(([name]) => `the annotation \`${name}\` changes how the container runs`),
    ...Object.keys(own)
      .filter((name) => config.annotations?.[name] === undefined)
      .map((name) => `the annotation \`${name}\` is missing`),
    ...(config.root.path.startsWith(`${graphRoot}/`) ? [] : [`the root filesystem is at \`${config.root.path}\``]),
    ...differs('host name', config.hostname, plan.spec.slug),
  ];
}

function hookDifferences(found: Readonly<Record<string, unknown>>, own: readonly OciHook[]): string[] {
  const { createContainer = [], ...others } = found;
  const spell = (hooks: readonly Partial<OciHook>[]): string =>
    JSON.stringify(hooks.map(({ path, args, env, timeout }) => [path, args, env, timeout]));
  const isOwn = Array.isArray(createContainer) && spell(createContainer) === spell(own);
  return [
    ...(isOwn ? [] : [own.length === 0 ? 'a createContainer hook runs on the host' : "the createContainer hooks are not terok's"]),
    ...Object.entries(others)
      .filter(([, hooks]) => !Array.isArray(hooks) || hooks.length > 0)
      .map(([name]) => `a ${name} hook runs on the host`),
  ];
}

/** Prefixes that runtimes act upon. Podman's own notes say FALSE for everything that a bottle does not use. */
const ACTING_PREFIXES = ['run.oci.', 'krun.', 'org.criu.', 'org.systemd.', 'module.wasm.', 'io.podman.', 'io.kubernetes.cri-o.'];
const NOTES = new Set(['io.kubernetes.cri-o.Created', 'io.kubernetes.cri-o.TTY', 'io.podman.annotations.seccomp']);
/** How Podman 5 asks systemd to end a container's scope when the host shuts down. */
const STOP_PROPERTIES = new Map([
  ['org.systemd.property.KillSignal', /^\d{1,2}$/],
  ['org.systemd.property.TimeoutStopUSec', /^uint64 \d+$/],
]);

export function isHarmlessAnnotation(name: string, value: string): boolean {
  if (NOTES.has(name) || !ACTING_PREFIXES.some((prefix) => name.startsWith(prefix))) return true;
  if (STOP_PROPERTIES.get(name)?.test(value) === true) return true;
  return name.startsWith('io.podman.annotations.') && !name.includes('checkpoint') && value === 'FALSE';
}

function differs(what: string, found: unknown, expected: unknown): string[] {
  const [is, must] = [JSON.stringify(found), JSON.stringify(expected)];
  return is === must ? [] : [`${what} is ${is ?? 'absent'}, not ${must}`];
}
