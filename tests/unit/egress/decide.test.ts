import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EgressPolicy, Route } from '../../../src/core/index.ts';
import { decide, decideConnection, isNameAllowed } from '../../../src/sidecars/egress/decide.ts';

const route = (more: Partial<Route>): Route => ({ name: 'r', hosts: ['api.example.com'], ports: [443], mode: 'inspect', ...more });
const policy = (...routes: Route[]): EgressPolicy => ({ version: 1, routes });
const ask = (rules: EgressPolicy, more: Partial<{ name: string; port: number; method: string; target: string }> = {}) =>
  decide(rules, { name: 'api.example.com', port: 443, method: 'GET', target: '/v1/x', ...more });

describe('decide', () => {
  test('an empty policy reaches nothing', () => {
    expect(ask(policy())).toMatchObject({ allow: false, reason: 'host-not-allowed' });
    expect(isNameAllowed(policy(), 'api.example.com')).toBe(false);
  });

  test('allows what a route names, and says what it did not name', () => {
    const rules = policy(route({ methods: ['GET'], paths: ['/v1'] }));
    expect(ask(rules)).toMatchObject({ allow: true, path: '/v1/x', forwardTarget: '/v1/x' });
    expect(ask(rules, { name: 'other.example.com' })).toMatchObject({ allow: false, reason: 'host-not-allowed' });
    expect(ask(rules, { port: 8443 })).toMatchObject({ allow: false, reason: 'port-not-allowed' });
    expect(ask(rules, { method: 'POST' })).toMatchObject({ allow: false, reason: 'method-not-allowed' });
    expect(ask(rules, { target: '/v10' })).toMatchObject({ allow: false, reason: 'path-not-allowed' });
    expect(ask(rules, { target: '/v1/../admin' })).toMatchObject({ allow: false, reason: 'path-not-allowed' });
    expect(ask(rules, { target: '/v1/%2e%2e/admin' })).toMatchObject({ allow: false, reason: 'path-ambiguous' });
  });

  test('a refusal names the command that would allow it', () => {
    const hint = (rules: EgressPolicy, more: Parameters<typeof ask>[1] = {}) =>
      (ask({ ...rules, task: 'shop' }, more) as { hint: string }).hint;
    expect(hint(policy())).toContain('`terok egress allow shop api.example.com`');
    expect(hint(policy(route({})), { port: 22 })).toContain('`terok egress allow shop api.example.com:22`');
    expect(hint(policy(route({ methods: ['GET'] })), { method: 'POST', target: '/v1/issues' })).toContain(
      '`terok egress allow shop api.example.com --method POST --path /v1/issues`',
    );
    expect(hint(policy(route({ paths: ['/v1'] })), { target: "/v2/$(id)/';x" })).toContain('--path /v2`');
  });

  test('forwards the path that it matched', () => {
    expect(ask(policy(route({ paths: ['/v1'] })), { target: '/v0/../v1/%7ex?q=..' })).toMatchObject({
      allow: true,
      forwardTarget: '/v1/~x?q=..',
    });
  });

  test('the most specific host pattern decides, and `inspect` wins among equals', () => {
    const wide = route({ name: 'wide', hosts: ['*.example.com'], mode: 'passthrough' });
    expect(decideConnection(policy(wide, route({})), { name: 'api.example.com', port: 443 })).toMatchObject({ mode: 'inspect' });
    expect(decideConnection(policy(wide, route({})), { name: 'cdn.example.com', port: 443 })).toMatchObject({ mode: 'passthrough' });
    expect(
      decideConnection(policy({ ...wide, hosts: ['api.example.com'] }, route({})), { name: 'api.example.com', port: 443 }),
    ).toMatchObject({ mode: 'inspect' });
  });

  test('a host with a credential is managed, whichever route decides', () => {
    const inject = { secret: 'k', header: 'x-api-key', phantom: 'p'.repeat(16) };
    const rules = policy(route({ name: 'open' }), route({ name: 'keyed', hosts: ['*.example.com'], inject }));
    expect(ask(rules)).toMatchObject({ allow: true, managed: true });
    expect(ask(policy(route({ name: 'open' }), route({ name: 'keyed', inject })))).toMatchObject({ allow: true, route: { name: 'keyed' } });
  });

  test('a block wins over every route', () => {
    const blocked = { ...policy(route({})), blocks: [{ host: '*.example.com' }], task: 'shop' };
    expect(ask(blocked)).toMatchObject({ allow: false, reason: 'host-blocked', hint: expect.stringContaining('terok egress allow shop') });
    expect(isNameAllowed(blocked, 'api.example.com')).toBe(false);
    const onePort = { ...policy(route({ ports: [443, 8443] })), blocks: [{ host: 'api.example.com', port: 8443 }] };
    expect(ask(onePort)).toMatchObject({ allow: true });
    expect(ask(onePort, { port: 8443 })).toMatchObject({ reason: 'host-blocked' });
  });

  test('a route ends at its time', () => {
    const rules = policy(route({ expiresAt: '2026-01-01T00:00:00.000Z' }));
    const at = Date.parse('2026-01-01T00:00:00.000Z');
    const request = { name: 'api.example.com', port: 443, method: 'GET', target: '/' };
    expect(decide(rules, request, at - 1).allow).toBe(true);
    expect(decide(rules, request, at)).toMatchObject({ reason: 'host-not-allowed' });
    expect(isNameAllowed(rules, 'api.example.com', at)).toBe(false);
  });

  test('says which condition of a route is not met', () => {
    const request = { name: 'api.example.com', port: 443, method: 'GET', target: '/acme/shop?org=acme' };
    const reason = (more: Partial<Route>, asked: Partial<Parameters<typeof decide>[1]> = {}) => {
      const decision = decide(policy(route(more)), { ...request, ...asked });
      return decision.allow ? 'allowed' : decision.reason;
    };
    expect(reason({ tenants: { style: 'github', allow: ['acme'] } })).toBe('allowed');
    expect(reason({ tenants: { style: 'github', allow: ['other'] } })).toBe('tenant-not-allowed');
    expect(reason({ tenants: { style: 'github', allow: ['acme'] } }, { target: '/other/../acme/%2e%2e/x' })).toBe('path-ambiguous');
    expect(reason({ query: [{ name: 'org', values: ['other'] }] })).toBe('query-not-allowed');
    expect(reason({ headers: [{ name: 'x-team', values: ['blue'] }] })).toBe('header-not-allowed');
    expect(reason({ headers: [{ name: 'x-team', values: ['blue'] }] }, { headers: [['x-team', 'blue']] })).toBe('allowed');
    expect(reason({ methods: ['GET'] }, { isWebSocket: true })).toBe('upgrade-not-allowed');
    expect(reason({ methods: ['GET'], websocket: true }, { isWebSocket: true })).toBe('allowed');
    expect(reason({}, { isWebSocket: true })).toBe('allowed');
    expect(reason({ websocket: false }, { isWebSocket: true })).toBe('upgrade-not-allowed');
    expect(reason({ methods: ['GET'] }, { hasBody: true })).toBe('body-not-allowed');
    expect(reason({}, { hasBody: true })).toBe('allowed');
    expect(reason({ methods: ['GET'] }, { target: '/?x=1&_METHOD=PUT' })).toBe('method-override');
    expect(reason({ methods: ['GET'] }, { headers: [['x_method_override', 'GET']] })).toBe('method-override');
    expect(reason({}, { target: '/?_method=PUT' })).toBe('allowed');
  });

  test('agrees with a model of the union of equally specific routes', () => {
    const some = <T>(...values: T[]) => fc.option(fc.subarray(values, { minLength: 1 }), { nil: undefined });
    const rules = fc.array(
      fc.record({
        hosts: fc.subarray(['a.x', 'b.x'], { minLength: 1 }),
        ports: fc.subarray([80, 443], { minLength: 1 }),
        methods: some('GET', 'POST'),
        paths: some('/v1', '/v2'),
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(
        rules,
        fc.constantFrom('a.x', 'b.x', 'c.x'),
        fc.constantFrom(80, 443),
        fc.constantFrom('GET', 'POST', 'PUT'),
        fc.constantFrom('/v1', '/v2/y', '/v3'),
        (list, name, port, method, path) => {
          const routes = list.map(
            ({ methods, paths, ...rest }, index): Route => ({
              ...rest,
              name: String(index),
              mode: 'inspect',
              ...(methods === undefined ? {} : { methods }),
              ...(paths === undefined ? {} : { paths }),
            }),
          );
          const expected = list.some(
            (rule) =>
              rule.hosts.includes(name) &&
              rule.ports.includes(port) &&
              (rule.methods?.includes(method) ?? true) &&
              (rule.paths?.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)) ?? true),
          );
          expect(decide(policy(...routes), { name, port, method, target: path }).allow).toBe(expected);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
