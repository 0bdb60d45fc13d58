/*
 * Scope: what a route and a policy may say; every refusal names the route, the rule and the value.
 * Out of scope: deciding requests (`sidecars/egress`). Fail-safe direction: unknown fields and doubtful values are errors.
 */
import { z } from 'zod';
import type { EgressPolicy, HostBlock, Route } from '../egress-policy.ts';
import { TerokError } from '../errors.ts';
import { routeConflict } from './route-conflicts.ts';
import { hostPattern, MAX_ROUTES, routeSchema } from './route-schema.ts';

const MAX_BLOCKS = 1_000;

/** What a person has shut. */
export const hostBlockSchema = z.strictObject({
  host: hostPattern.describe('Exact name, or `*.suffix`'),
  port: z.int().min(1).max(65_535).optional().describe('TCP port; every port where absent'),
});

export const egressPolicySchema = z.strictObject({
  version: z.literal(1).describe('Version of this format'),
  routes: z.array(routeSchema).max(MAX_ROUTES).describe('All that the bottle may reach; an empty list reaches nothing'),
  blocks: z.array(hostBlockSchema).max(MAX_BLOCKS).optional().describe('What stays shut, whatever the routes say'),
  gateHosts: z.array(hostPattern).max(100).optional().describe('Hosts that the gate of the project is the only road to'),
  task: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/, 'is the name of a task')
    .optional()
    .describe('Name of the task, for the commands that refusals print'),
});

/** Reads a policy from untrusted data; `sourceLabel` (a file or setting) starts each refusal. Throws INVALID_ROUTE. */
export function parseEgressPolicy(value: unknown, sourceLabel: string): EgressPolicy {
  const { routes: parsed, blocks, gateHosts, task } = parseWith(egressPolicySchema, value, sourceLabel);
  const routes = parsed.map(toPlain<Route>);
  assertNoConflict(routes, sourceLabel);
  return {
    version: 1,
    routes,
    ...(blocks === undefined ? {} : { blocks: blocks.map(toPlain<HostBlock>) }),
    ...(gateHosts === undefined ? {} : { gateHosts }),
    ...(task === undefined ? {} : { task }),
  };
}

/** Reads a list of routes, as a project or an agent states it. Throws INVALID_ROUTE. */
export function parseRoutes(value: unknown, sourceLabel: string): readonly Route[] {
  return parseWith(z.array(routeSchema).max(MAX_ROUTES), value, sourceLabel).map(toPlain<Route>);
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
  assertNoConflict(merged, 'the merged routes');
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

function assertNoConflict(routes: readonly Route[], sourceLabel: string): void {
  const conflict = routeConflict(routes);
  if (conflict !== undefined) throw invalid(`${sourceLabel}: ${conflict.message}.`);
}

/** Drops fields that are undefined, which the contract's optional fields do not admit. */
function toPlain<T>(parsed: unknown): T {
  return JSON.parse(JSON.stringify(parsed)) as T;
}

function canonical(value: Route): string {
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
