import { z } from 'zod';
import type { HostBlock, Route } from '../core/index.ts';
import { hostBlockSchema, routeSchema } from '../core/resolve/index.ts';

/** What a person said with `terok egress allow` or `deny`. Holds no credential. */
export type StoredRule = { readonly action: 'allow'; readonly route: Route } | { readonly action: 'block'; readonly block: HostBlock };

/** One state of the rules of a project or task, as it lies on disk. */
export interface PolicyVersion {
  readonly number: number;
  /** ISO 8601 */
  readonly at: string;
  /** The command that made it, in words */
  readonly reason: string;
  readonly rules: readonly StoredRule[];
}

/** Far above what a person types; the routes of a policy have a limit of their own. */
const MAX_RULES = 1_000;

// zod gives optional fields as `T | undefined`, and JSON has no undefined: both types are the same on disk
const route = routeSchema.refine(({ inject }) => inject === undefined, 'a stored rule adds no credential') as unknown as z.ZodType<Route>;
const block = hostBlockSchema as unknown as z.ZodType<HostBlock>;

export const policyVersionSchema = z.strictObject({
  version: z.literal(1),
  number: z.int().min(1),
  at: z.iso.datetime(),
  reason: z.string().max(2_000),
  rules: z
    .array(
      z.discriminatedUnion('action', [
        z.strictObject({ action: z.literal('allow'), route }),
        z.strictObject({ action: z.literal('block'), block }),
      ]),
    )
    .max(MAX_RULES),
});
