/*
 * Scope: keeping the values of secrets, in the forms that `secret-forms.ts` names, out of what goes on, however the bytes are cut into
 * chunks. Out of scope: other forms. Fail-safe direction: bytes that could begin a form are held back until the next ones tell.
 */
import { PatternMatcher } from './pattern-matcher.ts';
import { secretForms } from './secret-forms.ts';

const FILLER = 0x2a;
const NOTHING = Buffer.alloc(0);
/** A bottle uses a few credentials; renewed ones push the old ones out. */
const MAX_MATCHERS = 32;

/** A matcher for all forms of these values; made once and shared by the streams of a gateway. */
export function matcherOf(values: readonly string[]): PatternMatcher {
  return new PatternMatcher(values.flatMap((value) => secretForms(value).map(({ bytes }) => bytes)));
}

/** Keeps the matchers of a gateway, because one costs about a millisecond for each value. */
export class MatcherCache {
  readonly #known = new Map<string, PatternMatcher>();

  of(values: readonly string[]): PatternMatcher {
    const key = JSON.stringify(values);
    let matcher = this.#known.get(key);
    if (matcher !== undefined) return matcher;
    matcher = matcherOf(values);
    if (this.#known.size >= MAX_MATCHERS) this.#known.clear();
    this.#known.set(key, matcher);
    return matcher;
  }

  clear(): void {
    this.#known.clear();
  }
}

export interface ScrubOptions {
  /** Told of each find, by the index of its pattern */
  readonly onFind?: (pattern: number) => void;
  /** False where finds are only told */
  readonly masks?: boolean;
  /** Fewer bytes that could begin a pattern are not held back, so that who waits for an answer to them does not wait for ever; 1 where absent */
  readonly minHeldBytes?: number;
}

/** Replaces what a matcher finds by as many `*`, so that lengths of messages and frames stay true. One for each stream. */
export class Scrubber {
  readonly #matcher: PatternMatcher;
  readonly #options: ScrubOptions;
  #state: number;
  #held: Buffer = NOTHING;

  constructor(matcher: PatternMatcher, options: ScrubOptions = {}) {
    this.#matcher = matcher;
    this.#options = options;
    this.#state = matcher.start;
  }

  /** Gives the bytes that may go on; holds back at most one byte less than the longest form has. */
  push(chunk: Buffer): Buffer {
    const from = this.#held.length;
    const bytes = this.#search(from === 0 ? chunk : Buffer.concat([this.#held, chunk]), from);
    const open = this.#matcher.openBytesAt(this.#state);
    const keep = open < (this.#options.minHeldBytes ?? 1) ? 0 : Math.min(open, bytes.length);
    this.#held = keep === 0 ? NOTHING : Buffer.from(bytes.subarray(bytes.length - keep));
    return keep === 0 ? bytes : bytes.subarray(0, bytes.length - keep);
  }

  /** Gives what is held back: it did not become a secret. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = NOTHING;
    this.#state = this.#matcher.start;
    return rest;
  }

  /** Scrubs text that is whole, such as a header value. */
  text(value: string): string {
    const bytes = Buffer.from(value, 'utf8');
    if (this.#matcher.firstIn(bytes) === -1) return value;
    const scrubber = new Scrubber(this.#matcher, this.#options);
    return Buffer.concat([scrubber.push(bytes), scrubber.end()]).toString('utf8');
  }

  /** Scrubs the name of a field, in lower case. */
  name(value: string): string {
    return this.#matcher.names.masked(value);
  }

  /** Gives the bytes as they may go on: the same, or where there is something to mask a copy, because they are the caller's. */
  #search(bytes: Buffer, from: number): Buffer {
    const { onFind, masks } = this.#options;
    let masked = bytes;
    this.#state = this.#matcher.search(this.#state, bytes, from, (at, pattern) => {
      const begin = Math.max(at + 1 - (this.#matcher.patterns[pattern]?.length ?? 0), 0);
      if (masks !== false) {
        if (masked === bytes) masked = Buffer.from(bytes);
        masked.fill(FILLER, begin, at + 1);
      }
      onFind?.(pattern);
    });
    return masked;
  }
}
