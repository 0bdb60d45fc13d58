import { constants } from 'node:os';
import type { ExitStatus } from '../core/index.ts';

/** What a shell would report: the command's own status, 128 + signal, 124 for a time limit. */
export function exitStatusOf(status: ExitStatus): number {
  switch (status.kind) {
    case 'exited':
      return status.code;
    case 'signalled':
      return 128 + signalNumber(status.signal);
    case 'timedOut':
      return 124;
    case 'cancelled':
      return 130;
    case 'lost':
      return 125;
    default:
      return status satisfies never;
  }
}

function signalNumber(name: string): number {
  const known: Readonly<Record<string, number>> = constants.signals;
  return known[name.startsWith('SIG') ? name : `SIG${name}`] ?? 0;
}
