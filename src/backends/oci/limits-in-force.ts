/**
 * Reads from the kernel whether the limits of a container hold: a rootless runtime that may not make a control group goes on without
 * one and says nothing.
 *
 * Scope: memory, processors and processes in control groups of version 2.
 * Out of scope: version 1, where users are promised none of them and the runtime of root ends with an error.
 * Fail-safe direction: what cannot be read is no limit, and a limit that is missing keeps the bottle from starting.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type BottlePlan, ignoreCodes } from '../../core/index.ts';
import type { ContainerLimits } from './container-profile.ts';
import type { PodmanHost } from './podman-host.ts';
import { unenforceable } from './resolve-plan.ts';

const CONTROL_GROUPS = '/sys/fs/cgroup';

type ControlledLimit = 'memory' | 'cpus' | 'pids';

/** Throws LIMIT_UNENFORCEABLE where a limit does not hold for this process that nobody allowed to be missing. */
export async function assertLimitsInForce(pid: number, plan: BottlePlan, host: PodmanHost, limits: ContainerLimits): Promise<void> {
  if (host.facts.cgroupVersion !== 'v2') return;
  const group = /^0::(.*)$/m.exec(await readFile(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '/';
  const mayBeMissing = [...plan.missingLimits, ...plan.spec.unenforcedLimits];
  const missing = (await limitsNotInForce(group, limits)).filter((limit) => !mayBeMissing.includes(limit));
  if (missing.length > 0)
    throw unenforceable(missing, '(its runtime made no control group)', 'Delegate the cgroup v2 controllers to your user', host);
}

/** Limits that neither the control group with this path nor one above it holds. */
export async function limitsNotInForce(group: string, limits: ContainerLimits, root: string = CONTROL_GROUPS): Promise<ControlledLimit[]> {
  const words = group.split('/').filter((word) => word !== '');
  const groups = words.map((_, index) => path.join(root, ...words.slice(0, index + 1)));
  const most: Readonly<Record<ControlledLimit, readonly [file: string, allowed: number]>> = {
    memory: ['memory.max', limits.memoryMiB * 1024 * 1024],
    // systemd takes hundredths of a processor, rounded up
    cpus: ['cpu.max', limits.cpus + 0.0101],
    pids: ['pids.max', limits.pids],
  };
  const isMissing = async (limit: ControlledLimit): Promise<boolean> => {
    const [file, allowed] = most[limit];
    const found = await Promise.all(groups.map((each) => readLimit(path.join(each, file))));
    return !found.some((value) => value <= allowed);
  };
  const names = ['memory', 'cpus', 'pids'] as const;
  const areMissing = await Promise.all(names.map(isMissing));
  return names.filter((_, index) => areMissing[index]);
}

/** `max`, a number, or for processors what of a period may be used. */
async function readLimit(file: string): Promise<number> {
  const [most, period = '1'] = ((await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'))) ?? 'max').trim().split(' ');
  return most === 'max' ? Number.POSITIVE_INFINITY : Number.parseInt(most ?? '', 10) / Number(period);
}
