/**
 * The command line that makes a bottle's container. Values of the user's environment are never on it.
 *
 * Scope: every isolation option, spelt out even where it is Podman's default, because a containers.conf may change defaults.
 * Fail-safe direction: `verify-config.ts` reads back what came of it; nothing starts on the word of this file.
 */

import type { BottlePlan } from '../../core/index.ts';
import type { ContainerProfile } from './container-profile.ts';
import { LABELS } from './inspect.ts';
import type { PodmanHost } from './podman-host.ts';
import { processLimitThatWorks } from './quirks.ts';

export const BOTTLE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
export const MAX_LOG_BYTES = 1_000_000;
export const SHM_BYTES = 64 * 1024 * 1024;

export interface CreateInputs {
  readonly plan: BottlePlan;
  readonly host: PodmanHost;
  readonly profile: ContainerProfile;
  /** State directory of terok: whose container this is */
  readonly owner: string;
  readonly seccompFile: string;
  /** Network namespace that the container joins; the same at every start */
  readonly namespacePath: string;
  readonly init: readonly string[];
  readonly exec: ExecKind;
  /** Names this one attempt, so that a half-made container is found again */
  readonly attempt: string;
}

/** How commands get into the bottle. */
export type ExecKind = 'ssh' | 'api';

export function createArguments(inputs: CreateInputs): string[] {
  const { plan, profile, init } = inputs;
  return [
    'create',
    '--name',
    plan.runtimeName,
    '--pull=never',
    ...identityArguments(inputs),
    ...isolationArguments(inputs),
    ...limitArguments(inputs),
    ...Object.entries(profile.annotations(plan)).flatMap(([name, value]) => ['--annotation', `${name}=${value}`]),
    '--log-driver',
    'k8s-file',
    '--log-opt',
    `max-size=${MAX_LOG_BYTES}`,
    '--user',
    '0:0',
    '--workdir',
    '/',
    '--unsetenv-all',
    '--env',
    'TERM=xterm-256color',
    '--env',
    `PATH=${BOTTLE_PATH}`,
    '--stop-signal',
    profile.stopSignal,
    '--restart',
    'no',
    '--entrypoint',
    JSON.stringify(init),
    plan.spec.image,
  ];
}

/** Label → value */
export function labelsOf({ plan, owner, exec, attempt }: CreateInputs): Record<string, string> {
  return {
    [LABELS.slug]: plan.spec.slug,
    [LABELS.owner]: owner,
    [LABELS.backend]: plan.backend,
    [LABELS.exec]: exec,
    [LABELS.attempt]: attempt,
  };
}

function identityArguments(inputs: CreateInputs): string[] {
  const labels = Object.entries(labelsOf(inputs)).flatMap(([name, value]) => ['--label', `${name}=${value}`]);
  return [...labels, '--hostname', inputs.plan.spec.slug];
}

function isolationArguments({ plan, profile, seccompFile, namespacePath }: CreateInputs): string[] {
  return [
    '--network',
    `ns:${namespacePath}`,
    '--dns',
    'none',
    '--no-hosts',
    '--http-proxy=false',
    '--pid',
    'private',
    '--ipc',
    'private',
    '--uts',
    'private',
    '--cgroupns',
    'private',
    '--cap-drop',
    'all',
    '--cap-add',
    profile.capabilities.join(','),
    '--security-opt',
    `seccomp=${seccompFile}`,
    ...(profile.noNewPrivileges(plan) ? ['--security-opt', 'no-new-privileges'] : []),
    '--image-volume',
    'ignore',
    '--no-healthcheck',
    '--systemd=false',
    '--shm-size',
    String(SHM_BYTES),
  ];
}

/** The most open files that a process can have: what was asked, or less where this host allows less. */
export function allowedFiles(wanted: number, host: PodmanHost): number {
  return host.machine.mayRaiseLimits ? wanted : Math.min(wanted, host.machine.hardLimits.files);
}

function limitArguments({ plan, host, profile }: CreateInputs): string[] {
  const limits = profile.limits(plan, host);
  const { files } = limits;
  const processes = processLimitThatWorks(host.machine.hardLimits.processes, host.machine.pidMax);
  const enforced = {
    memory: ['--memory', `${limits.memoryMiB}m`, '--memory-swap', `${limits.memoryMiB}m`],
    cpus: ['--cpus', String(limits.cpus)],
    pids: ['--pids-limit', String(limits.pids)],
  };
  const cgroup = (['memory', 'cpus', 'pids'] as const).flatMap((name) => (plan.missingLimits.includes(name) ? [] : enforced[name]));
  const disk = plan.missingLimits.includes('disk') ? undefined : plan.spec.limits.diskMiB;
  return [
    ...cgroup,
    ...(disk === undefined ? [] : ['--storage-opt', `size=${disk}m`]),
    '--ulimit',
    `nofile=${files}:${files}`,
    '--ulimit',
    `nproc=${processes}:${processes}`,
  ];
}
