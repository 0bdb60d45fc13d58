import { describe, expect, test } from 'vitest';
import type { Route } from '../../../src/core/index.ts';
import { mergeRoutes, parseEgressPolicy } from '../../../src/core/resolve/index.ts';

const good = { name: 'api', hosts: ['api.example.com'], ports: [443], mode: 'inspect' };
const parse = (route: Record<string, unknown>) => parseEgressPolicy({ version: 1, routes: [{ ...good, ...route }] }, 'project `demo`');

describe('parseEgressPolicy', () => {
  test('reads a full route', () => {
    const inject = { secret: 'anthropic', header: 'x-api-key', phantom: 'p'.repeat(20) };
    expect(parse({ methods: ['GET'], paths: ['/v1'], inject, privateNetworks: ['10.0.0.0/8'] }).routes[0]).toEqual({
      ...good,
      methods: ['GET'],
      paths: ['/v1'],
      inject,
      privateNetworks: ['10.0.0.0/8'],
    });
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['an IP literal', { hosts: ['10.0.0.1'] }, /route `api`.*IP address.*`10\.0\.0\.1`/],
    ['a hexadecimal IP', { hosts: ['0x7f.1'] }, /IP address/],
    ['a wildcard on a public suffix', { hosts: ['*.co.uk'] }, /`co\.uk` is a public suffix.*`\*\.co\.uk`/],
    ['a wildcard on a private suffix', { hosts: ['*.github.io'] }, /public suffix/],
    ['a bare wildcard', { hosts: ['*'] }, /letters, digits/],
    ['an inner wildcard', { hosts: ['a.*.example.com'] }, /letters, digits/],
    ['an empty host', { hosts: [''] }, /not empty/],
    ['a host with a space', { hosts: [' example.com'] }, /got ` example\.com`/],
    ['a host with NUL', { hosts: ['exam\0ple.com'] }, /\\u0000/],
    ['no host', { hosts: [] }, /at least one host/],
    ['no port', { ports: [] }, /at least one port/],
    ['a port too large', { ports: [70_000] }, /ports\[0\]/],
    ['a lower-case method', { methods: ['get'] }, /upper-case/],
    ['the method CONNECT', { methods: ['CONNECT'] }, /other than CONNECT/],
    ['a path with a query', { paths: ['/v1?x'] }, /normal form/],
    ['a path with dots', { paths: ['/v1/../x'] }, /normal form/],
    ['an unknown field', { allow: true }, /allow/],
    ['an unknown mode', { mode: 'open' }, /mode/],
    ['a public network', { privateNetworks: ['8.8.8.0/24'] }, /must be private/],
    ['the whole internet', { privateNetworks: ['0.0.0.0/0'] }, /must be private/],
    ['a framing header', { inject: { secret: 'a', header: 'host', phantom: 'p'.repeat(20) } }, /frames the message/],
    ['a condition without a rule', { query: [{ name: 'org' }] }, /query\[0\].*exactly one of/],
    ['a condition with two rules', { headers: [{ name: 'x-team', values: ['a'], absent: true }] }, /exactly one of/],
    ['a condition on a framing header', { headers: [{ name: 'host', values: ['a'] }] }, /frames the message/],
    ['a pin without a place', { tenants: { allow: ['acme'] } }, /exactly one of `style` and `after`/],
    ['a tenant with dots', { tenants: { style: 'github', allow: ['acme/../other'] } }, /is a name such as/],
    ['an empty budget', { budget: {} }, /limits at least one thing/],
    ['a budget of nothing', { budget: { requests: 0 } }, /budget\.requests/],
    ['conditions in passthrough', { mode: 'passthrough', query: [{ name: 'a', absent: true }] }, /needs the mode `inspect`/],
    ['a TLS exception in inspect', { tls: ['encrypted-hello'] }, /needs the mode `passthrough`/],
    ['an end that is no time', { expiresAt: 'tomorrow' }, /expiresAt/],
    ['a short phantom', { inject: { secret: 'a', header: 'x-api-key', phantom: 'p' } }, /16 to 512/],
    [
      'a credential in passthrough',
      { mode: 'passthrough', inject: { secret: 'a', header: 'x-api-key', phantom: 'p'.repeat(20) } },
      /needs the mode `inspect`/,
    ],
  ])('refuses %s', (_what, route, message) => {
    expect(() => parse(route)).toThrow(message);
    expect(() => parse(route)).toThrow(expect.objectContaining({ code: 'INVALID_ROUTE', hint: expect.stringContaining('egress.routes') }));
  });

  test('names where the policy came from', () => {
    expect(() => parse({ hosts: [''] })).toThrow(/^project `demo`: `routes\[0\]\.hosts\[0\]` of route `api`/);
    expect(() => parseEgressPolicy(undefined, 'x')).toThrow(/^x: /);
    expect(() => parseEgressPolicy({ version: 2, routes: [] }, 'x')).toThrow(/version/);
  });

  test('refuses one host and port in two modes', () => {
    expect(() => parseEgressPolicy({ version: 1, routes: [good, { ...good, name: 'b', mode: 'passthrough' }] }, 'x')).toThrow(
      /one host and port has one mode/,
    );
  });
});

describe('mergeRoutes', () => {
  const route = good as Route;
  test('keeps one of two equal routes and all others in order', () => {
    const other = { ...route, name: 'b', hosts: ['b.example.com'] };
    expect(mergeRoutes([route], [{ mode: 'inspect', ports: [443], hosts: ['api.example.com'], name: 'api' }, other]).routes).toEqual([
      route,
      other,
    ]);
  });

  test('refuses two meanings of one name', () => {
    expect(() => mergeRoutes([route], [{ ...route, ports: [80] }])).toThrow(/name `api`/);
  });
});

describe('conflicting routes', () => {
  const inject = (secret: string) => ({ secret, header: 'x-api-key', phantom: 'p'.repeat(20) });
  const policy = (...routes: Record<string, unknown>[]) => parseEgressPolicy({ version: 1, routes }, 'x');

  test('two credentials for one request are refused, with the names of both routes', () => {
    const second = { ...good, name: 'other', inject: inject('b') };
    expect(() => policy({ ...good, inject: inject('a') }, second)).toThrow(/route `api` and `b` of route `other`/);
    expect(() => policy({ ...good, paths: ['/v1'], inject: inject('a') }, { ...second, paths: ['/v1/x'] })).toThrow(/must differ/);
    expect(policy({ ...good, paths: ['/v1'], inject: inject('a') }, { ...second, paths: ['/v2'] }).routes).toHaveLength(2);
    expect(policy({ ...good, methods: ['GET'], inject: inject('a') }, { ...second, methods: ['POST'] }).routes).toHaveLength(2);
  });

  test('blocks and the name of the task are kept', () => {
    const value = { version: 1, routes: [], blocks: [{ host: '*.example.com', port: 22 }], task: 'shop' };
    expect(parseEgressPolicy(value, 'x')).toEqual(value);
    expect(() => parseEgressPolicy({ ...value, blocks: [{ host: '*.com' }] }, 'x')).toThrow(/public suffix/);
  });
});
