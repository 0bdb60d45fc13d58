/*
 * Scope: what the vault keeps of one OAuth login, and when its access token must be renewed. Out of scope: renewing it
 * (`refresh-oauth.ts`). Fail-safe direction: a text that does not begin as terok writes it is an ordinary secret, never half a login.
 */
import { z } from 'zod';
import { TerokError } from '../core/errors.ts';
import { isLoopback } from '../core/host-road.ts';
import { parseJson } from '../core/parse-json.ts';

/** First line of the file of an OAuth secret; no key of a provider looks like it. */
const MARK = 'terok-oauth-1';
/** A token is renewed in the background from this long before its end. */
const EARLY_MS = 5 * 60_000;
/** A token with less than this left may end on its way to the server. */
const LAST_MS = 15_000;

const token = z.string().regex(/^[\x21-\x7e]{8,16384}$/, 'is 8 to 16384 printable characters without spaces');

const oauthSecretSchema = z.strictObject({
  tokenEndpoint: z
    .string()
    .refine(isTokenEndpoint, 'is an `https` address without user, query and fragment (`http` for the loopback of this machine only)'),
  clientId: z.string().min(1).max(512),
  clientSecret: z.string().min(1).max(4_096).optional(),
  refreshToken: token,
  accessToken: token.optional(),
  /** ISO 8601 */
  expiresAt: z.iso.datetime().optional(),
  scope: z.string().max(2_048).optional(),
  /** Identifier that clients send beside the token; no secret, and told to the bottle */
  account: z
    .string()
    .regex(/^[\w.:-]{1,200}$/, 'is an identifier of at most 200 letters, digits, `.`, `:`, `_` and `-`')
    .optional(),
  /** How the token endpoint wants its request */
  format: z.enum(['form', 'json']).default('form'),
});

/** One OAuth login. Holds real tokens: it stays between the vault and the token endpoint. */
export type OAuthSecret = z.output<typeof oauthSecretSchema>;

/** Reads what a person gives to `terok secret set NAME --oauth`; throws USAGE that names the field, never a value. */
export function parseOAuthInput(text: string): OAuthSecret {
  const result = oauthSecretSchema.safeParse(parseJson(text));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  const problem = issue?.code === 'unrecognized_keys' ? `has the unknown field \`${issue.keys[0]?.slice(0, 60)}\`` : (issue?.message ?? '');
  throw new TerokError('USAGE', `The OAuth secret is not usable: ${field === '' ? 'it' : `\`${field}\``} ${problem}.`, {
    hint: 'Give JSON with `tokenEndpoint`, `clientId` and `refreshToken`; see `docs/credentials.md`.',
  });
}

/** Undefined for an ordinary secret; throws SECRET_MISSING for a login that terok did not write in this form. */
export function readOAuthSecret(name: string, text: string): OAuthSecret | undefined {
  if (!text.startsWith(`${MARK}\n`)) return undefined;
  const result = oauthSecretSchema.safeParse(parseJson(text.slice(MARK.length + 1)));
  if (result.success) return result.data;
  throw new TerokError('SECRET_MISSING', `The OAuth secret \`${name}\` is not what this version of terok writes.`, {
    context: { name },
    hint: `Store it again with \`terok secret set ${name} --oauth\`.`,
  });
}

export function formatOAuthSecret(secret: OAuthSecret): string {
  return `${MARK}\n${JSON.stringify(secret)}\n`;
}

/** `fresh`: use it; `ending`: use it and renew it; `ended`: renew it first. A login without an access token has an ended one. */
export function tokenState({ accessToken, expiresAt }: OAuthSecret, now: number): 'fresh' | 'ending' | 'ended' {
  if (accessToken === undefined || expiresAt === undefined) return 'ended';
  const leftMs = Date.parse(expiresAt) - now;
  if (leftMs <= LAST_MS) return 'ended';
  return leftMs <= EARLY_MS ? 'ending' : 'fresh';
}

function isTokenEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const isBare = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return isBare && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)));
}
