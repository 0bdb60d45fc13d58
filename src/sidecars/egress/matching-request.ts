/*
 * Scope: the head of a request that a route allows, to try the route with. Out of scope: sending it. Fail-safe direction: where no such
 * request is found there is none, and who asked has to do without the conditions of the route.
 */
import type { Route } from '../../core/egress-policy.ts';
import { decide } from './decide.ts';
import type { HeaderList } from './headers.ts';
import { tenantPaths } from './tenants.ts';

export interface MatchingRequest {
  readonly method: string;
  /** Path and query */
  readonly target: string;
  readonly headers: HeaderList;
}

export function matchingRequest(route: Route): MatchingRequest | undefined {
  const { methods, query = [], headers: wanted = [], hosts, ports } = route;
  const method = methods?.[0] ?? 'GET';
  const pairs = query.flatMap(({ name, values }) =>
    values === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(values[0] ?? '')}`],
  );
  const search = pairs.length === 0 ? '' : `?${pairs.join('&')}`;
  const headers = wanted.flatMap(({ name, values }) => (values === undefined ? [] : [[name, values[0] ?? ''] as const]));
  const [name = '', port = 0] = [hosts[0]?.replace(/^\*/, 'probe'), ports[0]];
  const policy = { version: 1, routes: [route] } as const;
  const target = candidatePaths(route)
    .map((path) => `${path}${search}`)
    .find((each) => decide(policy, { name, port, method, target: each, headers, hasBody: false }).allow);
  return target === undefined ? undefined : { method, target, headers };
}

/** Each prefix with the segments of each tenant in the places that it leaves open. */
function candidatePaths({ paths = ['/'], tenants }: Route): readonly string[] {
  const named = tenants === undefined ? ['/'] : tenantPaths(tenants);
  return [...named, ...paths.flatMap((prefix) => named.map((path) => overlay(prefix.split('/'), path.split('/'))))];
}

function overlay(prefix: readonly string[], path: readonly string[]): string {
  const length = Math.max(prefix.length, path.length);
  const open = new Set(['*', '', undefined]);
  const segmentAt = (at: number): string | undefined => (open.has(prefix[at]) ? path[at] || prefix[at]?.replace('*', 'x') : prefix[at]);
  return Array.from({ length }, (_, at) => segmentAt(at) ?? '').join('/');
}
