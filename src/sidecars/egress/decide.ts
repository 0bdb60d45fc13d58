/*
 * Scope: may this bottle reach this name, port, method and path? Pure: same policy, request and time, same answer.
 * Out of scope: addresses (`address-guard.ts`), credentials (`credentials.ts`), amounts (`budgets.ts`). Fail-safe direction: no matching
 * route is a refusal, a block wins over every route.
 */
import type { EgressPolicy, Route } from '../../core/egress-policy.ts';
import { hostPatternCovers } from '../../core/host-name.ts';
import { normalisePath, pathPrefixCovers, plainPath } from '../../core/request-path.ts';
import { headersMeet, queryMeets } from './conditions.ts';
import { grantHint, unblockHint } from './fix-command.ts';
import { refuseForgeWrite, refuseUncheckedRoad } from './git-road.ts';
import type { HeaderList } from './headers.ts';
import { overridesMethod } from './method-override.ts';
import type { Refusal, RefusalReason } from './refusal.ts';
import { namesTenant } from './tenants.ts';

/** What a connection is meant for; `name` is canonical (`parseHostName`). */
export interface EgressTarget {
  readonly name: string;
  readonly port: number;
}

export interface EgressRequest extends EgressTarget {
  readonly method: string;
  /** Origin-form request target as the client sent it */
  readonly target: string;
  /** Lower-case names; where absent, no condition on a header is met */
  readonly headers?: HeaderList;
  readonly hasBody?: boolean;
  readonly isWebSocket?: boolean;
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
export function isNameAllowed(policy: EgressPolicy, name: string, now: number = Date.now()): boolean {
  return policy.routes.some((route) => covers(route, name) && isOpen(route, now)) && !isBlocked(policy, name);
}

/** Decides a connection. Among routes that cover the name, those with the most specific host pattern decide. */
export function decideConnection(policy: EgressPolicy, { name, port }: EgressTarget, now: number = Date.now()): ConnectionDecision {
  if (isBlocked(policy, name, port)) return deny('host-blocked', `\`${name}\` is blocked`, unblockHint(policy.task, name, port));
  const byHost = policy.routes.filter((route) => covers(route, name) && isOpen(route, now));
  const hint = grantHint(policy.task, { host: name, port });
  if (byHost.length === 0) return deny('host-not-allowed', `no route allows the host \`${name}\``, hint);
  const byPort = byHost.filter((route) => route.ports.includes(port));
  const most = Math.max(...byPort.map((route) => specificity(route, name)));
  const specific = byPort.filter((route) => specificity(route, name) === most);
  const inspected = specific.filter((route) => route.mode === 'inspect');
  const deciding = inspected.length > 0 ? inspected : specific;
  const [first, ...rest] = [...deciding].sort((a, b) => Number(b.inject !== undefined) - Number(a.inject !== undefined));
  if (first === undefined) return deny('port-not-allowed', `no route allows port ${port} of \`${name}\``, hint);
  const unchecked = refuseUncheckedRoad(policy, name, first);
  if (unchecked !== undefined) return unchecked;
  return {
    allow: true,
    mode: first.mode,
    routes: [first, ...rest],
    managed: byHost.some((route) => route.inject !== undefined || route.oauth !== undefined),
  };
}

/** Decides one request of an inspected connection. */
export function decide(policy: EgressPolicy, request: EgressRequest, now: number = Date.now()): RequestDecision {
  const connection = decideConnection(policy, request, now);
  if (!connection.allow) return connection;
  const { routes, managed } = connection;
  const judgesPath = routes.some((route) => route.paths !== undefined || route.tenants !== undefined);
  const parsed = judgesPath ? normalisePath(request.target) : plainPath(request.target);
  if (!parsed.ok) {
    return deny(
      'path-ambiguous',
      `the path has no single meaning (${parsed.problem})`,
      'Write the path without encoded dots, empty segments or backslashes.',
    );
  }
  let left: readonly Route[] = routes;
  for (const { reason, what, passes, hint } of RULES) {
    const passing = left.filter((route) => passes(route, request, parsed.path));
    if (passing.length === 0)
      return refuseRequest(policy, request, { reason, what: what(request), path: parsed.path, route: left[0], hint });
    left = passing;
  }
  const route = left[0] ?? routes[0];
  const write = refuseForgeWrite(policy, request, route);
  return write ?? { allow: true, route, managed, path: parsed.path, forwardTarget: parsed.target };
}

interface Rule {
  readonly reason: RefusalReason;
  readonly what: (request: EgressRequest) => string;
  readonly passes: (route: Route, request: EgressRequest, path: string) => boolean;
  /** What to do, where a wider route is not the way */
  readonly hint?: string;
}

const READ_ONLY = new Set(['GET', 'HEAD', 'OPTIONS']);

/** In the order in which a refusal names what is missing. */
const RULES: readonly Rule[] = [
  {
    reason: 'method-not-allowed',
    what: ({ method }) => method,
    passes: ({ methods }, { method }) => methods === undefined || methods.includes(method),
  },
  {
    reason: 'method-override',
    what: ({ method }) => `${method} in the place of another method`,
    passes: ({ methods }, request) => methods === undefined || !overridesMethod(request),
    hint: 'Send the method itself, without an override in a header or in `_method`.',
  },
  {
    reason: 'path-not-allowed',
    what: () => 'this path',
    passes: ({ paths }, _request, path) => paths === undefined || paths.some((prefix) => pathPrefixCovers(prefix, path)),
  },
  {
    reason: 'tenant-not-allowed',
    what: () => 'the tenant in this path',
    passes: ({ tenants }, _request, path) => tenants === undefined || namesTenant(tenants, path),
  },
  {
    reason: 'query-not-allowed',
    what: () => 'this query',
    passes: ({ query }, { target }) => query === undefined || queryMeets(query, target),
  },
  {
    reason: 'header-not-allowed',
    what: () => 'these headers',
    passes: ({ headers: wanted }, { headers }) => wanted === undefined || (headers !== undefined && headersMeet(wanted, headers)),
  },
  {
    reason: 'upgrade-not-allowed',
    what: () => 'a WebSocket',
    passes: ({ websocket, methods }, { isWebSocket }) => isWebSocket !== true || (websocket ?? methods === undefined),
  },
  {
    reason: 'body-not-allowed',
    what: ({ method }) => `${method} with a body`,
    passes: ({ methods }, { hasBody, method }) => hasBody !== true || methods === undefined || !READ_ONLY.has(method),
  },
];

function refuseRequest(
  policy: EgressPolicy,
  { name, port, method }: EgressRequest,
  {
    reason,
    what,
    path,
    route,
    hint = grantHint(policy.task, { host: name, port, method, path }),
  }: { reason: RefusalReason; what: string; path: string; route: Route | undefined; hint: string | undefined },
): Denied {
  const message = `no route allows ${what} on \`${name}\`${route === undefined ? '' : ` (route \`${route.name}\`)`}`;
  return deny(reason, message, hint);
}

export function deny(reason: RefusalReason, message: string, hint: string): Denied {
  return { allow: false, reason, message, hint };
}

function isOpen({ expiresAt }: Route, now: number): boolean {
  return expiresAt === undefined || now < Date.parse(expiresAt);
}

/** Without a port: on every port. */
function isBlocked({ blocks = [] }: EgressPolicy, name: string, port?: number): boolean {
  return blocks.some((block) => hostPatternCovers(block.host, name) && (block.port === undefined || block.port === port));
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
