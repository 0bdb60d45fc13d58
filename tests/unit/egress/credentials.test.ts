import { describe, expect, test } from 'vitest';
import type { CredentialInjection } from '../../../src/core/index.ts';
import {
  credentialHeader,
  phantomProblem,
  targetWithoutCredentials,
  withoutCredentials,
} from '../../../src/sidecars/egress/credentials.ts';
import type { HeaderList } from '../../../src/sidecars/egress/headers.ts';

const PHANTOM = 'phantom-0123456789abcdef';
const key: CredentialInjection = { secret: 'k', header: 'x-api-key', phantom: PHANTOM };
const bearer: CredentialInjection = { secret: 'k', header: 'authorization', prefix: 'Bearer ', phantom: PHANTOM };

describe('phantomProblem', () => {
  test.each<[string, CredentialInjection, HeaderList]>([
    ['in its header', key, [['x-api-key', PHANTOM]]],
    ['as Bearer', key, [['authorization', `Bearer ${PHANTOM}`]]],
    ['with its prefix', bearer, [['authorization', `Bearer ${PHANTOM}`]]],
    ['as password of Basic', bearer, [['authorization', `Basic ${Buffer.from(`x-access-token:${PHANTOM}`).toString('base64')}`]]],
  ])('accepts the phantom %s', (_how, injection, headers) => {
    expect(phantomProblem(headers, injection)).toBeUndefined();
  });

  test.each<[string, HeaderList, string]>([
    ['nothing', [], 'phantom-missing'],
    ['another token', [['x-api-key', 'sk-own-key-of-the-agent']], 'phantom-wrong'],
    ['a prefix of the phantom', [['x-api-key', PHANTOM.slice(0, -1)]], 'phantom-wrong'],
    [
      'the phantom twice',
      [
        ['x-api-key', PHANTOM],
        ['x-api-key', 'sk-own'],
      ],
      'phantom-wrong',
    ],
    ['the phantom elsewhere', [['x-other', PHANTOM]], 'phantom-missing'],
  ])('refuses %s', (_what, headers, reason) => {
    expect(phantomProblem(headers, key)).toMatchObject({ allow: false, reason });
  });

  test('a refusal does not tell the phantom', () => {
    expect(JSON.stringify(phantomProblem([['x-api-key', 'wrong']], key))).not.toContain(PHANTOM);
  });
});

test('everything that looks like a credential goes before ours is added', () => {
  const sent: HeaderList = [
    ['accept', '*/*'],
    ...['authorization', 'x-api-key', 'api-key', 'cookie', 'x-goog-api-key', 'proxy-authorization', 'private-token'].map(
      (name) => [name, 'canary'] as const,
    ),
    ['x-custom-key', 'canary'],
  ];
  expect(withoutCredentials(sent, 'x-custom-key')).toEqual([['accept', '*/*']]);
  expect(credentialHeader(bearer, 'real')).toEqual(['authorization', 'Bearer real']);
});

test('credentials in the query go too, however they are written', () => {
  expect(targetWithoutCredentials('/v1?key=canary&a=1&%6bey=canary&KEY=canary&access_token=c')).toBe('/v1?a=1');
  expect(targetWithoutCredentials('/v1?key=c')).toBe('/v1');
  expect(targetWithoutCredentials('/v1?keyboard=1&%zz')).toBe('/v1?keyboard=1&%zz');
});
