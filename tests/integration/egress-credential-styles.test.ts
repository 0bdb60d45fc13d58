import { createHash } from 'node:crypto';
import aws4 from 'aws4';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CredentialInjection, Route } from '../../src/core/index.ts';
import { NAME, Rig, secureRoute } from './egress-harness.ts';

const PHANTOM = 'AKIAPHANTOM0123456789ABCDEFGHIJK';
const SECRET = 'sk-real/0123456789+secret';
const AWS_KEYS = { accessKeyId: 'AKIAREALREALREALREAL', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYREAL' };

let rig: Rig;

beforeEach(async () => {
  rig = await Rig.open();
  rig.secrets.set('model', SECRET);
  rig.secrets.set('aws', `${AWS_KEYS.accessKeyId}:${AWS_KEYS.secretAccessKey}`);
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const url = (rest = '/'): string => `https://${NAME}:${rig.httpsPort}${rest}`;
const routeWith = (r: Rig, place: Partial<CredentialInjection>, more: Partial<Route> = {}): Route =>
  secureRoute(r, { inject: { secret: 'model', phantom: PHANTOM, ...place } as CredentialInjection, ...more });

describe('a credential', () => {
  test('is the password of Basic', async () => {
    await rig.start((r) => [routeWith(r, { basicUser: 'bot' })]);
    expect((await rig.curl(url(), '-u', `anyone:${PHANTOM}`)).status).toBe(200);
    expect(rig.seen[0]?.headers.authorization).toBe(`Basic ${btoa(`bot:${SECRET}`)}`);
  });

  test('is a parameter of the query, and comes back from there neither plain nor encoded', async () => {
    await rig.start((r) => [routeWith(r, { queryParameter: 'key' })]);
    rig.handler = (request, response) => {
      response.writeHead(302, { location: `https://elsewhere.example${request.url}` });
      response.end(`no such page: ${request.url} (${decodeURIComponent(request.url ?? '')})`);
    };
    const result = await rig.curl(url(`/v1?a=1&key=${PHANTOM}&b=2`), '-i');
    expect(rig.seen[0]?.url).toBe(`/v1?a=1&b=2&key=${encodeURIComponent(SECRET)}`);
    expect(result.status).toBe(302);
    for (const form of [SECRET, encodeURIComponent(SECRET)]) expect(result.text).not.toContain(form);
    expect(result.text).toContain('no such page: /v1?a=1&b=2&key=***');
  });

  test('does not come back in the encodings that servers echo', async () => {
    await rig.start((r) => [routeWith(r, { header: 'authorization', prefix: 'Bearer ' })]);
    const forms = [
      Buffer.from(`x:${SECRET}`).toString('base64'),
      Buffer.from(SECRET).toString('base64url'),
      Buffer.from(SECRET).toString('hex'),
      encodeURIComponent(SECRET),
      JSON.stringify(SECRET).replaceAll('/', '\\/'),
    ];
    rig.handler = (_request, response) => response.end(forms.join('\n'));
    const { text } = await rig.curl(url(), '-H', `authorization: Bearer ${PHANTOM}`);
    expect(text.split('\n')).toHaveLength(forms.length);
    for (const [index, line] of text.split('\n').entries()) {
      expect(line.length).toBe(forms[index]?.length);
      expect(line).toContain('*'.repeat(20));
    }
  });

  test('that the bottle carries in an unknown field refuses the request', async () => {
    await rig.start((r) => [routeWith(r, { header: 'x-api-key' })]);
    for (const extra of [
      ['-H', 'x-acme-session-token: canary'],
      ['-H', 'x-acme-secret: canary'],
    ]) {
      const result = await rig.curl(url(), '-D', '-', '-H', `x-api-key: ${PHANTOM}`, ...extra);
      expect(result).toMatchObject({ status: 403, text: expect.stringContaining('credential-unknown') });
    }
    expect(rig.seen).toHaveLength(0);
  });

  test('of one route is worth nothing for other methods, paths and hosts', async () => {
    await rig.start((r) => [
      routeWith(r, { header: 'x-api-key' }, { name: 'read', methods: ['GET'], paths: ['/read'] }),
      secureRoute(r, { name: 'write', methods: ['POST'], paths: ['/write'] }),
    ]);
    const phantom = ['-H', `x-api-key: ${PHANTOM}`];
    expect((await rig.curl(url('/read'), ...phantom)).status).toBe(200);
    expect((await rig.curl(url('/write'), '-X', 'POST', ...phantom)).status).toBe(200);
    expect((await rig.curl(url('/read'), '-X', 'DELETE', ...phantom)).status).toBe(403);
    expect(rig.seen.map(({ headers }) => headers['x-api-key'])).toEqual([SECRET, undefined]);
  });

  test('is refused to a phantom that has ended', async () => {
    const end = (ms: number): string => new Date(Date.now() + ms).toISOString();
    await rig.start((r) => [routeWith(r, { header: 'x-api-key', expiresAt: end(60_000) })]);
    expect((await rig.curl(url(), '-H', `x-api-key: ${PHANTOM}`)).status).toBe(200);
    rig.egress.setPolicy(rig.policy([routeWith(rig, { header: 'x-api-key', expiresAt: end(-1) })]));
    expect((await rig.curl(url(), '-D', '-', '-H', `x-api-key: ${PHANTOM}`)).text).toContain('phantom-expired');
    expect(rig.seen).toHaveLength(1);
  });
});

describe('AWS', () => {
  const aws = (r: Rig): Route => routeWith(r, { secret: 'aws', awsSigV4: true });
  const curlSigned = ['--aws-sigv4', 'aws:amz:eu-west-1:bedrock', '-u', `${PHANTOM}:any-secret-key`];

  test.each<[string, readonly string[]]>([
    ['without a body', []],
    ['with a body', ['-d', '{"prompt":"hello"}', '-H', 'content-type: application/json']],
  ])('a request %s is signed anew with the real keys', async (_how, args) => {
    await rig.start((r) => [aws(r)]);
    expect((await rig.curl(url('/model/a/invoke?x=1'), ...curlSigned, ...args)).status).toBe(200);
    const [seen] = rig.seen;
    const signature = String(seen?.headers.authorization);
    expect(JSON.stringify(seen)).not.toContain(PHANTOM);
    expect(signature).toContain(`Credential=${AWS_KEYS.accessKeyId}/`);
    const names = /SignedHeaders=([^,]+)/.exec(signature)?.[1]?.split(';') ?? [];
    const signed = Object.fromEntries(names.map((name) => [name, String(seen?.headers[name])]));
    const reference = {
      method: seen?.method ?? '',
      host: NAME,
      path: seen?.url ?? '',
      service: 'bedrock',
      region: 'eu-west-1',
      headers: signed,
    };
    const hash = createHash('sha256')
      .update(seen?.body ?? '')
      .digest('hex');
    if (args.length > 0) expect(seen?.headers['x-amz-content-sha256']).toBe(hash);
    expect(aws4.sign(reference, AWS_KEYS).headers?.Authorization).toBe(signature);
  });

  test('a request that is signed with other keys, in the query, or not at all is refused', async () => {
    await rig.start((r) => [aws(r)]);
    const other = ['--aws-sigv4', 'aws:amz:eu-west-1:bedrock', '-u', 'AKIAOTHEROTHEROTHER0:any-secret-key'];
    for (const [target, args, reason] of [
      ['/', other, 'phantom-wrong'],
      ['/', [], 'phantom-missing'],
      ['/', ['-H', `authorization: Bearer ${PHANTOM}`], 'phantom-missing'],
      [`/?X-Amz-Credential=${PHANTOM}&X-Amz-Signature=00`, curlSigned, 'credential-unknown'],
    ] as const) {
      expect(await rig.curl(url(target), '-D', '-', ...args)).toMatchObject({ status: 403, text: expect.stringContaining(reason) });
    }
    expect(rig.seen).toHaveLength(0);
  });

  test('a body without a hash that is too long to be read is refused', async () => {
    await rig.start((r) => [aws(r)]);
    const authorization = `authorization: AWS4-HMAC-SHA256 Credential=${PHANTOM}/20260101/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=00`;
    const result = await rig.curl(url(), '-D', '-', '-H', authorization, '-T', process.execPath, '-H', 'expect:');
    expect(result.text).toContain('body-too-long');
    expect(rig.seen).toHaveLength(0);
  });
});
