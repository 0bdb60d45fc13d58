import { readFileSync } from 'node:fs';
import { systemCodeOf, TerokError } from './errors.ts';

/** A process that is never mistaken for another one which got the same pid later, not even after a reboot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, from `/proc/<pid>/stat` */
  readonly startTime: string;
  readonly bootId: string;
}

/** Undefined where no such process runs; a zombie counts as not running. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTime] = [fields[0], fields[19]];
    if (startTime === undefined || state === 'Z' || state === 'X') return undefined;
    return { pid, startTime, bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() };
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** The process that calls; throws RUNTIME_FAILED where `/proc` does not show it. */
export function currentProcess(): ProcessIdentity {
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new TerokError('RUNTIME_FAILED', '`/proc` does not show this process; terok needs a mounted `/proc`.');
  return self;
}
