/*
 * Scope: searching one stream of bytes for the forms of watched values and, where asked for, for credentials of known kinds.
 * Out of scope: decisions. Fail-safe direction: bytes go on after every find in them was judged; what could become a find is held back.
 */
import { Scrubber } from '../scrub.ts';
import type { Detect } from './detectors.ts';
import type { Finding } from './finding.ts';
import type { NeedleSet } from './watched-values.ts';

export interface SearchOptions {
  readonly set: NeedleSet | undefined;
  readonly detect: Detect | undefined;
  readonly masksSecrets: boolean;
  readonly masksDetected: boolean;
  readonly judge: (finding: Finding) => Promise<void>;
}

/** Up to so many bytes less one of a secret may go before the rest shows what they were; an honest end of a message is not held back. */
const MIN_HELD_BYTES = 6;
/** Longest credential that the detectors find across two chunks. */
const OVERLAP_CHARACTERS = 512;
const FILLER = 0x2a;
const NOTHING = Buffer.alloc(0);

export class ByteSearch {
  readonly #options: SearchOptions;
  readonly #scrubber: Scrubber | undefined;
  #found: Finding[] = [];
  #held = 0;
  #before = '';

  constructor(options: SearchOptions) {
    this.#options = options;
    const { set } = options;
    if (set === undefined) return;
    this.#scrubber = new Scrubber(set.matcher, {
      masks: options.masksSecrets,
      minHeldBytes: MIN_HELD_BYTES,
      onFind: (pattern) => this.#found.push(set.findingOf(pattern)),
    });
  }

  /** Bytes that wait for the next ones. */
  get heldBytes(): number {
    return this.#held;
  }

  /** Gives the bytes that may go on. */
  async push(chunk: Buffer): Promise<Buffer> {
    const passed = this.#scrubber === undefined ? chunk : this.#scrubber.push(chunk);
    this.#held += chunk.length - passed.length;
    if (this.#found.length > 0) await this.#judgeFound();
    return this.#options.detect === undefined || passed.length === 0 ? passed : await this.#detect(passed, this.#options.detect);
  }

  async end(): Promise<Buffer> {
    const rest = this.#scrubber?.end() ?? NOTHING;
    this.#held = 0;
    return this.#options.detect === undefined || rest.length === 0 ? rest : await this.#detect(rest, this.#options.detect);
  }

  async #judgeFound(): Promise<void> {
    const found = this.#found;
    this.#found = [];
    for (const finding of found) await this.#options.judge(finding);
  }

  /** One character of the text is one byte, so that positions agree. */
  async #detect(bytes: Buffer, detect: Detect): Promise<Buffer> {
    const text = this.#before + bytes.toString('latin1');
    const from = this.#before.length;
    this.#before = text.slice(-OVERLAP_CHARACTERS);
    let result = bytes;
    for (const { rule, start, end } of await detect(text)) {
      if (end <= from) continue;
      await this.#options.judge({ kind: 'detector', name: rule });
      if (!this.#options.masksDetected) continue;
      if (result === bytes) result = Buffer.from(bytes);
      result.fill(FILLER, Math.max(start - from, 0), end - from);
    }
    return result;
  }
}
