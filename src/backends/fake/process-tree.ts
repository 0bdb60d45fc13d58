import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ignoreCodes, systemCodeOf } from '../../core/index.ts';

/** Rounds of signals before a tree counts as immortal; each round takes all that was found, and a fork bomb dies in a few. */
const MAX_ROUNDS = 100;
const ROUND_MS = 20;

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly marked: boolean;
}

/** Living processes with the `NAME=value` in their environment, and all their descendants. */
export async function findMarked(marker: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const entries = (await Promise.all(pids.map((pid) => readProcess(pid, marker)))).filter((entry) => entry !== undefined);
  const found = new Set(entries.filter(({ marked }) => marked).map(({ pid }) => pid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of entries) if (found.has(parent)) found.add(pid);
  }
  found.delete(process.pid);
  return [...found];
}

/** Sends a signal to each; one that ended meanwhile is no error. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (systemCodeOf(error) !== 'ESRCH') throw error;
    }
  }
}

/** Kills until nothing is found any more. */
export async function killAll(find: () => Promise<readonly number[]>): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const pids = await find();
    if (pids.length === 0) return;
    signalAll(pids, 'SIGKILL');
    await sleep(ROUND_MS);
  }
}

async function readProcess(pid: number, marker: string): Promise<ProcessEntry | undefined> {
  const gone = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'];
  const [stat, environment] = await Promise.all([
    ignoreCodes(gone, () => readFile(`/proc/${pid}/stat`, 'latin1')),
    ignoreCodes(gone, () => readFile(`/proc/${pid}/environ`, 'utf8')),
  ]);
  if (stat === undefined) return undefined;
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z' || state === 'X') return undefined;
  return { pid, parent: Number(parent), marked: environment?.split('\0').includes(marker) ?? false };
}
