/*
 * Scope: finding any of many byte strings in a stream, in one pass, whatever their number (Aho and Corasick). Between them it looks at one
 * pair of bytes in as many as the shortest pattern has, and passes over the others (Wu and Manber).
 * Out of scope: what a find means. Fail-safe direction: a string is found however the bytes are cut into chunks.
 */

import { FieldNames } from './field-names.ts';

const NONE = -1;
const ROOT = 0;
/** Further leaps make nothing faster. */
const MAX_WINDOW = 32;

/**
 * An automaton over bytes. A state is one prefix of some pattern; most have one successor, so successors are lists and not tables,
 * and memory is some 25 bytes for each byte of the patterns.
 */
export class PatternMatcher {
  /** Length of the prefix that a state stands for */
  readonly #depth: Int32Array;
  readonly #byte: Uint8Array;
  readonly #firstChild: Int32Array;
  readonly #nextSibling: Int32Array;
  readonly #fail: Int32Array;
  /** Longest pattern that ends in a state, or in one of its shorter ends */
  readonly #found: Int32Array;
  /** Length of the longest end of a state that can still grow into a pattern */
  readonly #open: Int32Array;
  readonly #fromRoot = new Int32Array(256);
  /** How far ahead of a place the pair of bytes ends that is looked at first: the end of the shortest pattern that could begin there */
  readonly #ahead: number;
  /** By that pair, how many places follow where no pattern can begin, the first of them included; 0 where one may begin at the first */
  readonly #leaps: Uint8Array;
  /** 1 for each pair of bytes with which a pattern begins */
  readonly #begins = new Uint8Array(65_536);
  readonly patterns: readonly Buffer[];
  /** Finds the patterns in names of fields */
  readonly names: FieldNames;

  /** @param patterns none of them empty; the index of one is what a find reports */
  constructor(patterns: readonly Buffer[]) {
    this.patterns = patterns;
    this.names = new FieldNames(patterns);
    const size = 1 + patterns.reduce((sum, pattern) => sum + pattern.length, 0);
    this.#depth = new Int32Array(size);
    this.#byte = new Uint8Array(size);
    this.#firstChild = new Int32Array(size).fill(NONE);
    this.#nextSibling = new Int32Array(size).fill(NONE);
    this.#fail = new Int32Array(size);
    this.#found = new Int32Array(size).fill(NONE);
    this.#open = new Int32Array(size);
    this.#ahead = Math.min(MAX_WINDOW, ...patterns.map((pattern) => pattern.length)) - 1;
    this.#leaps = leapsOf(patterns, this.#ahead);
    this.#addPatterns();
    this.#linkFailures();
  }

  /** The state before the first byte. */
  get start(): number {
    return ROOT;
  }

  step(state: number, byte: number): number {
    for (let at = state; at !== ROOT; at = this.#fail[at] ?? ROOT) {
      const child = this.#childOf(at, byte);
      if (child !== NONE) return child;
    }
    return this.#fromRoot[byte] ?? ROOT;
  }

  /** Index of the longest pattern that ends here; -1 where none does. */
  foundAt(state: number): number {
    return this.#found[state] ?? NONE;
  }

  /** How many of the last bytes could begin a pattern that is not found yet. */
  openBytesAt(state: number): number {
    return this.#open[state] ?? 0;
  }

  /**
   * Goes on from `state` over `bytes` from `from` on, tells the index of the longest pattern at each byte where one ends, and gives the
   * state after the last byte.
   */
  search(state: number, bytes: Uint8Array, from: number, onFind: (at: number, pattern: number) => void): number {
    const [found, last] = [this.#found, bytes.length - 1];
    let now = state;
    for (let at = from; at <= last; at += 1) {
      if (now === ROOT) at = this.#firstPossible(bytes, at);
      now = this.step(now, bytes[at] ?? 0);
      const pattern = found[now] ?? NONE;
      if (pattern !== NONE) onFind(at, pattern);
    }
    return now;
  }

  /** Index of a pattern in `bytes`; -1 where there is none. */
  firstIn(bytes: Uint8Array): number {
    let first = NONE;
    this.search(ROOT, bytes, 0, (_at, pattern) => {
      if (first === NONE) first = pattern;
    });
    return first;
  }

  /** The first place from `from` on where a pattern may begin; nearly every byte of a body is passed here. */
  #firstPossible(bytes: Uint8Array, from: number): number {
    const [leaps, begins, ahead, last] = [this.#leaps, this.#begins, this.#ahead, bytes.length - 1];
    let at = from;
    while (at + ahead <= last) {
      const leap = leaps[pairAt(bytes, at + ahead)] ?? 0;
      if (leap === 0 && begins[pairAt(bytes, at + 1)] !== 0) return at;
      at += Math.max(leap, 1);
    }
    return Math.min(at, last);
  }

  #childOf(state: number, byte: number): number {
    let child = this.#firstChild[state] ?? NONE;
    while (child !== NONE && this.#byte[child] !== byte) child = this.#nextSibling[child] ?? NONE;
    return child;
  }

  #addPatterns(): void {
    let states = 1;
    for (const [index, pattern] of this.patterns.entries()) {
      let at = ROOT;
      for (const byte of pattern) {
        let child = this.#childOf(at, byte);
        if (child === NONE) {
          child = states++;
          this.#byte[child] = byte;
          this.#depth[child] = (this.#depth[at] ?? 0) + 1;
          this.#nextSibling[child] = this.#firstChild[at] ?? NONE;
          this.#firstChild[at] = child;
        }
        at = child;
      }
      if (this.#found[at] === NONE) this.#found[at] = index;
      const first = (pattern[0] ?? 0) << 8;
      if (pattern.length === 1) this.#begins.fill(1, first, first + 256);
      else this.#begins[first | (pattern[1] ?? 0)] = 1;
    }
  }

  /** In order of depth, so that the shorter ends of a state are linked before it. */
  #linkFailures(): void {
    const queue: number[] = [];
    this.#eachChild(ROOT, (child) => {
      this.#fromRoot[this.#byte[child] ?? 0] = child;
      queue.push(child);
    });
    for (const state of queue) {
      const fail = this.#fail[state] ?? ROOT;
      this.#open[state] = (this.#firstChild[state] === NONE ? this.#open[fail] : this.#depth[state]) ?? 0;
      this.#eachChild(state, (child) => {
        const shorter = this.step(fail, this.#byte[child] ?? 0);
        this.#fail[child] = shorter;
        if (this.#found[child] === NONE) this.#found[child] = this.#found[shorter] ?? NONE;
        queue.push(child);
      });
    }
  }

  #eachChild(state: number, visit: (child: number) => void): void {
    for (let child = this.#firstChild[state] ?? NONE; child !== NONE; child = this.#nextSibling[child] ?? NONE) visit(child);
  }
}

/** The byte before `at` and the one there, as one number. */
function pairAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at - 1] ?? 0) << 8) | (bytes[at] ?? 0);
}

function leapsOf(patterns: readonly Uint8Array[], ahead: number): Uint8Array {
  const leaps = new Uint8Array(65_536).fill(ahead);
  for (const pattern of patterns) {
    for (let at = 1; at <= ahead; at += 1) {
      const pair = pairAt(pattern, at);
      leaps[pair] = Math.min(leaps[pair] ?? 0, ahead - at);
    }
  }
  return leaps;
}
