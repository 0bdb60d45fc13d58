/*
 * Scope: two routes that cannot both be meant. Out of scope: one route (`route-schema.ts`). Fail-safe direction: where it is open which
 * of two routes decides about reading bytes or adding a credential, the policy is an error.
 */
import type { Route } from '../egress-policy.ts';
import { pathPrefixCovers } from '../request-path.ts';

/** What the check looks at; a configured route has no phantom yet. */
export interface ComparedRoute extends Pick<Route, 'name' | 'hosts' | 'ports' | 'mode'> {
  readonly methods?: readonly string[] | undefined;
  readonly paths?: readonly string[] | undefined;
  readonly inject?: { readonly secret: string } | undefined;
}

export interface RouteConflict {
  /** Position of the second route of the two */
  readonly index: number;
  /** Names both routes, the rule and the value */
  readonly message: string;
}

/** The first conflict in a list of routes, otherwise undefined. */
export function routeConflict(routes: readonly ComparedRoute[]): RouteConflict | undefined {
  const names = new Set<string>();
  const byTarget = new Map<string, ComparedRoute[]>();
  for (const [index, route] of routes.entries()) {
    if (names.has(route.name)) return { index, message: `two different routes have the name \`${route.name}\`; a name is used once` };
    names.add(route.name);
    for (const target of route.hosts.flatMap((host) => route.ports.map((port) => `${host}:${port}`))) {
      const known = byTarget.get(target) ?? [];
      const message = known.map((other) => conflictOf(other, route, target)).find((each) => each !== undefined);
      if (message !== undefined) return { index, message };
      byTarget.set(target, [...known, route]);
    }
  }
  return undefined;
}

function conflictOf(first: ComparedRoute, second: ComparedRoute, target: string): string | undefined {
  if (first.mode !== second.mode)
    return `\`${target}\` is \`${first.mode}\` in route \`${first.name}\` and \`${second.mode}\` in route \`${second.name}\`; one host and port has one mode`;
  const [one, other] = [first.inject?.secret, second.inject?.secret];
  if (one === undefined || other === undefined || one === other || !overlap(first, second)) return undefined;
  return `requests to \`${target}\` would get the secret \`${one}\` of route \`${first.name}\` and \`${other}\` of route \`${second.name}\`; their methods or paths must differ`;
}

function overlap(first: ComparedRoute, second: ComparedRoute): boolean {
  const methods =
    first.methods === undefined || second.methods === undefined || first.methods.some((each) => second.methods?.includes(each));
  if (!methods || first.paths === undefined || second.paths === undefined) return methods;
  const others = second.paths;
  return first.paths.some((path) => others.some((other) => pathPrefixCovers(path, other) || pathPrefixCovers(other, path)));
}
