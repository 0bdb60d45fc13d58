import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BottleCa, CredentialInjection, Route } from '../../src/core/index.ts';
import { mintBottleCa, parseEgressPolicy } from '../../src/core/resolve/index.ts';
import { proveInjection } from '../../src/sidecars/gateway/prove-injection.ts';
import { ProvenInjections } from '../../src/sidecars/gateway/proven-injections.ts';

const PHANTOM = 'AKIAPHANTOM0123456789ABCDEFGHIJK';
const SECRET = 'real/secret+0123456789';
const AWS = 'AKIAREALREALREALREAL:wJalrXUtnFEMIK7MDENGbPxRfiCYREAL';

let dir: string;
let ca: BottleCa;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'terok-proof-'));
  ca = await mintBottleCa('test');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const policyWith = (inject: Partial<CredentialInjection>, more: Partial<Route> = {}) =>
  parseEgressPolicy(
    {
      version: 1,
      routes: [
        {
          name: 'api',
          hosts: ['api.example.com'],
          ports: [443],
          mode: 'inspect',
          inject: { secret: 's', phantom: PHANTOM, ...inject },
          ...more,
        },
      ],
    },
    'test',
  );
const prove = (inject: Partial<CredentialInjection>, value: string, more: Partial<Route> = {}): Promise<void> =>
  proveInjection(policyWith(inject, more), { ca, dir, readSecret: async () => value });

describe('a start', () => {
  test.each<[string, Partial<CredentialInjection>, string]>([
    ['a header', { header: 'x-api-key' }, SECRET],
    ['a header with a prefix', { header: 'authorization', prefix: 'Bearer ' }, SECRET],
    ['Basic', { basicUser: 'bot' }, SECRET],
    ['the query', { queryParameter: 'key' }, SECRET],
    ['a signature for AWS', { awsSigV4: true }, AWS],
  ])('proves that a secret reaches its server in %s, and leaves nothing behind', async (_where, inject, value) => {
    await prove(inject, value);
    await prove(inject, value, { methods: ['POST'], paths: ['/v1'], query: [{ name: 'a', values: ['b'] }] });
    await prove(inject, value, {
      paths: ['/v2/*/x'],
      headers: [
        { name: 'x-team', values: ['blue'] },
        { name: 'x-no', absent: true },
      ],
    });
    await prove(inject, value, { tenants: { style: 'gitlab-api', allow: ['acme/shop'] } });
    expect(await readdir(dir)).toEqual([]);
  });

  test.each<[string, Partial<CredentialInjection>, string, RegExp]>([
    ['too short', { header: 'x-api-key' }, 'short', /is not at least 8 printable characters/],
    ['no pair of keys', { awsSigV4: true }, 'not-a-pair-of-keys', /is not `ACCESS_KEY_ID/],
    ['for a phantom that has ended', { header: 'x-api-key', expiresAt: '2020-01-01T00:00:00Z' }, SECRET, /ended at/],
  ])('fails for a secret that is %s, and says why without the value', async (_what, inject, value, message) => {
    const failure = await prove(inject, value).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'GATEWAY_FAILED',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('secret set s'),
    });
    expect(String(failure)).not.toContain(value === 'short' ? 'short,' : value);
  });

  test('proves a credential once, and again when it changes', async () => {
    let reads = 0;
    const readSecret = async (): Promise<string> => {
      reads += 1;
      return SECRET;
    };
    const file = path.join(dir, 'proven');
    for (const header of ['x-api-key', 'x-api-key', 'x-other-key']) {
      const before = reads;
      await new ProvenInjections(file).require(policyWith({ header }), { ca, dir, readSecret });
      expect(reads > before).toBe(header === 'x-other-key' || before === 0);
    }
  });
});
