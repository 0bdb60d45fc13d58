/*
 * Scope: what a route may say about credentials and data loss. Out of scope: hosts, methods, paths (`route-schema.ts`).
 * Fail-safe direction: a credential has exactly one place; unknown fields and doubtful values are errors.
 */
import { z } from 'zod';
import { DATA_LOSS_ACTIONS } from '../data-loss-rule.ts';
import { SECRET_NAME } from '../secret-name.ts';
import { UNUSABLE_HEADERS } from './unusable-headers.ts';

const PLACES = ['header', 'basicUser', 'queryParameter', 'awsSigV4'] as const;

const secret = z
  .string()
  .regex(SECRET_NAME, 'is a name as `terok secret list` shows it')
  .describe('Name of the secret in the vault; the value never enters the policy');
const phantom = z
  .string()
  .regex(/^[\x21-\x7e]{16,512}$/, 'is 16 to 512 printable characters')
  .describe('Worthless token that the bottle presents in place of the real one');
const environmentName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is the name of an environment variable, such as `API_TOKEN`');

/** Where a credential goes; exactly one of the places is given, see `oneCredentialPlace`. */
export const credentialPlaceFields = {
  header: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'is a lower-case header name')
    .refine((name) => !UNUSABLE_HEADERS.has(name), 'is a header that frames the message and cannot carry a credential')
    .optional()
    .describe('Lower-case name of the header that carries the credential, for example `x-api-key`'),
  prefix: z
    .string()
    .regex(/^[\x20-\x7e]{0,64}$/, 'is at most 64 printable characters')
    .optional()
    .describe('Text before the value in its header, for example `Bearer ` with its space'),
  basicUser: z
    .string()
    .regex(/^[\x20-\x39\x3b-\x7e]{0,128}$/, 'is at most 128 printable characters without a colon')
    .optional()
    .describe('User of `Authorization: Basic`; the secret is the password'),
  queryParameter: z
    .string()
    .regex(/^[A-Za-z0-9._~-]{1,64}$/, 'is the plain name of a query parameter')
    .optional()
    .describe('Query parameter that carries the credential, for a provider that takes it nowhere else'),
  awsSigV4: z
    .literal(true)
    .optional()
    .describe('Signs requests anew with AWS Signature Version 4; the secret is `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`'),
};

type PlaceFields = { readonly [Field in (typeof PLACES)[number] | 'prefix']?: unknown };

/** Adds an issue unless exactly one place is given. */
export function oneCredentialPlace(value: PlaceFields, context: z.RefinementCtx): void {
  const given = PLACES.filter((place) => value[place] !== undefined);
  const names = PLACES.map((place) => `\`${place}\``).join(', ');
  if (given.length !== 1) context.addIssue({ code: 'custom', message: `names exactly one place for the credential (${names})` });
  if (value.prefix !== undefined && value.header === undefined)
    context.addIssue({ code: 'custom', path: ['prefix'], message: 'goes with `header` only' });
}

/** `inject` of a route of a policy. */
export const injectionSchema = z
  .strictObject({
    secret,
    ...credentialPlaceFields,
    phantom,
    expiresAt: z.iso.datetime().optional().describe('From then on the phantom is refused'),
  })
  .superRefine(oneCredentialPlace)
  .describe('Credential that the gateway adds in place of the phantom');

/** `inject` as a person writes it: a variable of the bottle in the place of the phantom. */
export const configuredInjectionSchema = z
  .strictObject({
    secret,
    ...credentialPlaceFields,
    env: environmentName.describe('Variable in the bottle that carries a worthless token for programs to present'),
  })
  .superRefine(oneCredentialPlace)
  .describe('Stored secret that the gateway adds outside the bottle');

/** `oauth` of a route of a policy. */
export const oauthAnswerSchema = z
  .strictObject({ secret, refreshPhantom: phantom, accessPhantom: phantom })
  .describe('Answers the token endpoint of an OAuth secret with worthless tokens; the route never reaches the network');

/** `dataLoss` of a route. */
export const dataLossSchema = z
  .strictObject({
    secrets: z.enum(DATA_LOSS_ACTIONS).optional().describe('When a request carries the value of a stored secret; `block` where absent'),
    detectors: z
      .enum(DATA_LOSS_ACTIONS)
      .optional()
      .describe('When a request carries what looks like a credential of a known kind; not looked for where absent'),
  })
  .describe('What happens to requests that carry what must not leave');
