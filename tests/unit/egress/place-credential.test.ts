import { createHash } from 'node:crypto';
import aws4 from 'aws4';
import { describe, expect, test } from 'vitest';
import type { CredentialInjection } from '../../../src/core/index.ts';
import { type BareRequest, placeCredential } from '../../../src/sidecars/egress/place-credential.ts';

const PHANTOM = 'AKIAPHANTOMPHANTOM00';
const KEY_ID = 'AKIDEXAMPLEEXAMPLE00';
const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const bare: BareRequest = {
  method: 'GET',
  host: 'api.test.example',
  target: '/v1?a=1',
  headers: [['accept', '*/*']],
  authorization: undefined,
};

async function place(injection: Partial<CredentialInjection>, secret: string, request: Partial<BareRequest> = {}) {
  return await placeCredential({ ...bare, ...request }, { secret: 'k', phantom: PHANTOM, ...injection } as CredentialInjection, secret);
}

describe('placeCredential', () => {
  test.each<[string, Partial<CredentialInjection>, object]>([
    [
      'a header',
      { header: 'x-api-key' },
      {
        headers: [
          ['accept', '*/*'],
          ['x-api-key', 'real-0123'],
        ],
        target: '/v1?a=1',
      },
    ],
    [
      'a header with a prefix',
      { header: 'authorization', prefix: 'Bearer ' },
      {
        headers: [
          ['accept', '*/*'],
          ['authorization', 'Bearer real-0123'],
        ],
      },
    ],
    [
      'Basic',
      { basicUser: 'bot' },
      {
        headers: [
          ['accept', '*/*'],
          ['authorization', `Basic ${btoa('bot:real-0123')}`],
        ],
      },
    ],
    ['the query', { queryParameter: 'key' }, { headers: [['accept', '*/*']], target: '/v1?a=1&key=real-0123' }],
  ])('puts it into %s', async (_where, injection, expected) => {
    expect(await place(injection, 'real-0123')).toMatchObject({ ...expected, values: ['real-0123'] });
  });

  test('writes a value for the query so that it stays one parameter', async () => {
    expect(await place({ queryParameter: 'key' }, 'a&b=c#d%20', { target: '/v1' })).toMatchObject({ target: '/v1?key=a%26b%3Dc%23d%2520' });
  });

  test.each(['short', 'with\nnewline-in-it', 'ünprintable-value'])('refuses the value %j', async (value) => {
    const refusal = await place({ header: 'x-api-key' }, value);
    expect(refusal).toMatchObject({ reason: 'secret-unavailable' });
    expect(JSON.stringify(refusal)).not.toContain(value);
  });
});

describe('a signature for AWS', () => {
  const signedBy = (keyId: string, service = 's3'): string =>
    `AWS4-HMAC-SHA256 Credential=${keyId}/20260101/eu-west-1/${service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=00`;
  const inject = { awsSigV4: true } as const;
  const real = `${KEY_ID}:${SECRET_KEY}:session-token-of-the-role`;

  test('is made with the real keys and verifies; nothing of the old one is left', async () => {
    const placed = await place(inject, real, {
      authorization: signedBy(PHANTOM),
      headers: [
        ['x-amz-date', '20200101T000000Z'],
        ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD'],
        ['x-amz-meta-note', 'kept'],
        ['user-agent', 'sdk'],
      ],
    });
    if ('reason' in placed) throw new Error(placed.message);
    const headers = Object.fromEntries(placed.headers);
    expect(headers).toMatchObject({ 'x-amz-meta-note': 'kept', 'user-agent': 'sdk', 'x-amz-security-token': 'session-token-of-the-role' });
    expect(headers['x-amz-date']).not.toBe('20200101T000000Z');
    expect(JSON.stringify(placed.headers)).not.toContain(PHANTOM);
    expect(placed.values).toEqual([SECRET_KEY, 'session-token-of-the-role']);
    expect(headers.authorization).toBe(referenceSignature(headers, '/v1?a=1'));
    expect(headers.authorization).toMatch(/SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-note;x-amz-security-token,/);
  });

  test('covers a body that was read for it', async () => {
    const body = Buffer.from('{"a":1}');
    const placed = await place(inject, `${KEY_ID}:${SECRET_KEY}`, { method: 'POST', authorization: signedBy(PHANTOM, 'bedrock'), body });
    if ('reason' in placed) throw new Error(placed.message);
    expect(Object.fromEntries(placed.headers)['x-amz-content-sha256']).toBe(createHash('sha256').update(body).digest('hex'));
  });

  test('of a body that is signed in parts is refused', async () => {
    const headers = [['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']] as const;
    expect(await place(inject, real, { authorization: signedBy(PHANTOM), headers })).toMatchObject({ reason: 'body-unsignable' });
  });

  test('needs a secret that is a pair of keys', async () => {
    expect(await place(inject, 'just-one-value', { authorization: signedBy(PHANTOM) })).toMatchObject({ reason: 'secret-unavailable' });
  });
});

/** What the same library gives to a client that has the real keys and sends what was sent. */
function referenceSignature(headers: Record<string, string>, path: string): string {
  const signed = ['x-amz-content-sha256', 'x-amz-date', 'x-amz-meta-note', 'x-amz-security-token'].map((name) => [name, headers[name]]);
  const request = {
    method: 'GET',
    host: bare.host,
    path,
    service: 's3',
    region: 'eu-west-1',
    headers: Object.fromEntries([...signed, ['host', bare.host]]),
  };
  return String(aws4.sign(request, { accessKeyId: KEY_ID, secretAccessKey: SECRET_KEY }).headers?.Authorization);
}
