/*
 * Scope: finds any of many byte sequences in a stream in one pass (Wu and Manber's algorithm with blocks of two bytes).
 * Out of scope: what the sequences mean. Fail-safe direction: a sequence that lies across two chunks is found as well.
 */
import type { Needle } from './secret-needles.ts';

const BLOCK = 2;

export class NeedleSearch {
  readonly #shift = new Uint8Array(65_536);
  readonly #endingWith = new Map<number, Needle[]>();
  readonly #window: number;
  /** Bytes of the end of a chunk that the next one must be searched with */
  readonly overlap: number;

  /** @param needles each of at least two bytes */
  constructor(needles: readonly Needle[]) {
    this.#window = Math.min(...needles.map(({ bytes }) => bytes.length), 255);
    this.overlap = Math.max(0, ...needles.map(({ bytes }) => bytes.length - 1));
    this.#shift.fill(Math.max(1, this.#window - BLOCK + 1));
    for (const needle of needles) this.#add(needle);
  }

  #add(needle: Needle): void {
    for (let end = BLOCK; end <= this.#window; end += 1) {
      const block = ((needle.bytes[end - 2] ?? 0) << 8) | (needle.bytes[end - 1] ?? 0);
      this.#shift[block] = Math.min(this.#shift[block] ?? 0, this.#window - end);
      if (end === this.#window) this.#endingWith.set(block, [...(this.#endingWith.get(block) ?? []), needle]);
    }
  }

  /** The first needle in the buffer, with where it begins. */
  find(buffer: Buffer): { readonly needle: Needle; readonly at: number } | undefined {
    if (this.#endingWith.size === 0) return undefined;
    const window = this.#window;
    for (let last = window - 1; last < buffer.length; ) {
      const block = ((buffer[last - 1] ?? 0) << 8) | (buffer[last] ?? 0);
      const shift = this.#shift[block] ?? 1;
      if (shift > 0) {
        last += shift;
        continue;
      }
      const at = last - window + 1;
      const needle = this.#endingWith.get(block)?.find(({ bytes }) => bytes.equals(buffer.subarray(at, at + bytes.length)));
      if (needle !== undefined) return { needle, at };
      last += 1;
    }
    return undefined;
  }
}
