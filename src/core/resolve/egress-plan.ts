/*
 * Scope: what a route and a policy may say; every refusal names the route, the rule and the value.
 * Out of scope: deciding requests (`sidecars/egress`). Fail-safe direction: unknown fields and doubtful values are errors.
 */
import { z } from 'zod';
import type { CredentialInjection, EgressPolicy, Route } from '../egress-policy.ts';
import { TerokError } from '../errors.ts';
import { MAX_ROUTES, routeSchema } from './route-schema.ts';

export const egressPolicySchema = z.strictObject({
  version: z.literal(1).describe('Version of this format'),
  routes: z.array(routeSchema).max(MAX_ROUTES).describe('All that the bottle may reach; an empty list reaches nothing'),
});

/** Reads a policy from untrusted data; `sourceLabel` (a file or setting) starts each refusal. Throws INVALID_ROUTE. */
export function parseEgressPolicy(value: unknown, sourceLabel: string): EgressPolicy {
  const routes = parseWith(egressPolicySchema, value, sourceLabel).routes.map(toRoute);
  assertDistinctNames(routes, sourceLabel);
  assertOneMode(routes, sourceLabel);
  return { version: 1, routes };
}

/** Reads a list of routes, as a project or an agent states it. Throws INVALID_ROUTE. */
export function parseRoutes(value: unknown, sourceLabel: string): readonly Route[] {
  return parseWith(z.array(routeSchema).max(MAX_ROUTES), value, sourceLabel).map(toRoute);
}

/**
 * One policy from the routes of several sources, in order. The same route twice is one; two routes of one name that differ, or
 * one host and port in both modes, are an error.
 */
export function mergeRoutes(...sources: readonly (readonly Route[])[]): EgressPolicy {
  const merged: Route[] = [];
  for (const candidate of sources.flat()) {
    if (!merged.some((known) => canonical(known) === canonical(candidate))) merged.push(candidate);
  }
  assertDistinctNames(merged, 'the merged routes');
  assertOneMode(merged, 'the merged routes');
  return { version: 1, routes: merged };
}

function parseWith<T>(schema: z.ZodType<T>, value: unknown, sourceLabel: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path ?? [];
  const where = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  throw invalid(
    `${sourceLabel}${where === '' ? '' : `: \`${where.replace(/^\./, '')}\``}${routeLabel(value, path)}: ${issue?.message ?? 'is not valid'}${seen(value, path)}.`,
  );
}

/** The text that broke the rule; never one of a credential, where a person may have put the secret itself. */
function seen(value: unknown, path: readonly PropertyKey[]): string {
  const text = path.includes('inject') ? undefined : valueAt(value, path);
  return typeof text === 'string' ? `; got \`${printable(text)}\`` : '';
}

/** ` of route «name»` where the value at fault lies in a route that has one. */
function routeLabel(value: unknown, path: readonly PropertyKey[]): string {
  const current = valueAt(value, path.slice(0, path.findIndex((key) => typeof key === 'number') + 1));
  const name = typeof current === 'object' && current !== null && 'name' in current ? current.name : undefined;
  return typeof name === 'string' && current !== value ? ` of route \`${printable(name)}\`` : '';
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const part of path) {
    current = typeof current === 'object' && current !== null ? (current as Record<PropertyKey, unknown>)[part] : undefined;
  }
  return current;
}

function assertDistinctNames(routes: readonly Route[], sourceLabel: string): void {
  const seen = new Set<string>();
  for (const { name } of routes) {
    if (seen.has(name)) throw invalid(`${sourceLabel}: two different routes have the name \`${printable(name)}\`; a name is used once.`);
    seen.add(name);
  }
}

/** The same host pattern and port with both modes has no safe meaning. */
function assertOneMode(routes: readonly Route[], sourceLabel: string): void {
  const modes = new Map<string, Route>();
  for (const candidate of routes) {
    for (const key of candidate.hosts.flatMap((name) => candidate.ports.map((port) => `${name}:${port}`))) {
      const known = modes.get(key);
      if (known !== undefined && known.mode !== candidate.mode) {
        throw invalid(
          `${sourceLabel}: \`${key}\` is \`${known.mode}\` in route \`${known.name}\` and \`${candidate.mode}\` in route \`${candidate.name}\`; one host and port has one mode.`,
        );
      }
      modes.set(key, candidate);
    }
  }
}

type ParsedRoute = z.output<typeof routeSchema>;

/** Drops fields that are undefined, which the contract's optional fields do not admit. */
function toRoute(parsed: ParsedRoute): Route {
  return JSON.parse(JSON.stringify(parsed)) as Route;
}

function canonical(value: Route | CredentialInjection): string {
  return JSON.stringify(value, (_key, entry: unknown) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );
}

function printable(text: string): string {
  return JSON.stringify(text).slice(1, -1).slice(0, 120);
}

function invalid(message: string): TerokError {
  return new TerokError('INVALID_ROUTE', message, {
    hint: 'Correct the setting `egress.routes`; see `docs/configuration.md`.',
  });
}
