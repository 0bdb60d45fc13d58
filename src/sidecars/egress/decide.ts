/*
 * Scope: may this bottle reach this name, port, method and path? Pure: same policy and request, same answer.
 * Out of scope: addresses (`address-guard.ts`), credentials (`credentials.ts`). Fail-safe direction: no matching route is a refusal.
 */
import type { EgressPolicy, Route } from '../../core/egress-policy.ts';
import { hostPatternCovers } from '../../core/host-name.ts';
import { normalisePath, pathPrefixCovers, plainPath } from '../../core/request-path.ts';
import type { Refusal, RefusalReason } from './refusal.ts';

/** What a connection is meant for; `name` is canonical (`parseHostName`). */
export interface EgressTarget {
  readonly name: string;
  readonly port: number;
}

export interface EgressRequest extends EgressTarget {
  readonly method: string;
  /** Origin-form request target as the client sent it */
  readonly target: string;
}

export type Denied = { readonly allow: false } & Refusal;

export type ConnectionDecision =
  | {
      readonly allow: true;
      readonly mode: Route['mode'];
      /** Routes that may decide requests on this connection, injecting ones first */
      readonly routes: readonly [Route, ...Route[]];
      /** Some route adds a credential for this host, so whatever the bottle presents as one is dropped */
      readonly managed: boolean;
    }
  | Denied;

export type RequestDecision =
  | {
      readonly allow: true;
      readonly route: Route;
      readonly managed: boolean;
      /** Normalised path that was matched, without the query */
      readonly path: string;
      /** Request target to send upstream: the matched path with the query */
      readonly forwardTarget: string;
    }
  | Denied;

/** Does any route name this host, on whatever port? */
export function isNameAllowed(policy: EgressPolicy, name: string): boolean {
  return policy.routes.some((route) => covers(route, name));
}

/** Decides a connection. Among routes that cover the name, those with the most specific host pattern decide. */
export function decideConnection(policy: EgressPolicy, { name, port }: EgressTarget): ConnectionDecision {
  const byHost = policy.routes.filter((route) => covers(route, name));
  if (byHost.length === 0) return deny('host-not-allowed', `no route allows the host \`${name}\``, addRoute(name, port));
  const byPort = byHost.filter((route) => route.ports.includes(port));
  const most = Math.max(...byPort.map((route) => specificity(route, name)));
  const specific = byPort.filter((route) => specificity(route, name) === most);
  const inspected = specific.filter((route) => route.mode === 'inspect');
  const deciding = inspected.length > 0 ? inspected : specific;
  const [first, ...rest] = [...deciding].sort((a, b) => Number(b.inject !== undefined) - Number(a.inject !== undefined));
  if (first === undefined) return deny('port-not-allowed', `no route allows port ${port} of \`${name}\``, addRoute(name, port));
  return { allow: true, mode: first.mode, routes: [first, ...rest], managed: byHost.some((route) => route.inject !== undefined) };
}

/** Decides one request of an inspected connection. */
export function decide(policy: EgressPolicy, request: EgressRequest): RequestDecision {
  const connection = decideConnection(policy, request);
  if (!connection.allow) return connection;
  const { routes, managed } = connection;
  const parsed = routes.some((route) => route.paths !== undefined) ? normalisePath(request.target) : plainPath(request.target);
  if (!parsed.ok) {
    return deny(
      'path-ambiguous',
      `the path has no single meaning (${parsed.problem})`,
      'Write the path without encoded dots, empty segments or backslashes.',
    );
  }
  const byMethod = routes.filter((route) => route.methods === undefined || route.methods.includes(request.method));
  const where = `\`${request.name}\` (route \`${routes[0].name}\`)`;
  if (byMethod.length === 0) return deny('method-not-allowed', `no route allows ${request.method} on ${where}`, widenRoute(routes[0].name));
  const route = byMethod.find(({ paths }) => paths === undefined || paths.some((prefix) => pathPrefixCovers(prefix, parsed.path)));
  if (route === undefined) return deny('path-not-allowed', `no route allows this path on ${where}`, widenRoute(routes[0].name));
  return { allow: true, route, managed, path: parsed.path, forwardTarget: parsed.target };
}

export function deny(reason: RefusalReason, message: string, hint: string): Denied {
  return { allow: false, reason, message, hint };
}

function covers(route: Route, name: string): boolean {
  return route.hosts.some((pattern) => hostPatternCovers(pattern, name));
}

/** An exact name is more specific than any wildcard, a longer suffix than a shorter one. */
function specificity(route: Route, name: string): number {
  return Math.max(
    ...route.hosts
      .filter((pattern) => hostPatternCovers(pattern, name))
      .map((pattern) => (pattern === name ? Number.MAX_SAFE_INTEGER : pattern.length)),
  );
}

function addRoute(name: string, port: number): string {
  return `To allow it, a person adds \`${name}\` with port ${port} to the project setting \`egress.routes\` on the host; \`terok run\` then applies it.`;
}

function widenRoute(name: string): string {
  return `To allow it, a person widens the route \`${name}\` in the project setting \`egress.routes\` on the host; \`terok run\` then applies it.`;
}
