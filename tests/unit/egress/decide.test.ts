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

  test('a refusal names the setting that would allow it', () => {
    expect(ask(policy())).toMatchObject({ hint: expect.stringContaining('egress.routes') });
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
