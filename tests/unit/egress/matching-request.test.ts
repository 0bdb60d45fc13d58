import { describe, expect, test } from 'vitest';
import type { Route } from '../../../src/core/index.ts';
import { decide, matchingRequest } from '../../../src/sidecars/egress/index.ts';

const route = (more: Partial<Route>): Route => ({ name: 'r', hosts: ['api.example.com'], ports: [443], mode: 'inspect', ...more });

describe('a request that a route allows', () => {
  test.each<[string, Partial<Route>, string]>([
    ['no condition', {}, 'GET /'],
    ['methods', { methods: ['PUT', 'GET'] }, 'PUT /'],
    ['paths', { paths: ['/v1/'] }, 'GET /v1/'],
    ['open segments', { paths: ['/v1/*/items'] }, 'GET /v1/x/items'],
    [
      'a query',
      {
        query: [
          { name: 'a b', values: ['ü', 'x'] },
          { name: 'c', absent: true },
        ],
      },
      'GET /?a%20b=%C3%BC',
    ],
    ['a tenant', { tenants: { style: 'github-api', allow: ['acme/shop'] } }, 'GET /repos/acme/shop'],
    ['an escaped tenant', { tenants: { style: 'npm-scope', allow: ['@acme/x'] } }, 'GET /@acme%2Fx'],
    [
      'a tenant in a path',
      { paths: ['/repos/*/*/issues'], tenants: { style: 'github-api', allow: ['acme/shop'] } },
      'GET /repos/acme/shop/issues',
    ],
    ['a tenant below a path', { paths: ['/v1'], tenants: { after: ['/v1/workspaces'], allow: ['w-1'] } }, 'GET /v1/workspaces/w-1'],
  ])('is found for %s', (_what, more, expected) => {
    const request = matchingRequest(route(more));
    expect(`${request?.method} ${request?.target}`).toBe(expected);
  });

  test('has the headers that are wanted, and is what the gateway allows', () => {
    const all = route({
      hosts: ['*.example.com'],
      methods: ['POST'],
      paths: ['/v1'],
      query: [{ name: 'q', values: ['1'] }],
      headers: [
        { name: 'x-team', values: ['blue'] },
        { name: 'x-no', absent: true },
      ],
    });
    const request = matchingRequest(all);
    expect(request).toEqual({ method: 'POST', target: '/v1?q=1', headers: [['x-team', 'blue']] });
    const judged = { name: 'a.example.com', port: 443, ...request, method: 'POST', target: request?.target ?? '' };
    expect(decide({ version: 1, routes: [all] }, judged).allow).toBe(true);
    expect(decide({ version: 1, routes: [all] }, { ...judged, headers: [] }).allow).toBe(false);
  });

  test('is none where the conditions exclude each other', () => {
    expect(matchingRequest(route({ paths: ['/a'], tenants: { after: ['/b'], allow: ['w'] } }))).toBeUndefined();
  });
});
