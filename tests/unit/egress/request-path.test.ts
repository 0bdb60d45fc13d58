import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normalisePath, pathPrefixCovers, plainPath } from '../../../src/core/index.ts';
import { fuzz } from '../../support/fuzz.ts';

const piece = fc.constantFrom(
  'a',
  'v1',
  '.',
  '..',
  '...',
  '',
  ';',
  '.;',
  '..;x',
  ';.',
  '%2e',
  '%2E%2e',
  '%2f',
  '%5c',
  '\\',
  '%252e',
  '%25',
  '%41',
  '%7e',
  '%zz',
  '~',
  'ü',
  ' ',
  '%3b',
  '%3b..',
  '%00',
  'x.y',
);
const target = fc
  .tuple(fc.constantFrom('', '/v1'), fc.array(fc.tuple(fc.constantFrom('/', '/', '/', ''), piece)), fc.constantFrom('', '?q=/../x'))
  .map(([start, parts, query]) => `${start}/${parts.flat().join('')}${query}`);

describe('normalisePath', () => {
  test.each([
    ['/v1/%2e%2e/admin', 'encoded-dot'],
    ['/v1/..%2fadmin', 'encoded-dot'],
    ['/v1//admin', 'empty-segment'],
    ['//admin', 'empty-segment'],
    ['/v1/%2f/admin', 'encoded-dot'],
    ['/v1/..;/admin', 'path-parameter-dot'],
    ['/v1;./admin', 'path-parameter-dot'],
    ['/v1/%2e;x/admin', 'encoded-dot'],
    ['/v1/..%3b/admin', 'path-parameter-dot'],
    ['/v1\\..\\admin', 'backslash'],
    ['/v1%5c..%5cadmin', 'backslash'],
    ['/v1/%252e%252e/admin', 'double-encoding'],
    ['/v1/%25%32%65/admin', 'double-encoding'],
    ['/v1/%00', 'bad-character'],
    ['/v1/%0d%0aHost:', 'bad-character'],
    ['/v1/%zz', 'bad-escape'],
    ['/v1/%c0%ae%c0%ae/admin', 'bad-escape'],
    ['/v1/%fc', 'bad-escape'],
    ['/v1/..%20/admin', 'encoded-dot'],
    ['/v1/%20../admin', 'encoded-dot'],
    ['/v1 HTTP/1.1', 'bad-character'],
    ['/v1#x', 'bad-character'],
    ['v1', 'not-absolute'],
    ['*', 'not-absolute'],
    ['http://other/v1', 'not-absolute'],
    [`/${'a'.repeat(40_000)}`, 'too-long'],
  ])('refuses %j as %s', (text, problem) => {
    expect(normalisePath(text)).toEqual({ ok: false, problem });
  });

  test.each([
    ['/v1/../admin?x=../y', '/admin', '/admin?x=../y'],
    ['/a/./b/..', '/a/', '/a/'],
    ['/../..', '/', '/'],
    ['/%7Euser/%c3%bc', '/~user/%C3%BC', '/~user/%C3%BC'],
    ['/@scope%2fname', '/@scope%2Fname', '/@scope%2Fname'],
    ['/a;v=1/b.c', '/a;v=1/b.c', '/a;v=1/b.c'],
    ['/100%25', '/100%25', '/100%25'],
    ['/a%20b/c%20', '/a%20b/c%20', '/a%20b/c%20'],
  ])('reads %j as %s', (text, path, whole) => {
    expect(normalisePath(text)).toEqual({ ok: true, path, target: whole });
  });

  test('what is forwarded is what was matched, under every reading of a server', async () => {
    let accepted = 0;
    let covered = 0;
    await fuzz(
      'request-path',
      fc.property(target, (text) => {
        const read = normalisePath(text);
        if (!read.ok) return;
        accepted += 1;
        const [forwarded] = read.target.split('?', 1);
        expect(forwarded).toBe(read.path);
        expect(normalisePath(read.target)).toEqual(read);
        if (!pathPrefixCovers('/v1', read.path)) return;
        covered += 1;
        for (const reading of serverReadings(read.path)) expect(reading === '/v1' || reading.startsWith('/v1/')).toBe(true);
      }),
      { parameters: { numRuns: 20_000 } },
    );
    expect(accepted).toBeGreaterThan(500);
    expect(covered).toBeGreaterThan(100);
  });

  test('the readings of servers do find the attack in a path that was not normalised', () => {
    expect(serverReadings('/v1/..%2fadmin')).toContain('/admin');
    expect(serverReadings('/v1/..;/admin')).toContain('/admin');
    expect(serverReadings('/v1/%252e%252e/admin')).toContain('/admin');
  });

  test('without path rules a target goes on as it came', () => {
    expect(plainPath('/web/http://x//y?z')).toEqual({ ok: true, path: '/web/http://x//y', target: '/web/http://x//y?z' });
    expect(plainPath('/a b')).toMatchObject({ ok: false });
  });
});

test('a prefix ends at a segment', () => {
  expect(pathPrefixCovers('/v1', '/v1')).toBe(true);
  expect(pathPrefixCovers('/v1', '/v1/x')).toBe(true);
  expect(pathPrefixCovers('/v1', '/v10')).toBe(false);
  expect(pathPrefixCovers('/v1/', '/v1')).toBe(false);
  expect(pathPrefixCovers('/', '/anything')).toBe(true);
});

/** How lenient servers read a path: decoded once or twice, parameters cut, backslashes turned, dots resolved. */
function serverReadings(path: string): readonly string[] {
  const decode = (text: string): string =>
    text.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const cut = (text: string): string => text.replace(/;[^/]*/g, '');
  const resolve = (text: string): string => new URL(`http://h${text.replaceAll('\\', '/').replace(/[?#]/g, '_')}`).pathname;
  return [path, decode(path), decode(decode(path))].flatMap((text) => [resolve(text), resolve(cut(text))]);
}

test('a star in a prefix stands for one segment', () => {
  const cases: [string, string, boolean][] = [
    ['/*/*/git-upload-pack', '/acme/shop.git/git-upload-pack', true],
    ['/*/*/git-upload-pack', '/acme/shop.git/git-upload-pack/x', true],
    ['/*/*/git-upload-pack', '/acme/shop.git/git-upload-packs', false],
    ['/*/*/git-upload-pack', '/acme/group/shop.git/git-upload-pack', false],
    ['/*/*/git-upload-pack', '/acme/git-upload-pack', false],
    ['/v1/*/', '/v1/a/b', true],
    ['/v1/*/', '/v1/a', false],
    ['/v1/*', '/v1/', false],
  ];
  for (const [prefix, path, covered] of cases)
    expect({ prefix, path, covered: pathPrefixCovers(prefix, path) }).toEqual({ prefix, path, covered });
});
