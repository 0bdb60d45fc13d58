import { describe, expect, test } from 'vitest';
import { withoutCredentials } from '../../../src/sidecars/egress/credentials.ts';
import type { HeaderList } from '../../../src/sidecars/egress/headers.ts';

describe('withoutCredentials', () => {
  test('drops everything that looks like a credential', () => {
    const headers: HeaderList = [
      ['accept', '*/*'],
      ...['authorization', 'x-api-key', 'api-key', 'cookie', 'x-goog-api-key', 'proxy-authorization', 'private-token'].map(
        (name) => [name, 'canary'] as const,
      ),
      ['x-custom', 'canary'],
    ];
    expect(withoutCredentials({ headers, target: '/' }, 'x-custom')).toEqual({ headers: [['accept', '*/*']], target: '/' });
  });

  test.each([
    ['/v1?key=canary&a=1&%6bey=canary&KEY=canary&access_token=c', '/v1?a=1'],
    ['/v1?key=c', '/v1'],
    ['/v1?keyboard=1&%zz', '/v1?keyboard=1&%zz'],
    ['/v1?X-Own=c&a=1', '/v1?a=1'],
  ])('drops credentials of the query, however they are written: %s', (target, rest) => {
    expect(withoutCredentials({ headers: [], target }, 'x-own')).toEqual({ headers: [], target: rest });
  });

  test.each(['x-session-token', 'x-acme-secret', 'x-acme-api-key', 'x-authorization', 'x-acme-auth', 'x-amz-signature', 'x-password'])(
    'refuses the unknown header %s rather than guess',
    (name) => {
      expect(withoutCredentials({ headers: [[name, 'canary']], target: '/' })).toMatchObject({ reason: 'credential-unknown' });
    },
  );

  test.each(['X-Amz-Signature=0f', 'session_token=x', 'acme-secret=x', 'x%2dauth%2dtoken=x', 'password=x'])(
    'refuses the unknown parameter %s',
    (pair) => {
      expect(withoutCredentials({ headers: [], target: `/?a=1&${pair}` })).toMatchObject({ reason: 'credential-unknown' });
    },
  );

  test.each([
    'sec-websocket-key',
    'idempotency-key',
    'x-request-id',
    'anthropic-version',
    'x-ratelimit-tokens',
    'author',
    'x-amz-content-sha256',
  ])('leaves %s alone', (name) => {
    const carrier = { headers: [[name, 'v']] as HeaderList, target: '/?page_token=x&author=me&max_tokens=3' };
    expect(withoutCredentials(carrier)).toEqual(carrier);
  });
});
