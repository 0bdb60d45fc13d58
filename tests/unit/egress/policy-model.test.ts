/*
 * The decision against a model that is written from docs/egress.md alone: slow, without any part of the implementation. What breaks it is
 * kept below `tests/reproductions`, with its seed; `TEROK_FUZZ_RUNS` tries more.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EgressPolicy, HostBlock, Route } from '../../../src/core/index.ts';
import { decide, decideConnection, type EgressRequest } from '../../../src/sidecars/egress/decide.ts';
import { fuzz } from '../../support/fuzz.ts';

const NOW = 1_000_000;
const HOSTS = ['a.x.example', 'b.x.example', 'c.a.x.example', 'x.example', 'other.example'];
const PATTERNS = [...HOSTS, '*.x.example', '*.a.x.example', '*.example.example'];
const PORTS = [80, 443, 8443];
const METHODS = ['GET', 'POST', 'DELETE'];
const SEGMENTS = ['acme', 'shop', 'other', 'v1', 'repos'];

const some = <T>(...values: T[]) => fc.option(fc.subarray(values, { minLength: 1 }), { nil: undefined });
const path = fc.array(fc.constantFrom(...SEGMENTS), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
const condition = fc.oneof(
  fc.record({ name: fc.constantFrom('org', 'team'), values: fc.subarray(['acme', 'other'], { minLength: 1 }) }),
  fc.record({ name: fc.constantFrom('org', 'team'), absent: fc.constant(true as const) }),
);

const route: fc.Arbitrary<Omit<Route, 'name'>> = fc
  .record({
    hosts: fc.subarray(PATTERNS, { minLength: 1, maxLength: 3 }),
    ports: fc.subarray(PORTS, { minLength: 1 }),
    mode: fc.constantFrom('inspect' as const, 'inspect' as const, 'passthrough' as const),
    methods: some(...METHODS),
    paths: some('/v1', '/acme', '/*/shop', '/repos/*/', '/'),
    query: fc.option(fc.array(condition, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    headers: fc.option(fc.array(condition, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    tenants: fc.option(
      fc.record({
        after: fc.subarray(['/', '/repos', '/v1'], { minLength: 1 }),
        allow: fc.subarray(['acme', 'acme/shop', 'other/shop'], { minLength: 1 }),
      }),
      { nil: undefined },
    ),
    websocket: fc.option(fc.boolean(), { nil: undefined }),
    expiresAt: fc.option(fc.constantFrom(new Date(NOW - 1).toISOString(), new Date(NOW + 1).toISOString()), { nil: undefined }),
  })
  .map((fields) => {
    const given = JSON.parse(JSON.stringify(fields)) as Omit<Route, 'name'>;
    if (given.mode === 'inspect') return given;
    const { hosts, ports, mode, expiresAt } = given;
    return { hosts, ports, mode, ...(expiresAt === undefined ? {} : { expiresAt }) };
  });

const block: fc.Arbitrary<HostBlock> = fc
  .tuple(fc.constantFrom(...PATTERNS), fc.constantFrom(undefined, ...PORTS))
  .map(([host, port]) => (port === undefined ? { host } : { host, port }));

const pair = fc.tuple(fc.constantFrom('org', 'team', 'page'), fc.constantFrom('acme', 'other', '1'));
const request: fc.Arbitrary<EgressRequest & { readonly query: readonly (readonly [string, string])[]; readonly path: string }> = fc
  .record({
    name: fc.constantFrom(...HOSTS),
    port: fc.constantFrom(...PORTS),
    method: fc.constantFrom(...METHODS),
    path,
    query: fc.array(pair, { maxLength: 3 }),
    headers: fc.array(pair, { maxLength: 3 }),
    hasBody: fc.boolean(),
    isWebSocket: fc.boolean(),
  })
  .map((fields) => ({
    ...fields,
    target: fields.path + (fields.query.length === 0 ? '' : `?${fields.query.map((each) => each.join('=')).join('&')}`),
  }));

/** How closely a pattern names a host: 0 not at all, more for a longer suffix, most for the name itself. */
function closeness(pattern: string, host: string): number {
  if (pattern === host) return 1_000;
  if (!pattern.startsWith('*')) return 0;
  const labels = host.split('.');
  const suffix = pattern.split('.').slice(1);
  return labels.length > suffix.length && labels.slice(-suffix.length).join('.') === suffix.join('.') ? suffix.join('.').length : 0;
}

const closest = ({ hosts }: Pick<Route, 'hosts'>, host: string): number => Math.max(...hosts.map((pattern) => closeness(pattern, host)));

function modelRoutes(policy: EgressPolicy, name: string, port: number): readonly Route[] {
  if ((policy.blocks ?? []).some((each) => closeness(each.host, name) > 0 && (each.port ?? port) === port)) return [];
  const open = policy.routes.filter(
    (each) => closest(each, name) > 0 && each.ports.includes(port) && !(each.expiresAt !== undefined && Date.parse(each.expiresAt) <= NOW),
  );
  const best = Math.max(...open.map((each) => closest(each, name)));
  const named = open.filter((each) => closest(each, name) === best);
  return named.some(({ mode }) => mode === 'inspect') ? named.filter(({ mode }) => mode === 'inspect') : named;
}

function prefixMatches(prefix: string, whole: string): boolean {
  const source = prefix
    .split('/')
    .map((part) => (part === '*' ? '[^/]+' : part))
    .join('/');
  return new RegExp(`^${source}${prefix.endsWith('/') ? '' : '(?:/|$)'}`).test(whole);
}

function fieldsMeet(conditions: Route['query'], fields: readonly (readonly [string, string])[]): boolean {
  return (conditions ?? []).every(({ name, values }) => {
    const found = fields.filter(([each]) => each === name).map(([, value]) => value);
    return values === undefined ? found.length === 0 : found.length === 1 && values.includes(found[0] ?? '');
  });
}

function tenantMatches({ tenants }: Route, whole: string): boolean {
  if (tenants === undefined) return true;
  return (tenants.after ?? []).some((after) =>
    tenants.allow.some((tenant) => prefixMatches(`${after === '/' ? '' : after}/${tenant}`, whole)),
  );
}

function modelAllows(policy: EgressPolicy, asked: typeof request extends fc.Arbitrary<infer T> ? T : never): boolean {
  return modelRoutes(policy, asked.name, asked.port).some(
    (each) =>
      (each.methods === undefined || each.methods.includes(asked.method)) &&
      (each.paths === undefined || each.paths.some((prefix) => prefixMatches(prefix, asked.path))) &&
      tenantMatches(each, asked.path) &&
      fieldsMeet(each.query, asked.query) &&
      fieldsMeet(each.headers, asked.headers as readonly (readonly [string, string])[]) &&
      (!asked.isWebSocket || (each.websocket ?? each.methods === undefined)) &&
      (!asked.hasBody || each.methods === undefined || asked.method !== 'GET'),
  );
}

test('the gateway decides as the model does', async () => {
  let allowed = 0;
  let refused = 0;
  await fuzz(
    'policy-model',
    fc.property(fc.array(route, { maxLength: 5 }), fc.array(block, { maxLength: 2 }), request, (list, blocks, asked) => {
      const routes = list.map((each, index): Route => ({ ...each, name: `r${index}` }));
      const policy: EgressPolicy = { version: 1, routes, blocks };
      const expected = modelAllows(policy, asked);
      const decision = decide(policy, asked, NOW);
      expect(decision.allow).toBe(expected);
      if (decision.allow) {
        expect(modelRoutes(policy, asked.name, asked.port)).toContainEqual(decision.route);
        expect(decision.forwardTarget).toBe(asked.target);
      }
      expect(decideConnection(policy, asked, NOW).allow).toBe(modelRoutes(policy, asked.name, asked.port).length > 0);
      if (expected) allowed += 1;
      else refused += 1;
    }),
    { parameters: { numRuns: Number(process.env['TEROK_FUZZ_RUNS'] ?? 20_000) } },
  );
  // Cases of one kind alone would show nothing
  expect(Math.min(allowed, refused)).toBeGreaterThan((allowed + refused) / 50);
});
