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

/** What stands after "ended", for people. */
export function describeExit(status: ExitStatus): string {
  switch (status.kind) {
    case 'exited':
      return `with exit status ${status.code}`;
    case 'signalled':
      return `by ${status.signal}`;
    case 'timedOut':
      return 'when its time was up';
    case 'cancelled':
      return 'because it was cancelled';
    case 'lost':
      return `unseen: ${status.reason}`;
    default:
      return status satisfies never;
  }
}

function signalNumber(name: string): number {
  const known: Readonly<Record<string, number>> = constants.signals;
  return known[name.startsWith('SIG') ? name : `SIG${name}`] ?? 0;
}
