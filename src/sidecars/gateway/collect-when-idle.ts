/** Short enough that memory is given back soon after traffic, long enough to cost nothing at rest. */
const INTERVAL_MS = 3_000;
/** Below this share of one processor the process counts as idle. */
const IDLE_SHARE = 0.02;

/**
 * Gives memory back after each busy time: V8 by itself collects when it needs room, and an idle process never needs any. Does nothing
 * where the process was started without `--expose-gc`.
 */
export function collectWhenIdle(intervalMs: number = INTERVAL_MS): void {
  const collect = globalThis.gc;
  if (collect === undefined) return;
  let before = process.cpuUsage();
  let wasBusy = true;
  setInterval(() => {
    const now = process.cpuUsage();
    const busyMs = (now.user - before.user + now.system - before.system) / 1_000;
    before = now;
    const isIdle = busyMs < intervalMs * IDLE_SHARE;
    if (isIdle && wasBusy) collect();
    wasBusy = !isIdle;
  }, intervalMs).unref();
}
