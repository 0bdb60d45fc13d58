/*
 * Scope: one policy from what the configuration gives and what a person said since. Out of scope: deciding requests. Fail-safe direction:
 * what has ended is left out, a block wins, a conflict is an error that names both routes.
 */
import { type EgressPolicy, type HostBlock, msLeft, type Route, readClock } from '../core/index.ts';
import { parseEgressPolicy } from '../core/resolve/index.ts';
import type { StoredRule } from './stored-rule.ts';

export interface PolicySource {
  /** Shown to people, for example `config.yml` or `terok egress allow or deny, for the task` */
  readonly origin: string;
  readonly rules: readonly StoredRule[];
}

export interface ComposedPolicy {
  readonly policy: EgressPolicy;
  /** Name of a route, or `host:port` of a block → where it comes from */
  readonly origins: Readonly<Record<string, string>>;
}

/**
 * `later` in the order in which they were said: an allowance takes back an earlier block of exactly its host.
 * @param isOpen whether a route has not ended; by the clocks of this machine where absent
 * @throws INVALID_ROUTE
 */
export function composePolicy(
  base: { readonly policy: EgressPolicy; readonly origins: Readonly<Record<string, string>> },
  later: readonly PolicySource[],
  isOpen: (route: Route) => boolean = openByClock(),
): ComposedPolicy {
  const routes: Route[] = base.policy.routes.filter(isOpen);
  const origins: Record<string, string> = { ...base.origins };
  let blocks: readonly HostBlock[] = base.policy.blocks ?? [];
  for (const { origin, rule } of later.flatMap((source) => source.rules.map((rule) => ({ origin: source.origin, rule })))) {
    if (rule.action === 'block') {
      blocks = [...blocks, rule.block];
      origins[blockLabel(rule.block)] = origin;
    } else if (isOpen(rule.route)) {
      const route = { ...rule.route, name: freeName(rule.route.name, routes) };
      routes.push(route);
      blocks = blocks.flatMap((block) => (takesBack(route, block) ? restOf(block, route, routes) : [block]));
      origins[route.name] = origin;
    }
  }
  const { blocks: _blocks, ...rest } = base.policy;
  const whole = { ...rest, routes, ...(blocks.length === 0 ? {} : { blocks }) };
  return { policy: parseEgressPolicy(whole, 'the policy'), origins };
}

/** Does an allowance name exactly what a block shuts? */
function takesBack({ hosts, ports }: Pick<Route, 'hosts' | 'ports'>, block: HostBlock): boolean {
  return hosts.includes(block.host) && (block.port === undefined || ports.includes(block.port));
}

/** Of a block on every port, what stays shut when one route opens its own ports again. */
function restOf(block: HostBlock, opened: Route, routes: readonly Route[]): readonly HostBlock[] {
  if (block.port !== undefined) return [];
  const others = new Set(routes.flatMap(({ ports }) => ports).filter((port) => !opened.ports.includes(port)));
  return [...others].map((port) => ({ host: block.host, port }));
}

export function blockLabel({ host, port }: HostBlock): string {
  return `${host}:${port ?? '*'}`;
}

function openByClock(): (route: Route) => boolean {
  const clock = readClock();
  return (route) => msLeft(route, clock) > 0;
}

function freeName(name: string, routes: readonly Route[]): string {
  const taken = new Set(routes.map((route) => route.name));
  for (let count = 1; ; count += 1) {
    const candidate = count === 1 ? name : `${name.slice(0, 90)}-${count}`;
    if (!taken.has(candidate)) return candidate;
  }
}
