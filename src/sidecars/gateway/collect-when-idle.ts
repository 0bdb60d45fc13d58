import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadReleaseMemory } from './release-memory.ts';

/** Short enough that memory is given back soon after traffic, long enough to cost nothing at rest. */
const INTERVAL_MS = 2_000;
/** Below this share of one processor the process counts as idle. */
const IDLE_SHARE = 0.02;
/**
 * Idle intervals after which memory is given back. V8 keeps the pages that one collection freed until the next, and connections to
 * servers, with their buffers, wait ten seconds for another request.
 */
const IDLE_INTERVALS: readonly number[] = [1, 2, 4, 8];
/** Below this share a process that is never idle gives memory back too, each time so many intervals have passed. */
const LIGHT_SHARE = 0.25;
const LIGHT_INTERVALS = 5;

/**
 * V8's fast compiler is enough, because requests wait for the system and not for code; the slow one, 5 MiB of code by itself, is for the
 * one loop over all bytes alone (`#mask` in `egress/scrub.ts`).
 */
const COMPILER_FLAG = '--turbo-filter=#mask';

/**
 * Gives memory back after each busy time: V8 by itself collects when it needs room, and an idle process never needs any. Flags are set
 * when the start is over: Node caches the code of its own modules for the flags that it began with.
 */
export function collectWhenIdle(intervalMs: number = INTERVAL_MS): void {
  let collect: (() => void) | undefined;
  const release = loadReleaseMemory();
  let before = process.cpuUsage();
  let idleIntervals = 0;
  let sinceCollection = 0;
  setTimeout(() => setFlagsFromString(COMPILER_FLAG), intervalMs).unref();
  setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    const share = (user + system) / 1_000 / intervalMs;
    idleIntervals = share < IDLE_SHARE ? idleIntervals + 1 : 0;
    sinceCollection += 1;
    const isLight = idleIntervals === 0 && share < LIGHT_SHARE && sinceCollection >= LIGHT_INTERVALS;
    if (isLight || IDLE_INTERVALS.includes(idleIntervals)) {
      collect ??= loadCollector();
      collect();
      release?.();
      sinceCollection = 0;
    }
    // What giving back costs is no traffic
    before = process.cpuUsage();
  }, intervalMs).unref();
}

/** With the flag on its command line Node would compile its own modules anew at every start: they are cached for other flags. */
function loadCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
