import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PatternMatcher } from '../../../src/sidecars/egress/pattern-matcher.ts';

const word = fc.stringMatching(/^[ab]{1,5}$/);

test('finds at each byte the longest pattern that ends there', () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), fc.stringMatching(/^[abc]{0,40}$/), (patterns, text) => {
      const matcher = new PatternMatcher(patterns.map((pattern) => Buffer.from(pattern)));
      let state = matcher.start;
      for (const [at, byte] of Buffer.from(text).entries()) {
        state = matcher.step(state, byte);
        const before = text.slice(0, at + 1);
        const longest = Math.max(0, ...patterns.filter((pattern) => before.endsWith(pattern)).map((pattern) => pattern.length));
        const found = matcher.foundAt(state);
        expect(found === -1 ? 0 : matcher.patterns[found]?.length).toBe(longest);
      }
      expect(finds(matcher, text)).toEqual(endsIn(text, patterns));
      const first = matcher.firstIn(Buffer.from(text));
      expect(first !== -1).toBe(patterns.some((pattern) => text.includes(pattern)));
    }),
    { numRuns: 3_000 },
  );
});

test('finds long patterns wherever they stand, and in whatever pieces they come', () => {
  const long = fc.stringMatching(/^[a-d]{9,40}$/);
  fc.assert(
    fc.property(
      fc.array(long, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(3), { maxLength: 6 }),
      fc.nat(200),
      fc.nat(),
      (patterns, order, gap, cut) => {
        const filler = 'abcd-'.repeat(40).slice(0, gap);
        const text = order.map((at) => filler + (patterns[at] ?? '')).join('') + filler;
        const matcher = new PatternMatcher(patterns.map((pattern) => Buffer.from(pattern)));
        expect(finds(matcher, text)).toEqual(endsIn(text, patterns));
        expect(finds(matcher, text, cut % (text.length + 1))).toEqual(endsIn(text, patterns));
      },
    ),
    { numRuns: 2_000 },
  );
});

test('says how many bytes could begin a pattern that is not found yet', () => {
  const matcher = new PatternMatcher([Buffer.from('abc'), Buffer.from('bd')]);
  const open = (text: string): number =>
    matcher.openBytesAt(Array.from(Buffer.from(text)).reduce((state, byte) => matcher.step(state, byte), matcher.start));
  expect(['', 'x', 'a', 'ab', 'abc', 'abd', 'xb'].map(open)).toEqual([0, 0, 1, 2, 0, 0, 1]);
});

test('without patterns finds nothing', () => {
  expect(new PatternMatcher([]).firstIn(Buffer.from('anything'))).toBe(-1);
});

/** Where patterns end, by the plainest search. */
function endsIn(text: string, patterns: readonly string[]): number[] {
  return Array.from(text, (_, at) => at).filter((at) => patterns.some((pattern) => text.slice(0, at + 1).endsWith(pattern)));
}

/** Where a matcher finds their ends in a text that comes in two pieces. */
function finds(matcher: PatternMatcher, text: string, cut = 0): number[] {
  const bytes = Buffer.from(text);
  const found: number[] = [];
  const state = matcher.search(matcher.start, bytes.subarray(0, cut), 0, (at) => found.push(at));
  matcher.search(state, bytes.subarray(cut), 0, (at) => found.push(cut + at));
  return found;
}
