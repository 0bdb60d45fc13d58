import { domainToASCII } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostPatternCovers, parseHostName, parseWireHostName } from '../../../src/core/index.ts';
import { fuzz } from '../../support/fuzz.ts';

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/).filter((text) => !text.startsWith('xn--'));
const name = fc.array(label, { minLength: 2, maxLength: 5 }).map((labels) => labels.join('.'));

describe('parseHostName', () => {
  test.each([
    ['', 'empty'],
    [' ', 'bad-character'],
    ['example.com ', 'bad-character'],
    ['exa\0mple.com', 'bad-character'],
    ['example.com\r\nx', 'bad-character'],
    ['example.com\t', 'bad-character'],
    ['Example.com', 'upper-case'],
    ['example.com.', 'trailing-dot'],
    ['127.0.0.1', 'ip-literal'],
    ['127.1', 'ip-literal'],
    ['2130706433', 'ip-literal'],
    ['0x7f000001', 'ip-literal'],
    ['0x7f.0.0.0x1', 'ip-literal'],
    ['0177.0.0.01', 'ip-literal'],
    ['::1', 'ip-literal'],
    ['[::1]', 'ip-literal'],
    ['::ffff:127.0.0.1', 'ip-literal'],
    ['64:ff9b::7f00:1', 'ip-literal'],
    ['evil.1', 'ip-literal'],
    ['a..b', 'bad-label'],
    ['.a.b', 'bad-label'],
    ['-a.com', 'bad-label'],
    [`${'a'.repeat(64)}.com`, 'bad-label'],
    ['a@b.com', 'bad-character'],
    ['a/b.com', 'bad-character'],
    ['a%2eb.com', 'bad-character'],
    ['example。com', 'bad-character'],
    ['ｅxample.com', 'bad-character'],
    ['ex\u00adample.com', 'bad-character'],
    [`${'a.'.repeat(127)}com`, 'too-long'],
  ])('refuses %j as %s', (text, problem) => {
    expect(parseHostName(text)).toEqual({ ok: false, problem });
  });

  test('accepts ordinary names unchanged', () => {
    for (const text of ['example.com', 'a.b-c.example.co.uk', '_dns.example.com', 'gpu1', 'xn--mnchen-3ya.de', '1password.com'])
      expect(parseHostName(text)).toEqual({ ok: true, name: text });
  });

  test('gives the ASCII form of an internationalised name', () => {
    expect(parseHostName('münchen.de')).toEqual({ ok: true, name: 'xn--mnchen-3ya.de' });
  });

  test('folds letters from the wire and nothing else', () => {
    expect(parseWireHostName('API.Example.COM')).toEqual({ ok: true, name: 'api.example.com' });
    expect(parseWireHostName('API.Example.COM.')).toMatchObject({ ok: false });
    expect(parseWireHostName('\u212Aey.example.com')).toMatchObject({ ok: false });
  });

  test('what it accepts, a URL parser reads as the same host', async () => {
    await fuzz(
      'host-name',
      fc.property(
        fc.oneof(
          name,
          fc.domain(),
          fc.string({ unit: 'grapheme', maxLength: 30 }),
          fc.ipV4(),
          fc.ipV6(),
          fc.stringMatching(/^[0-9a-fx.]{1,20}$/),
        ),
        (text) => {
          const read = parseHostName(text);
          if (!read.ok) return;
          expect(new URL(`https://${read.name}/`).hostname).toBe(read.name);
          expect(domainToASCII(text)).toBe(read.name);
          expect(parseHostName(read.name)).toEqual(read);
        },
      ),
      { parameters: { numRuns: 2_000 } },
    );
  });

  test('accepts every plain name', () => {
    fc.assert(
      fc.property(
        name.filter((text) => text.length < 250),
        (text) => {
          expect(parseHostName(text)).toEqual({ ok: true, name: text });
        },
      ),
    );
  });
});

describe('hostPatternCovers', () => {
  test('a wildcard covers names below its suffix, at a dot', () => {
    expect(hostPatternCovers('*.example.com', 'a.example.com')).toBe(true);
    expect(hostPatternCovers('*.example.com', 'a.b.example.com')).toBe(true);
    expect(hostPatternCovers('*.example.com', 'example.com')).toBe(false);
    expect(hostPatternCovers('*.example.com', '.example.com')).toBe(false);
    expect(hostPatternCovers('*.example.com', 'evilexample.com')).toBe(false);
    expect(hostPatternCovers('*.example.com', 'a.example.com.evil.net')).toBe(false);
    expect(hostPatternCovers('example.com', 'a.example.com')).toBe(false);
  });

  test('agrees with a model on labels', () => {
    const model = (pattern: readonly string[], wild: boolean, host: readonly string[]): boolean =>
      wild
        ? host.length > pattern.length && pattern.every((part, at) => part === host[host.length - pattern.length + at])
        : pattern.join('.') === host.join('.');
    const few = fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(few, fc.boolean(), few, (pattern, wild, host) => {
        expect(hostPatternCovers(`${wild ? '*.' : ''}${pattern.join('.')}`, host.join('.'))).toBe(model(pattern, wild, host));
      }),
      { numRuns: 2_000 },
    );
  });
});
