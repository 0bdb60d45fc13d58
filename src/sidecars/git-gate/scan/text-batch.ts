/*
 * Scope: gathers the text of many objects for one run of a pattern scanner, and says which object a hit lies in.
 * Out of scope: what a hit is. Fail-safe direction: a large text is cut with an overlap, so that no credential lies across a cut.
 */
import type { NewObject } from './new-objects.ts';

export interface TextSegment {
  readonly object: NewObject;
  /** latin1, so that an index is a byte */
  readonly text: string;
  /** Line of the object that the segment begins in, from 1; undefined where it begins somewhere in a binary file */
  readonly firstLine: number | undefined;
}

/** Longer than any credential that a pattern knows, keys in PEM included */
const OVERLAP = 8 * 1024;
const SEGMENT = 1024 ** 2;
/** Of a file that is no text, at most this much is searched for patterns; exact values are searched in all of it */
const MAX_BINARY_BYTES = 4 * 1024 ** 2;
const SNIFFED_BYTES = 8_000;

/** Cuts one object into segments as its bytes come. */
export class TextCutter {
  readonly #object: NewObject;
  #pending: Buffer[] = [];
  #bytes = 0;
  #isText: boolean | undefined;
  #line = 1;

  constructor(object: NewObject) {
    this.#object = object;
  }

  add(bytes: Buffer, last: boolean): TextSegment[] {
    this.#isText ??= !bytes.subarray(0, SNIFFED_BYTES).includes(0);
    if (!this.#isText && this.#object.size > MAX_BINARY_BYTES) return [];
    this.#pending.push(bytes);
    this.#bytes += bytes.length;
    if (!last && this.#bytes < SEGMENT) return [];
    const text = (this.#pending.length === 1 ? bytes : Buffer.concat(this.#pending)).toString('latin1');
    const kept = last ? '' : text.slice(-OVERLAP);
    const segment = { object: this.#object, text, firstLine: this.#isText ? this.#line : undefined };
    this.#line += countLines(text) - countLines(kept);
    this.#pending = kept === '' ? [] : [Buffer.from(kept, 'latin1')];
    this.#bytes = kept.length;
    return text === '' ? [] : [segment];
  }
}

export function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
