import { access, constants, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../core/index.ts';
import { HYBRID_CGROUP_MOUNT } from './quirks.ts';

const CAP_SYS_RESOURCE = 24n;

/** What the kernel and the init system of this machine offer, as this process sees it. */
export interface Machine {
  readonly uid: number;
  readonly cgroups: 'v1' | 'v2' | 'hybrid' | 'none';
  readonly systemd: boolean;
  /** Was the control group of this process, in version 2, handed to its user? Without systemd a rootless runtime needs that. */
  readonly mayMakeGroups: boolean;
  readonly mayRaiseLimits: boolean;
  /** Hard limits of this process */
  readonly hardLimits: { readonly files: number; readonly processes: number };
  readonly pidMax: number;
}

export async function readMachine(uid: number = process.getuid?.() ?? 0): Promise<Machine> {
  const [mounts, status, limits, pidMax, systemd, mayMakeGroups] = await Promise.all([
    readFile('/proc/self/mountinfo', 'utf8'),
    readFile('/proc/self/status', 'utf8'),
    readFile('/proc/self/limits', 'utf8'),
    readFile('/proc/sys/kernel/pid_max', 'utf8'),
    ignoreCodes(['ENOENT'], () => stat('/run/systemd/system')),
    isOwnGroupWritable(),
  ]);
  return {
    uid,
    cgroups: cgroupLayout(mounts),
    systemd: systemd !== undefined,
    mayMakeGroups,
    mayRaiseLimits: hasCapability(status, CAP_SYS_RESOURCE),
    hardLimits: { files: hardLimit(limits, 'Max open files'), processes: hardLimit(limits, 'Max processes') },
    pidMax: Number(pidMax),
  };
}

async function isOwnGroupWritable(): Promise<boolean> {
  const group = /^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8'))?.[1];
  if (group === undefined) return false;
  const directory = path.join('/sys/fs/cgroup', group);
  const isWritable = async (): Promise<true> => (await access(directory, constants.W_OK), true);
  return (await ignoreCodes(['ENOENT', 'EACCES', 'EROFS'], isWritable)) === true;
}

/** Cgroup layout of a mount table in the format of `/proc/self/mountinfo`. */
export function cgroupLayout(mountinfo: string): Machine['cgroups'] {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const point = before?.split(' ')[4];
    const type = after?.split(' ')[0];
    return point === undefined || type === undefined ? [] : [{ point, type }];
  });
  if (mounts.some(({ point, type }) => point === '/sys/fs/cgroup' && type === 'cgroup2')) return 'v2';
  if (mounts.some(({ point, type }) => point === HYBRID_CGROUP_MOUNT && type === 'cgroup2')) return 'hybrid';
  return mounts.some(({ type }) => type === 'cgroup') ? 'v1' : 'none';
}

function hasCapability(status: string, bit: bigint): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> bit) & 1n) === 1n;
}

function hardLimit(limits: string, name: string): number {
  const line = limits.split('\n').find((candidate) => candidate.startsWith(name));
  const hard = line?.slice(name.length).trim().split(/\s+/)[1];
  return hard === undefined || hard === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hard);
}
