import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCodeOf } from '../../core/errors.ts';
import { patient } from '../../core/patience.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from '../../core/process-identity.ts';

/** How long a killed process may take to vanish; only a process stuck in the kernel takes longer. */
const VANISH_MS = patient(5_000);

/** The process that a record file names, if it still runs; a missing or torn file names nobody. */
export function recordedProcess(file: string): ProcessIdentity | undefined {
  const identity = parseIdentity(readIfExists(file));
  return identity !== undefined && isAlive(identity) ? identity : undefined;
}

/** Records the calling process. */
export function recordOwnProcess(file: string): void {
  const identity = identifyProcess(process.pid);
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(identity)}\n`, { mode: 0o600 });
  rmSync(file, { force: true });
  linkSync(temporary, file);
  rmSync(temporary, { force: true });
}

/** Ends processes, each with the group that it leads, and waits until they are gone: asks first, kills after `graceMs`. */
export async function endProcesses(identities: readonly (ProcessIdentity | undefined)[], graceMs: number): Promise<void> {
  const alive = identities.filter((identity) => identity !== undefined);
  for (const [signal, withinMs] of [
    ['SIGTERM', graceMs],
    ['SIGKILL', VANISH_MS],
  ] as const) {
    for (const identity of alive) signalProcess(identity, signal);
    const vanished = await Promise.all(alive.map((identity) => hasVanished(identity, withinMs)));
    if (!vanished.includes(false)) return;
  }
}

/** A group cannot belong to somebody else while the process that leads it lives. */
function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  for (const target of [-identity.pid, identity.pid]) {
    try {
      process.kill(target, signal);
    } catch (error) {
      // No such group (the process leads none), or the process has just ended
      if (systemCodeOf(error) !== 'ESRCH') throw error;
    }
  }
}

async function hasVanished(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (isAlive(identity)) {
    if (Date.now() > deadline) return false;
    await sleep(patient(3));
  }
  return true;
}

function readIfExists(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

function parseIdentity(text: string): ProcessIdentity | undefined {
  const match = /^\{"pid":(\d{1,10}),"startTime":"(\d{1,20})","bootId":"([0-9a-f-]{36})"\}\n$/.exec(text);
  if (match === null) return undefined;
  const [, pid, startTime, bootId] = match;
  return pid === undefined || startTime === undefined || bootId === undefined ? undefined : { pid: Number(pid), startTime, bootId };
}
