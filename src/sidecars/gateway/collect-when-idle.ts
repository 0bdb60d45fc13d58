import { loadTrimHeap } from './trim-heap.ts';

/** Short enough that memory is given back soon after traffic, long enough to cost nothing at rest. */
const INTERVAL_MS = 2_000;
/** Below this share of one processor the process counts as idle. */
const IDLE_SHARE = 0.02;
/** V8 keeps the pages that one collection freed until the next. */
const COLLECTIONS = 2;

/**
 * Gives memory back after each busy time: V8 by itself collects when it needs room, and an idle process never needs any. Does nothing
 * where the process was started without `--expose-gc`.
 */
export function collectWhenIdle(intervalMs: number = INTERVAL_MS): void {
  const collect = globalThis.gc;
  if (collect === undefined) return;
  const trim = loadTrimHeap();
  let before = process.cpuUsage();
  let left = COLLECTIONS;
  setInterval(() => {
    const now = process.cpuUsage();
    const busyMs = (now.user - before.user + now.system - before.system) / 1_000;
    const isIdle = busyMs < intervalMs * IDLE_SHARE;
    if (!isIdle) left = COLLECTIONS;
    else if (left > 0) {
      left -= 1;
      collect();
      if (left === 0) trim?.();
    }
    // What giving back costs is no traffic
    before = process.cpuUsage();
  }, intervalMs).unref();
}
