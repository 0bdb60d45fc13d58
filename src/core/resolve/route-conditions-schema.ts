/*
 * Scope: what a route may ask of a request beside its method and path, and how much it may carry. No rule looks into a body.
 * Out of scope: judging (`sidecars/egress`). Fail-safe direction: a condition with two readings is an error.
 */
import { z } from 'zod';
import { normalisePath } from '../request-path.ts';
import { UNUSABLE_HEADERS } from './unusable-headers.ts';

const MAX_CONDITIONS = 20;
const MAX_VALUES = 100;
/** Far above any real use, exact in a JavaScript number. */
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

const values = z
  .array(z.string().regex(/^[\x20-\x7e]{0,512}$/, 'is at most 512 printable characters'))
  .min(1, 'names at least one value')
  .max(MAX_VALUES)
  .optional()
  .describe('Values of which the request has exactly one, exactly once');
const absent = z.literal(true).optional().describe('The request must not have it');

type Condition = { readonly values?: unknown; readonly absent?: unknown };
const isOneSided = ({ values: wanted, absent: unwanted }: Condition): boolean => (wanted === undefined) !== (unwanted === undefined);
const ONE_SIDED = 'has exactly one of `values` and `absent: true`';

const queryCondition = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9._~-]{1,100}$/, 'is the name of a query parameter: letters, digits and `._~-`')
      .describe('Name of the parameter'),
    values,
    absent,
  })
  .refine(isOneSided, ONE_SIDED);

const headerCondition = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,99}$/, 'is a lower-case header name')
      .refine((name) => !UNUSABLE_HEADERS.has(name), 'is a header that frames the message and carries no condition')
      .describe('Lower-case name of the header'),
    values,
    absent,
  })
  .refine(isOneSided, ONE_SIDED);

/** Where the tenant stands in the paths of well-known services. */
export const TENANT_STYLES = ['github', 'github-api', 'gitlab', 'gitlab-api', 's3', 'npm-scope'] as const;

const tenants = z
  .strictObject({
    style: z.enum(TENANT_STYLES).optional().describe('Where a well-known service names its tenant in the path'),
    after: z
      .array(z.string().refine(isNormalPrefix, 'starts with `/`, has no query and is written in its normal form'))
      .min(1)
      .max(MAX_CONDITIONS)
      .optional()
      .describe('Prefixes of the path after which the tenant stands, for services without a style'),
    allow: z
      .array(
        z
          .string()
          .regex(/^@?[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*){0,19}$/, 'is a name such as `acme` or `acme/shop`'),
      )
      .min(1, 'names at least one tenant')
      .max(MAX_VALUES)
      .describe('Organisations, repositories, buckets or workspaces; `acme` covers all below it, `acme/shop` that one alone'),
  })
  .refine(({ style, after }) => (style === undefined) !== (after === undefined), 'has exactly one of `style` and `after`');

const count = z.int().min(1).max(MAX_COUNT).optional();
const budget = z
  .strictObject({
    requests: count.describe('Requests (connections in `passthrough`) of one bottle, in its whole life'),
    requestsPerMinute: z.int().min(1).max(1_000_000).optional().describe('Requests (connections in `passthrough`) in any minute'),
    bytesUp: count.describe('Bytes of bodies from the bottle, in its whole life'),
    bytesDown: count.describe('Bytes of bodies to the bottle, in its whole life'),
  })
  .refine((each) => Object.values(each).some((value) => value !== undefined), 'limits at least one thing');

export const conditionFields = {
  query: z.array(queryCondition).min(1).max(MAX_CONDITIONS).optional().describe('Conditions on parameters of the query; all must hold'),
  headers: z.array(headerCondition).min(1).max(MAX_CONDITIONS).optional().describe('Conditions on headers; all must hold'),
  tenants: tenants.optional().describe('Organisations, repositories, buckets or workspaces that the path must name'),
  budget: budget.optional().describe('How much one bottle may do through this route'),
  websocket: z
    .boolean()
    .optional()
    .describe('Whether a WebSocket may be opened; where absent, only on a route that does not restrict its methods'),
  streaming: z.boolean().optional().describe('Whether the server may answer with an event stream; true where absent'),
  tls: z
    .array(z.enum(['no-server-name', 'encrypted-hello']))
    .min(1)
    .optional()
    .describe('What `passthrough` lets TLS do although the name cannot be checked then; nothing where absent'),
};

function isNormalPrefix(path: string): boolean {
  const result = normalisePath(path);
  return result.ok && result.path === path;
}
