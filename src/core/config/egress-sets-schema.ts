import { z } from 'zod';
import { privateNetworkProblem } from '../resolve/private-network.ts';

/** The curated sets of routes; what each means on a machine is worked out outside of core. */
export const EGRESS_SET_NAMES = [
  'npm',
  'pypi',
  'crates',
  'go',
  'maven',
  'debian',
  'github-read',
  'gitlab-read',
  'codeberg-read',
  'anthropic',
  'openai',
  'google',
  'mistral',
  'openrouter',
  'deepseek',
] as const;

export type EgressSetName = (typeof EGRESS_SET_NAMES)[number];

export const egressSetName = z.enum(EGRESS_SET_NAMES, { error: `expected one of ${EGRESS_SET_NAMES.join(', ')}` });

const wish = z.strictObject({
  name: egressSetName.describe('Name of the set'),
  privateNetworks: z
    .array(
      z.string().superRefine((cidr, context) => {
        const problem = privateNetworkProblem(cidr);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      }),
    )
    .optional()
    .describe('Private networks (CIDR) in which the servers of the set may be, for a company mirror'),
});

/** `npm`, or `{name: npm, privateNetworks: […]}`. */
export const egressSetsSchema = z
  .array(z.preprocess((value) => (typeof value === 'string' ? { name: value } : value), wish))
  .max(EGRESS_SET_NAMES.length)
  .refine((sets) => new Set(sets.map(({ name }) => name)).size === sets.length, 'names each set once');

export type SetWish = z.output<typeof wish>;
