/*
 * Scope: what a route and a policy may say; every refusal names the route, the rule and the value.
 * Out of scope: deciding requests (`sidecars/egress`). Fail-safe direction: unknown fields and doubtful values are errors.
 */
import { z } from 'zod';
import type { CredentialInjection, EgressPolicy, Route } from '../egress-policy.ts';
import { TerokError } from '../errors.ts';
import { HOST_NAME_RULES, parseHostName } from '../host-name.ts';
import { normalisePath } from '../request-path.ts';
import { privateNetworkProblem } from './private-network.ts';
import { publicSuffixProblem } from './public-suffix.ts';

/** Above any real project; bounds the time of one decision. */
const MAX_ROUTES = 200;
const MAX_HOSTS_PER_ROUTE = 100;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Headers that frame or route a message; a credential in one of them would break the request. */
const UNUSABLE_HEADERS = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'keep-alive',
  'proxy-connection',
]);

const host = z.string().transform((text, context) => {
  const wildcard = text.startsWith('*.');
  const parsed = parseHostName(wildcard ? text.slice(2) : text);
  const problem = parsed.ok ? (wildcard ? publicSuffixProblem(parsed.name) : undefined) : HOST_NAME_RULES[parsed.problem];
  if (parsed.ok && problem === undefined) return wildcard ? `*.${parsed.name}` : parsed.name;
  context.addIssue({ code: 'custom', message: `${problem}; got \`${printable(text)}\`` });
  return z.NEVER;
});

const injection = z.strictObject({
  secret: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'is a name as `terok secret list` shows it')
    .describe('Name of the secret in the vault; the value never enters the policy'),
  header: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'is a lower-case header name')
    .refine((name) => !UNUSABLE_HEADERS.has(name), 'is a header that frames the message and cannot carry a credential')
    .describe('Lower-case name of the header that carries the credential, for example `x-api-key`'),
  prefix: z
    .string()
    .regex(/^[\x20-\x7e]{0,64}$/, 'is at most 64 printable characters')
    .optional()
    .describe('Text before the value, for example `Bearer ` with its space'),
  phantom: z
    .string()
    .regex(/^[\x21-\x7e]{16,512}$/, 'is 16 to 512 printable characters')
    .describe('Worthless token that the bottle presents in place of the real one'),
});

const route = z.strictObject({
  name: z.string().min(1).max(100).describe('Name that refusals and the audit log show'),
  hosts: z
    .array(host)
    .min(1, 'names at least one host')
    .max(MAX_HOSTS_PER_ROUTE)
    .describe('Exact names, or `*.suffix` for all names below a suffix'),
  ports: z.array(z.int().min(1).max(65_535)).min(1, 'names at least one port').max(20).describe('TCP ports, for example 443'),
  mode: z
    .enum(['passthrough', 'inspect'])
    .describe('`passthrough` joins the bytes after a check of the TLS name; `inspect` opens TLS with the CA of the bottle'),
  methods: z
    .array(
      z
        .string()
        .regex(TOKEN, 'is an HTTP method')
        .refine(
          (method) => method === method.toUpperCase() && !['CONNECT', 'TRACE'].includes(method),
          'is an upper-case HTTP method other than CONNECT and TRACE',
        ),
    )
    .min(1)
    .optional()
    .describe('HTTP methods; all where absent'),
  paths: z
    .array(z.string().refine(isNormalPath, 'starts with `/`, has no query and is written in its normal form'))
    .min(1)
    .optional()
    .describe('Prefixes of the path that end at a segment; all where absent'),
  inject: injection.optional().describe('Credential that the gateway adds in place of the phantom'),
  plainUpstream: z.boolean().optional().describe('Dials the server without TLS; only for a server on this host or in the own network'),
  privateNetworks: z
    .array(
      z.string().superRefine((cidr, context) => {
        const problem = privateNetworkProblem(cidr);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: `${problem}; got \`${printable(cidr)}\`` });
      }),
    )
    .optional()
    .describe('Private networks (CIDR) that the name may resolve into; none where absent'),
});

const checkedRoute = route.superRefine((value, context) => {
  if (value.mode === 'inspect') return;
  for (const field of ['methods', 'paths', 'inject', 'plainUpstream'] as const) {
    if (value[field] !== undefined)
      context.addIssue({ code: 'custom', path: [field], message: 'needs the mode `inspect`, because `passthrough` does not see requests' });
  }
});

export const routeSchema = checkedRoute;
export const egressPolicySchema = z.strictObject({
  version: z.literal(1).describe('Version of this format'),
  routes: z.array(checkedRoute).max(MAX_ROUTES).describe('All that the bottle may reach; an empty list reaches nothing'),
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
  return parseWith(z.array(checkedRoute).max(MAX_ROUTES), value, sourceLabel).map(toRoute);
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
  const where = (issue?.path ?? []).map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  throw invalid(
    `${sourceLabel}${where === '' ? '' : `: \`${where.replace(/^\./, '')}\``}${routeLabel(value, issue?.path ?? [])}: ${issue?.message ?? 'is not valid'}.`,
  );
}

/** ` of route «name»` where the value at fault lies in a route that has one. */
function routeLabel(value: unknown, path: readonly PropertyKey[]): string {
  let current = value;
  for (const part of path.slice(0, path.findIndex((key) => typeof key === 'number') + 1)) {
    current = typeof current === 'object' && current !== null ? (current as Record<PropertyKey, unknown>)[part] : undefined;
  }
  const name = typeof current === 'object' && current !== null && 'name' in current ? current.name : undefined;
  return typeof name === 'string' && current !== value ? ` of route \`${printable(name)}\`` : '';
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

type ParsedRoute = z.output<typeof checkedRoute>;

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

function isNormalPath(path: string): boolean {
  const result = normalisePath(path);
  return result.ok && result.path === path;
}

function printable(text: string): string {
  return JSON.stringify(text).slice(1, -1).slice(0, 120);
}

function invalid(message: string): TerokError {
  return new TerokError('INVALID_ROUTE', message, {
    hint: 'Correct the setting `egress.routes`; see the section on routes in `docs/security.md`.',
  });
}
