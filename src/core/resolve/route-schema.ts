/*
 * Scope: what one route may say, in a policy, in the user's configuration and as the wish of a repository.
 * Out of scope: several routes together (`egress-plan.ts`). Fail-safe direction: unknown fields and doubtful values are errors.
 */
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { HOST_LOOPBACK_NAME, HOST_NAME_RULES, parseHostName } from '../host-name.ts';
import { normalisePath } from '../request-path.ts';
import { configuredInjectionSchema, dataLossSchema, injectionSchema, oauthAnswerSchema } from './credential-schema.ts';
import { privateNetworkProblem } from './private-network.ts';
import { publicSuffixProblem } from './public-suffix.ts';
import { conditionFields } from './route-conditions-schema.ts';

/** Above any real project; bounds the time of one decision. */
export const MAX_ROUTES = 200;
const MAX_HOSTS_PER_ROUTE = 100;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A host pattern as a policy writes it. */
export const hostPattern = z.string().transform((text, context) => {
  const wildcard = text.startsWith('*.');
  const parsed = parseHostName(wildcard ? text.slice(2) : text);
  const problem = parsed.ok ? (wildcard ? publicSuffixProblem(parsed.name) : undefined) : HOST_NAME_RULES[parsed.problem];
  if (parsed.ok && problem === undefined) return wildcard ? `*.${parsed.name}` : parsed.name;
  context.addIssue({ code: 'custom', message: problem ?? 'is not a host name' });
  return z.NEVER;
});

const routeFields = {
  name: z
    .string()
    .regex(/^[a-z][a-z0-9._-]{0,99}$/, 'has lower-case letters, digits, dots and hyphens and starts with a letter')
    .describe('Name that refusals and the audit log show'),
  hosts: z
    .array(hostPattern)
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
    .describe('Prefixes of the path that end at a segment; `*` stands for one segment; all where absent'),
  ...conditionFields,
  plainUpstream: z.boolean().optional().describe('Dials the server without TLS; only for a server on this host or in the own network'),
  privateNetworks: z
    .array(
      z.string().superRefine((cidr, context) => {
        const problem = privateNetworkProblem(cidr);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      }),
    )
    .optional()
    .describe('Private networks (CIDR) that the name may resolve into; none where absent'),
};

const forgeWrites = z
  .boolean()
  .optional()
  .describe('Lets the bottle write to a forge past its git gate: push, API writes, SSH; only in your own configuration');

/** A route of a policy: complete, with the phantom that its bottle presents. */
export const routeSchema = z
  .strictObject({
    ...routeFields,
    expiresAt: z.iso.datetime().optional().describe('When the route ends by itself'),
    bootEnd: z
      .strictObject({ boot: z.string().max(64), uptimeMs: z.int().min(0) })
      .optional()
      .describe('The same moment by the clock of a boot'),
    inject: injectionSchema.optional(),
    oauth: oauthAnswerSchema.optional(),
    dataLoss: dataLossSchema.optional(),
    forgeWrites,
  })
  .superRefine(checkRoute);

const defaultPorts = { ports: routeFields.ports.default([443]) };

/** A route as a person writes it: port 443 by default, and a variable of the bottle in the place of the phantom. */
export const configuredRouteSchema = z
  .strictObject({
    ...routeFields,
    ...defaultPorts,
    inject: configuredInjectionSchema.optional(),
    dataLoss: dataLossSchema.optional(),
    forgeWrites,
  })
  .superRefine(checkRoute);

/** A route that a repository asks for; it can name no secret. */
export const wishedRouteSchema = z.strictObject({ ...routeFields, ...defaultPorts }).superRefine(checkRoute);

export type ConfiguredRoute = z.output<typeof configuredRouteSchema>;

type CheckedRoute = Omit<ConfiguredRoute, 'inject'> & { readonly inject?: unknown; readonly oauth?: unknown };

const NEEDS_INSPECT = [
  'methods',
  'paths',
  'query',
  'headers',
  'tenants',
  'websocket',
  'streaming',
  'inject',
  'oauth',
  'dataLoss',
  'plainUpstream',
] as const satisfies readonly (keyof CheckedRoute)[];
const NEEDS_PASSTHROUGH = ['tls'] as const satisfies readonly (keyof CheckedRoute)[];

function checkRoute(value: CheckedRoute, context: z.RefinementCtx): void {
  for (const field of value.mode === 'passthrough' ? NEEDS_INSPECT : NEEDS_PASSTHROUGH) {
    if (value[field] === undefined) continue;
    const message =
      value.mode === 'passthrough'
        ? 'needs the mode `inspect`, because `passthrough` does not see requests'
        : 'needs the mode `passthrough`, because `inspect` must know the name';
    context.addIssue({ code: 'custom', path: [field], message });
  }
  const problem = value.hosts.includes(HOST_LOOPBACK_NAME) ? hostLoopbackProblem(value) : undefined;
  if (problem !== undefined) context.addIssue({ code: 'custom', path: ['hosts'], message: problem });
}

/** The loopback of the host is opened on purpose, and not for a name that somebody else resolves. */
function hostLoopbackProblem({ hosts, privateNetworks = [] }: CheckedRoute): string | undefined {
  if (hosts.length > 1) return `\`${HOST_LOOPBACK_NAME}\` needs a route of its own`;
  const covered = privateNetworks.some(
    (cidr) => ipaddr.IPv4.isValidCIDR(cidr) && ipaddr.IPv4.parse('127.0.0.1').match(ipaddr.IPv4.parseCIDR(cidr)),
  );
  return covered ? undefined : `\`${HOST_LOOPBACK_NAME}\` is this machine and needs \`privateNetworks: [127.0.0.1/32]\``;
}

function isNormalPath(path: string): boolean {
  const result = normalisePath(path);
  return result.ok && result.path === path;
}
