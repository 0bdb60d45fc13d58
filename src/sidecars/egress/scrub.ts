/*
 * Scope: keeping the values of secrets, in the forms that `secret-forms.ts` names, out of what goes on, however the bytes are cut into
 * chunks. Out of scope: other forms. Fail-safe direction: bytes that could begin a form are held back until the next ones tell.
 */
import { PatternMatcher } from './pattern-matcher.ts';
import { secretForms } from './secret-forms.ts';

const FILLER = 0x2a;
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

/** Replaces what a matcher finds by as many `*`, so that lengths of messages and frames stay true. One for each stream. */
export class Scrubber {
  readonly #matcher: PatternMatcher;
  readonly #onFind: ((pattern: number) => void) | undefined;
  #state: number;
  #held: Buffer = Buffer.alloc(0);

  constructor(matcher: PatternMatcher, onFind?: (pattern: number) => void) {
    this.#matcher = matcher;
    this.#onFind = onFind;
    this.#state = matcher.start;
  }

  /** Gives the bytes that may go on; holds back at most one byte less than the longest form has. */
  push(chunk: Buffer): Buffer {
    const from = this.#held.length;
    const bytes = from === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk]);
    this.#mask(bytes, from);
    const keep = this.#matcher.openBytesAt(this.#state);
    this.#held = Buffer.from(bytes.subarray(bytes.length - keep));
    return bytes.subarray(0, bytes.length - keep);
  }

  /** Gives what is held back: it did not become a secret. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    this.#state = this.#matcher.start;
    return rest;
  }

  /** Scrubs text that is whole, such as a header value. */
  text(value: string): string {
    const bytes = Buffer.from(value, 'utf8');
    if (this.#matcher.firstIn(bytes) === -1) return value;
    const scrubber = new Scrubber(this.#matcher, this.#onFind);
    return Buffer.concat([scrubber.push(bytes), scrubber.end()]).toString('utf8');
  }

  #mask(bytes: Buffer, from: number): void {
    const matcher = this.#matcher;
    let state = this.#state;
    for (let at = from; at < bytes.length; at += 1) {
      state = matcher.step(state, bytes[at] ?? 0);
      const found = matcher.foundAt(state);
      if (found === -1) continue;
      bytes.fill(FILLER, at + 1 - (matcher.patterns[found]?.length ?? 0), at + 1);
      this.#onFind?.(found);
    }
    this.#state = state;
  }
}
