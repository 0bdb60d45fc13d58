import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PatternMatcher } from '../../../src/sidecars/egress/pattern-matcher.ts';
import { matcherOf, Scrubber } from '../../../src/sidecars/egress/scrub.ts';

function scrub(secret: string, chunks: readonly string[]): string {
  const scrubber = new Scrubber(new PatternMatcher([Buffer.from(secret)]));
  return Buffer.concat([...chunks.map((chunk) => scrubber.push(Buffer.from(chunk))), scrubber.end()]).toString();
}

describe('Scrubber', () => {
  test('masks a secret however it is cut, and keeps the length', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ab]{1,6}$/), fc.array(fc.stringMatching(/^[abc]{0,8}$/)), (secret, chunks) => {
        const whole = chunks.join('');
        const result = scrub(secret, chunks);
        expect(result).not.toContain(secret);
        expect(result.length).toBe(whole.length);
        expect(result).toBe(masked(whole, secret));
      }),
      { numRuns: 5_000 },
    );
  });

  test('holds back nothing that cannot begin the secret', () => {
    const scrubber = new Scrubber(matcherOf(['sk-secret']));
    expect(scrubber.push(Buffer.from('data: hello\n\n')).toString()).toBe('data: hello\n\n');
    expect(scrubber.push(Buffer.from('data: sk-se')).toString()).toBe('data: ');
    expect(scrubber.push(Buffer.from('t\n')).toString()).toBe('sk-set\n');
  });

  test("leaves the caller's bytes as they are", () => {
    const chunk = Buffer.from('the secret12');
    new Scrubber(matcherOf(['secret12'])).push(chunk);
    expect(chunk.toString()).toBe('the secret12');
  });

  test('masks text', () => {
    expect(new Scrubber(matcherOf(['secret12'])).text('a=secret12; b=secret12')).toBe('a=********; b=********');
  });
});

/** Every byte of every occurrence, also where occurrences overlap. */
function masked(text: string, secret: string): string {
  const hidden = new Set<number>();
  for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + 1)) {
    for (let offset = 0; offset < secret.length; offset += 1) hidden.add(at + offset);
  }
  return Array.from(text)
    .map((character, at) => (hidden.has(at) ? '*' : character))
    .join('');
}
