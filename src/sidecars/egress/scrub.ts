/*
 * Scope: keeping the exact value of a secret out of what goes back into the bottle, however the bytes are cut into chunks.
 * Out of scope: values that the server encoded in some other way. Fail-safe direction: bytes that could begin the secret are held
 * back until the next ones tell.
 */

const FILLER = 0x2a;

/** Replaces a secret by as many `*`, so that lengths of messages and frames stay true. */
export class Scrubber {
  readonly #needle: Buffer;
  #held: Buffer = Buffer.alloc(0);

  constructor(secret: string) {
    this.#needle = Buffer.from(secret, 'utf8');
  }

  /** Gives the bytes that may go on; holds back at most one byte less than the secret has. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk]);
    for (let at = bytes.indexOf(this.#needle); at !== -1; at = bytes.indexOf(this.#needle, at)) {
      bytes.fill(FILLER, at, at + this.#needle.length);
    }
    const keep = this.#openEnd(bytes);
    this.#held = Buffer.from(bytes.subarray(bytes.length - keep));
    return bytes.subarray(0, bytes.length - keep);
  }

  /** Gives what is held back: it did not become the secret. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return rest;
  }

  /** Scrubs text that is whole, such as a header value. */
  text(value: string): string {
    const needle = this.#needle.toString('utf8');
    return value.includes(needle) ? value.replaceAll(needle, '*'.repeat(this.#needle.length)) : value;
  }

  /** Length of the longest end of `bytes` with which the secret could begin. */
  #openEnd(bytes: Buffer): number {
    const most = Math.min(bytes.length, this.#needle.length - 1);
    const first = this.#needle[0] ?? 0;
    for (let at = bytes.indexOf(first, bytes.length - most); at !== -1; at = bytes.indexOf(first, at + 1)) {
      const length = bytes.length - at;
      if (bytes.compare(this.#needle, 0, length, at) === 0) return length;
    }
    return 0;
  }
}
