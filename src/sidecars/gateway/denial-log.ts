/*
 * Scope: denials that the gateway itself decides (names, addresses, floods), written to the audit log at a bounded rate, because a
 * bottle can cause them as fast as it likes. Fail-safe direction: what is not written is counted, and the count is written.
 */
import type { AuditEvent } from '../egress/index.ts';
import { TokenBucket } from './token-bucket.ts';

export interface Denial {
  readonly kind: 'dns' | 'connect' | 'control';
  readonly target: string;
  readonly reason: string;
}

export interface DenialSink {
  record(event: AuditEvent): unknown;
}

/** The same denial again within this time is counted, not written. */
const REPEAT_MS = 60_000;
/** Names that are remembered for that; a bottle can invent as many as it likes. */
const MAX_REMEMBERED = 512;

export class DenialLog {
  readonly #sink: DenialSink;
  readonly #now: () => number;
  readonly #bucket: TokenBucket;
  readonly #seen = new Map<string, number>();
  #suppressed = 0;

  constructor(sink: DenialSink, now: () => number = () => performance.now()) {
    this.#sink = sink;
    this.#now = now;
    this.#bucket = new TokenBucket(10, 100, now);
  }

  deny(denial: Denial): void {
    const key = `${denial.kind} ${denial.target} ${denial.reason}`;
    const last = this.#seen.get(key);
    if ((last !== undefined && this.#now() - last < REPEAT_MS) || !this.#bucket.take()) {
      this.#suppressed += 1;
      return;
    }
    this.#remember(key);
    this.#write(denial);
  }

  #write(denial: Denial): void {
    try {
      this.#sink.record({ ...denial, decision: 'deny', ...(this.#suppressed === 0 ? {} : { suppressedBefore: this.#suppressed }) });
      this.#suppressed = 0;
    } catch {
      // A log that cannot be written (disk full) must not end the gateway: the denial stands either way
      this.#suppressed += 1;
    }
  }

  #remember(key: string): void {
    this.#seen.delete(key);
    this.#seen.set(key, this.#now());
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > MAX_REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
  }
}
