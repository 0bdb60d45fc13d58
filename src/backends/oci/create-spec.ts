/**
 * The body of the request that makes a bottle's container: what `create-arguments.ts` says on a command line, for Podman's service.
 * Values of the user's environment are never in it.
 *
 * Fail-safe direction: as there, `verify-config.ts` reads back what came of it; nothing starts on the word of this file.
 */
import { constants } from 'node:os';
import { BOTTLE_PATH, type CreateInputs, labelsOf, MAX_LOG_BYTES, SHM_BYTES } from './create-arguments.ts';
import { processLimitThatWorks } from './quirks.ts';

const MIB = 1024 * 1024;
const CPU_PERIOD_MICROS = 100_000;
const PRIVATE = { nsmode: 'private' } as const;

export function createSpec(inputs: CreateInputs): object {
  const { plan, profile, seccompFile, namespacePath, init } = inputs;
  return {
    name: plan.runtimeName,
    image: plan.spec.image,
    labels: labelsOf(inputs),
    hostname: plan.spec.slug,
    netns: { nsmode: 'path', value: namespacePath },
    use_image_resolve_conf: true,
    use_image_hosts: true,
    httpproxy: false,
    pidns: PRIVATE,
    ipcns: PRIVATE,
    utsns: PRIVATE,
    cgroupns: PRIVATE,
    cap_drop: ['all'],
    cap_add: profile.capabilities,
    seccomp_profile_path: seccompFile,
    no_new_privileges: profile.noNewPrivileges(plan),
    annotations: profile.annotations(plan),
    image_volume_mode: 'ignore',
    healthconfig: { Test: ['NONE'] },
    systemd: 'false',
    shm_size: SHM_BYTES,
    ...limits(inputs),
    log_configuration: { driver: 'k8s-file', size: MAX_LOG_BYTES },
    user: '0:0',
    work_dir: '/',
    unsetenvall: true,
    env: { TERM: 'xterm-256color', PATH: BOTTLE_PATH },
    stop_signal: constants.signals[profile.stopSignal],
    restart_policy: 'no',
    entrypoint: init,
  };
}

function limits({ plan, host, profile }: CreateInputs): object {
  const { memoryMiB, cpus, pids, files } = profile.limits(plan, host);
  const processes = processLimitThatWorks(host.machine.hardLimits.processes, host.machine.pidMax);
  const all = {
    memory: { limit: memoryMiB * MIB, swap: memoryMiB * MIB },
    cpus: { quota: Math.round(cpus * CPU_PERIOD_MICROS), period: CPU_PERIOD_MICROS },
    pids: { limit: pids },
  };
  const isEnforced = (name: keyof typeof all | 'disk'): boolean => !plan.missingLimits.includes(name);
  const { diskMiB } = plan.spec.limits;
  return {
    ...(diskMiB !== undefined && isEnforced('disk') ? { storage_opts: { size: `${diskMiB}m` } } : {}),
    resource_limits: {
      ...(isEnforced('memory') ? { memory: all.memory } : {}),
      ...(isEnforced('cpus') ? { cpu: all.cpus } : {}),
      ...(isEnforced('pids') ? { pids: all.pids } : {}),
    },
    r_limits: [
      { type: 'nofile', soft: files, hard: files },
      { type: 'nproc', soft: processes, hard: processes },
    ],
  };
}
