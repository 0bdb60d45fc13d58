const SECONDS = 60;

/** Counts events in the last minute, to the second: at no time are more than the limit within 60 seconds. */
export class MinuteCounter {
  readonly #counts = Array.from({ length: SECONDS + 1 }, () => 0);
  #second = 0;

  /** Takes one of `limit` if there is one left; `nowMs` never goes back. */
  take(limit: number, nowMs: number): boolean {
    const second = Math.floor(nowMs / 1_000);
    const passed = Math.min(second - this.#second, this.#counts.length);
    for (let step = 1; step <= passed; step += 1) this.#counts[(this.#second + step) % this.#counts.length] = 0;
    this.#second = Math.max(this.#second, second);
    if (this.#counts.reduce((sum, count) => sum + count, 0) >= limit) return false;
    const slot = this.#second % this.#counts.length;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    return true;
  }
}
