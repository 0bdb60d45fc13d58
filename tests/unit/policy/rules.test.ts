import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HostBlock, Route } from '../../../src/core/index.ts';
import { changeRules, composePolicy, listVersions, readRules, type StoredRule } from '../../../src/policy/index.ts';
import { decideConnection } from '../../../src/sidecars/egress/index.ts';

const route = (name: string, more: Partial<Route> = {}): Route => ({
  name,
  hosts: ['api.example.com'],
  ports: [443],
  mode: 'inspect',
  ...more,
});
const allow = (name: string, more: Partial<Route> = {}): StoredRule => ({ action: 'allow', route: route(name, more) });
const block = (host: string, port?: number): StoredRule => ({ action: 'block', block: { host, ...(port === undefined ? {} : { port }) } });

describe('the store', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'terok-rules-'));
  });
  afterEach(async () => await rm(dir, { recursive: true, force: true }));

  test('keeps every change with its time and reason, newest first', async () => {
    expect(await readRules(dir)).toMatchObject({ number: 0, rules: [] });
    await changeRules(dir, 'first', () => [allow('a')]);
    await changeRules(dir, 'second', (rules) => [...rules, block('*.example.com', 22)]);
    expect(await listVersions(dir)).toMatchObject([
      { number: 2, reason: 'second', rules: [allow('a'), block('*.example.com', 22)] },
      { number: 1, reason: 'first', rules: [allow('a')] },
    ]);
  });

  test('adds no version where nothing changes, and none where the change fails', async () => {
    await changeRules(dir, 'first', () => [allow('a')]);
    await changeRules(dir, 'again', (rules) => rules);
    await expect(changeRules(dir, 'bad', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(changeRules(dir, 'worse', () => [allow('a', { hosts: ['10.0.0.1'] })])).rejects.toThrow();
    expect(await readRules(dir)).toMatchObject({ number: 1, reason: 'first' });
  });

  test('loses no change of several at the same time', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `r${index}`);
    await Promise.all(names.map((name) => changeRules(dir, name, (rules) => [...rules, allow(name)])));
    const { number, rules } = await readRules(dir);
    expect(number).toBe(12);
    expect(rules.map((rule) => (rule.action === 'allow' ? rule.route.name : '')).sort()).toEqual([...names].sort());
  });

  test('is whole after kill -9 at any moment', async () => {
    const program = `
      import { changeRules } from ${JSON.stringify(path.resolve('src/policy/index.ts'))};
      for (let count = 0; ; count += 1) await changeRules(${JSON.stringify(dir)}, 'loop ' + count, () => [{ action: 'block', block: { host: 'h' + count + '.example' } }]);
    `;
    for (const ms of [900, 1_000, 1_150]) {
      spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], { timeout: ms, killSignal: 'SIGKILL' });
      const { number, rules } = await readRules(dir);
      expect(rules).toHaveLength(number === 0 ? 0 : 1);
    }
    // The lease of the killed holder ends
    await changeRules(dir, 'after', () => [allow('a')]);
    expect(await readRules(dir)).toMatchObject({ reason: 'after', rules: [allow('a')] });
  }, 60_000);

  test('refuses a version that is not one, and never takes it for an empty policy', async () => {
    await changeRules(dir, 'first', () => [allow('a')]);
    writeFileSync(path.join(dir, '000002.json'), '{"version": 1, "number": 2');
    await expect(readRules(dir)).rejects.toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }));
    writeFileSync(
      path.join(dir, '000002.json'),
      JSON.stringify({ version: 1, number: 7, at: new Date().toISOString(), reason: '', rules: [] }),
    );
    await expect(readRules(dir)).rejects.toThrow(/not version 2/);
  });

  test('keeps a bounded number of versions', async () => {
    for (let count = 0; count < 105; count += 1) await changeRules(dir, 'x', () => [allow(`r${count}`)]);
    expect(readdirSync(dir).filter((name) => name.endsWith('.json'))).toHaveLength(100);
  });
});

describe('composing', () => {
  const compose = (base: readonly Route[], ...rules: StoredRule[]) =>
    composePolicy(
      { policy: { version: 1, routes: base }, origins: { base: 'config.yml' } },
      [{ origin: 'later', rules }],
      ({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > 1_000,
    );
  const reaches = (policy: ReturnType<typeof compose>, name: string, port = 443) =>
    decideConnection(policy.policy, { name, port }, 1_000).allow;

  test('says where each rule comes from', () => {
    const { origins, policy } = compose([route('base')], allow('base', { methods: ['POST'] }), block('x.example'));
    expect(policy.routes.map(({ name }) => name)).toEqual(['base', 'base-2']);
    expect(origins).toEqual({ base: 'config.yml', 'base-2': 'later', 'x.example:*': 'later' });
  });

  test('leaves out what has ended', () => {
    const ended = new Date(999).toISOString();
    expect(compose([route('base', { expiresAt: ended })], allow('b', { expiresAt: ended })).policy.routes).toEqual([]);
  });

  test('a later allowance takes back a block of exactly its host, and opens no other port', () => {
    const base = [route('base', { ports: [443, 22], mode: 'passthrough' })];
    expect(reaches(compose(base, block('api.example.com')), 'api.example.com')).toBe(false);
    const opened = compose(base, block('api.example.com'), allow('again', { mode: 'passthrough' }));
    expect({ https: reaches(opened, 'api.example.com'), ssh: reaches(opened, 'api.example.com', 22) }).toEqual({ https: true, ssh: false });
    expect(reaches(compose(base, allow('again', { mode: 'passthrough' }), block('api.example.com')), 'api.example.com')).toBe(false);
    expect(reaches(compose(base, block('*.example.com'), allow('again', { mode: 'passthrough' })), 'api.example.com')).toBe(false);
  });

  test('refuses what conflicts, with the names of both', () => {
    expect(() => compose([route('base')], allow('other', { mode: 'passthrough' }))).toThrow(
      /route `base` and `passthrough` in route `other`/,
    );
  });

  test('keeps the blocks of the base', () => {
    const blocks: HostBlock[] = [{ host: 'a.example' }];
    expect(composePolicy({ policy: { version: 1, routes: [], blocks, task: 'shop' }, origins: {} }, []).policy).toEqual({
      version: 1,
      routes: [],
      blocks,
      task: 'shop',
    });
  });
});
