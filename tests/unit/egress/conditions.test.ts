import { describe, expect, test } from 'vitest';
import { headersMeet, queryMeets } from '../../../src/sidecars/egress/conditions.ts';
import { namesTenant } from '../../../src/sidecars/egress/tenants.ts';

describe('a condition on the query', () => {
  const org = [{ name: 'org', values: ['acme', 'a b'] }];

  test.each([['/x?org=acme'], ['/x?page=2&org=acme'], ['/x?org=a+b'], ['/x?org=a%20b'], ['/x?%6frg=acme']])('is met by %s', (target) => {
    expect(queryMeets(org, target)).toBe(true);
  });

  test.each([
    ['/x'],
    ['/x?'],
    ['/x?org=other'],
    ['/x?org=acme&org=other'],
    ['/x?org=other&org=acme'],
    ['/x?org=acme&ORG=other'],
    ['/x?org=acme&org[]=other'],
    ['/x?org=acme&org%5B0%5D=other'],
    ['/x?page=2;org=other&org=acme'],
    ['/x?org=acme&page=%zz'],
    ['/x?organisation=acme'],
  ])('is not met by %s', (target) => {
    expect(queryMeets(org, target)).toBe(false);
  });

  test('may want a parameter to be absent', () => {
    expect(queryMeets([{ name: 'debug', absent: true }], '/x?page=2')).toBe(true);
    expect(queryMeets([{ name: 'debug', absent: true }], '/x?debug')).toBe(false);
    expect(queryMeets([{ name: 'debug', absent: true }], '/x?Debug=1')).toBe(false);
  });
});

test('a condition on a header wants it exactly once', () => {
  const team = [{ name: 'x-team', values: ['blue'] }];
  expect(headersMeet(team, [['x-team', 'blue']])).toBe(true);
  expect(headersMeet(team, [])).toBe(false);
  expect(headersMeet(team, [['x-team', 'red']])).toBe(false);
  const twice = [
    ['x-team', 'blue'],
    ['x-team', 'red'],
  ] as const;
  expect(headersMeet(team, twice)).toBe(false);
});

describe('a pin on tenants', () => {
  test.each([
    ['github', 'acme/shop', '/acme/shop', true],
    ['github', 'acme/shop', '/acme/shop.git/info/refs', true],
    ['github', 'acme/shop', '/acme/shop2', false],
    ['github', 'acme/shop', '/acme', false],
    ['github', 'acme/shop', '/other/shop', false],
    ['github', 'acme/shop', '/acme%2Fshop/x', false],
    ['github', 'acme', '/acme/anything/x', true],
    ['github', 'acme', '/acme.git/x', false],
    ['github', 'acme', '/', false],
    ['github-api', 'acme/shop', '/repos/acme/shop/issues', true],
    ['github-api', 'acme/shop', '/repos/acme/other/issues', false],
    ['github-api', 'acme/shop', '/orgs/acme/shop', false],
    ['github-api', 'acme', '/orgs/acme/repos', true],
    ['github-api', 'acme', '/search/code', false],
    ['github-api', 'acme', '/graphql', false],
    ['github-api', 'acme', '/repositories/1', false],
    ['gitlab-api', 'acme/shop', '/api/v4/projects/acme%2Fshop/issues', true],
    ['gitlab-api', 'acme/shop', '/api/v4/projects/acme%2Fother', false],
    ['gitlab-api', 'acme/shop', '/api/v4/projects/acme%2Fshop%2Fsub', true],
    ['gitlab-api', 'acme', '/api/v4/groups/acme/projects', true],
    ['gitlab', 'acme/tools/shop', '/acme/tools/shop/-/raw/main/a', true],
    ['s3', 'builds', '/builds/a.tgz', true],
    ['s3', 'builds', '/builds-of-others/a.tgz', false],
    ['npm-scope', '@acme', '/@acme%2Fshop', true],
    ['npm-scope', '@acme', '/@acme/shop/-/shop-1.0.0.tgz', true],
    ['npm-scope', '@acme', '/@acmee%2Fshop', false],
  ] as const)('%s %s on %s is %s', (style, tenant, path, expected) => {
    expect(namesTenant({ style, allow: [tenant] }, path)).toBe(expected);
  });

  test('stands after a prefix of one’s own', () => {
    const pin = { after: ['/v1/workspaces'], allow: ['w1'] };
    expect(namesTenant(pin, '/v1/workspaces/w1/files')).toBe(true);
    expect(namesTenant(pin, '/v1/workspaces/w2/files')).toBe(false);
    expect(namesTenant(pin, '/v1/workspaces')).toBe(false);
    expect(namesTenant(pin, '/v1/workspacesw1')).toBe(false);
  });
});
