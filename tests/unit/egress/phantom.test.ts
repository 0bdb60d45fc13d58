import { describe, expect, test } from 'vitest';
import type { CredentialInjection } from '../../../src/core/index.ts';
import type { HeaderList } from '../../../src/sidecars/egress/headers.ts';
import { phantomProblem } from '../../../src/sidecars/egress/phantom.ts';

const PHANTOM = 'phantom-0123456789abcdef';
const key: CredentialInjection = { secret: 'k', header: 'x-api-key', phantom: PHANTOM };
const bearer: CredentialInjection = { secret: 'k', header: 'authorization', prefix: 'Bearer ', phantom: PHANTOM };
const basic: CredentialInjection = { secret: 'k', basicUser: 'bot', phantom: PHANTOM };
const query: CredentialInjection = { secret: 'k', queryParameter: 'key', phantom: PHANTOM };
const aws: CredentialInjection = { secret: 'k', awsSigV4: true, phantom: 'AKIAABCDEFGHIJKLMNOP' };
const basicHeader = `Basic ${Buffer.from(`x-access-token:${PHANTOM}`).toString('base64')}`;
const awsHeader = (id: string): string =>
  `AWS4-HMAC-SHA256 Credential=${id}/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=00`;

describe('phantomProblem', () => {
  test.each<[string, CredentialInjection, HeaderList, string?]>([
    ['in its header', key, [['x-api-key', PHANTOM]]],
    ['as Bearer', key, [['authorization', `Bearer ${PHANTOM}`]]],
    ['with its prefix', bearer, [['authorization', `Bearer ${PHANTOM}`]]],
    ['as password of Basic', bearer, [['authorization', basicHeader]]],
    ['as password, whoever the user is', basic, [['authorization', basicHeader]]],
    ['in the query', query, [], `/v1?a=1&key=${PHANTOM}`],
    ['in the query, percent-encoded', query, [], `/v1?%6bey=${PHANTOM.replace('p', '%70')}`],
    ['as access key id', aws, [['authorization', awsHeader('AKIAABCDEFGHIJKLMNOP')]]],
  ])('accepts the phantom %s', (_how, injection, headers, target = '/') => {
    expect(phantomProblem({ headers, target }, injection)).toBeUndefined();
  });

  test.each<[string, CredentialInjection, HeaderList, string]>([
    ['nothing', key, [], 'phantom-missing'],
    ['another token', key, [['x-api-key', 'sk-own-key-of-the-agent']], 'phantom-wrong'],
    ['a prefix of the phantom', key, [['x-api-key', PHANTOM.slice(0, -1)]], 'phantom-wrong'],
    [
      'the phantom twice',
      key,
      [
        ['x-api-key', PHANTOM],
        ['x-api-key', 'sk-own'],
      ],
      'phantom-wrong',
    ],
    ['the phantom elsewhere', key, [['x-other', PHANTOM]], 'phantom-missing'],
    ['another access key id', aws, [['authorization', awsHeader('AKIAAAAAAAAAAAAAAAAA')]], 'phantom-wrong'],
    ['an access key id as Bearer', aws, [['authorization', 'Bearer AKIAABCDEFGHIJKLMNOP']], 'phantom-missing'],
    ['the phantom in a header where the query is its place', query, [['x-api-key', PHANTOM]], 'phantom-missing'],
  ])('refuses %s', (_what, injection, headers, reason) => {
    expect(phantomProblem({ headers, target: '/' }, injection)).toMatchObject({ allow: false, reason });
  });

  test('refuses the right phantom from its end on', () => {
    const injection = { ...key, expiresAt: '2026-01-01T00:00:00.000Z' };
    const carrier = { headers: [['x-api-key', PHANTOM]] as HeaderList, target: '/' };
    const end = Date.parse(injection.expiresAt);
    expect(phantomProblem(carrier, injection, end - 1)).toBeUndefined();
    expect(phantomProblem(carrier, injection, end)).toMatchObject({ reason: 'phantom-expired' });
  });

  test('a refusal does not tell the phantom', () => {
    expect(JSON.stringify(phantomProblem({ headers: [['x-api-key', 'wrong']], target: '/' }, key))).not.toContain(PHANTOM);
  });
});
