import { patient } from '../core/index.ts';

/** Output that is on its way when the command ends arrives within this time, also on a busy host. */
const IDLE_MS = patient(750);
/** A grandchild that goes on writing keeps no caller longer than this. */
const LONGEST_MS = patient(1_700);
/** More than the SSH window and the buffers of server and kernel hold; what comes after it was written later. */
const MAX_TRAILING_BYTES = 4 * 1024 * 1024;
const TICK_MS = 50;

/**
 * Decides when the output of a command that has ended is complete, although a process that it left behind may hold the streams
 * open for ever. Time during which a slow reader holds the output back does not count.
 */
export class DrainWatch {
  readonly #cutOff: () => void;
  readonly #blocked = new Set<object>();
  #timer: NodeJS.Timeout | undefined;
  #idleMs = 0;
  #totalMs = 0;
  #bytes = 0;

  constructor(cutOff: () => void) {
    this.#cutOff = cutOff;
  }

  sawData(bytes: number): void {
    this.#idleMs = 0;
    if (this.#timer !== undefined) this.#bytes += bytes;
  }

  block(sink: object): void {
    this.#blocked.add(sink);
  }

  unblock(sink: object): void {
    this.#blocked.delete(sink);
  }

  /** Calls `cutOff` once: as soon as `isComplete` says so, or when no more output can be the command's. */
  start(isComplete: () => boolean): void {
    this.#idleMs = 0;
    this.#timer = setInterval(() => this.#tick(isComplete), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(isComplete: () => boolean): void {
    if (isComplete() || this.#bytes > MAX_TRAILING_BYTES) return this.#cutOff();
    if (this.#blocked.size > 0) return;
    this.#idleMs += TICK_MS;
    this.#totalMs += TICK_MS;
    if (this.#idleMs > IDLE_MS || this.#totalMs > LONGEST_MS) this.#cutOff();
  }
}
