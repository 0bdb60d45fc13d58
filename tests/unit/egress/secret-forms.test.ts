import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matcherOf, Scrubber } from '../../../src/sidecars/egress/scrub.ts';
import { secretForms } from '../../../src/sidecars/egress/secret-forms.ts';

const SECRET = 'sk-live/Ab+9 "q"&<z>';

const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  base64: (text) => Buffer.from(text).toString('base64'),
  'base64, one byte later': (text) => Buffer.from(`x${text}`).toString('base64'),
  'base64, two bytes later': (text) => Buffer.from(`xy${text}`).toString('base64'),
  'base64 as password of Basic': (text) => Buffer.from(`user:${text}:more`).toString('base64'),
  base64url: (text) => Buffer.from(text).toString('base64url'),
  hex: (text) => Buffer.from(text).toString('hex'),
  'upper-case hex': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'a query parameter': encodeURIComponent,
  'a form': (text) => new URLSearchParams({ a: text }).toString(),
  'percent codes only': (text) => Buffer.from(text).toString('hex').replace(/../g, '%$&'),
  JSON: (text) => JSON.stringify({ a: text }),
  'JSON with escaped slashes': (text) => JSON.stringify({ a: text }).replaceAll('/', '\\/'),
  HTML: (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
  reversed: (text) => Array.from(text).reverse().join(''),
  'UTF-16': (text) => Buffer.from(text, 'utf16le').toString('latin1'),
};

describe('a secret', () => {
  test.each(Object.keys(ENCODINGS))('is found as %s', (name) => {
    const encode = ENCODINGS[name] ?? String;
    const matcher = matcherOf([SECRET]);
    expect(matcher.firstIn(Buffer.from(`before ${encode(SECRET)} after`, 'latin1'))).not.toBe(-1);
    expect(matcher.firstIn(Buffer.from(`before ${encode('sk-live/Ab+9 "q"&<y>')} after`, 'latin1'))).toBe(-1);
  });

  test('is found in base64 wherever it stands in the text', () => {
    const matcher = matcherOf([SECRET]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (before, after) => {
        const text = Buffer.concat([before, Buffer.from(SECRET), after]).toString('base64');
        expect(matcher.firstIn(Buffer.from(text))).not.toBe(-1);
      }),
    );
  });

  test('that is long is masked whole, in pieces or by line', () => {
    const long = randomBytes(2_048).toString('base64url');
    const body =
      randomBytes(1_200)
        .toString('base64')
        .match(/.{1,64}/g)
        ?.join('\n') ?? '';
    const pem = `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`;
    const scrubber = new Scrubber(matcherOf([long, pem]));
    expect(scrubber.text(`a${long}b`)).toMatch(/^a\*{2688,}.{0,63}b$/);
    for (const line of body.split('\n').slice(0, -1)) expect(scrubber.text(pem)).not.toContain(line);
    expect(secretForms(pem).every(({ bytes }) => bytes.length < 1_024)).toBe(true);
  });
});
