/*
 * Scope: one request to an OAuth token endpoint. Out of scope: when, and what becomes of the tokens (`refresh-oauth.ts`).
 * Fail-safe direction: an answer that is late, long, redirected or not of the standard's form changes nothing; errors carry no token.
 */
import { z } from 'zod';
import { askServer } from '../core/ask-server.ts';
import { messageOf, systemCodeOf, TerokError } from '../core/errors.ts';
import type { HostRoad } from '../core/host-road.ts';
import { parseJson } from '../core/parse-json.ts';
import type { OAuthSecret } from './oauth-secret.ts';

/** Tokens of an OAuth answer. */
export interface GrantedTokens {
  readonly accessToken: string;
  /** Present where the server rotated it; the one that was sent is then worth nothing */
  readonly refreshToken?: string;
  readonly expiresInSeconds: number;
}

export interface TokenRequestOptions extends HostRoad {
  /** Of all, from the first byte to the last */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 15_000;
/** Tokens with identity claims are some kilobytes. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Where the server does not say. */
const DEFAULT_LIFETIME_SECONDS = 3_600;
const MAX_LIFETIME_SECONDS = 30 * 86_400;

const token = z.string().regex(/^[\x21-\x7e]{8,16384}$/);
const answerSchema = z.object({
  access_token: token,
  refresh_token: token.nullish(),
  token_type: z
    .string()
    .regex(/^bearer$/i)
    .nullish(),
  expires_in: z.coerce.number().positive().nullish(),
});

/** Asks for a new access token. Throws SECRET_MISSING where the server no longer takes the refresh token, otherwise GATEWAY_FAILED. */
export async function requestToken(name: string, secret: OAuthSecret, options: TokenRequestOptions = {}): Promise<GrantedTokens> {
  const { timeoutMs = TIMEOUT_MS, ...road } = options;
  const request = { method: 'POST', headers: headersFor(secret), body: requestBody(secret), timeoutMs, maxAnswerBytes: MAX_ANSWER_BYTES };
  const { status, text } = await askServer(new URL(secret.tokenEndpoint), road, request).catch((error: unknown) => {
    throw failed(name, `gave no answer (${systemCodeOf(error) ?? messageOf(error)})`);
  });
  if (status !== 200) throw refusedBy(name, status, text);
  const answer = answerSchema.safeParse(parseJson(text));
  if (!answer.success) throw failed(name, 'gave an answer without a usable bearer token');
  const { access_token, refresh_token, expires_in } = answer.data;
  return {
    accessToken: access_token,
    ...(refresh_token == null ? {} : { refreshToken: refresh_token }),
    expiresInSeconds: Math.min(expires_in ?? DEFAULT_LIFETIME_SECONDS, MAX_LIFETIME_SECONDS),
  };
}

function headersFor({ format }: OAuthSecret): Readonly<Record<string, string>> {
  return { accept: 'application/json', 'content-type': format === 'json' ? 'application/json' : 'application/x-www-form-urlencoded' };
}

function requestBody({ refreshToken, clientId, clientSecret, scope, format }: OAuthSecret): string {
  const fields = {
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: clientId,
    ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
    ...(scope === undefined ? {} : { scope }),
  };
  return format === 'json' ? JSON.stringify(fields) : new URLSearchParams(fields).toString();
}

/** Only the error code of the standard is repeated; a description could quote a token. */
function refusedBy(name: string, status: number, text: string): TerokError {
  const { error } = z
    .object({
      error: z
        .string()
        .regex(/^[a-z_]{1,40}$/)
        .catch(''),
    })
    .catch({ error: '' })
    .parse(parseJson(text));
  if (error !== 'invalid_grant' && error !== 'invalid_client' && error !== 'unauthorized_client')
    return failed(name, `answered ${status}${error === '' ? '' : ` \`${error}\``}`);
  return new TerokError('SECRET_MISSING', `The token endpoint no longer accepts the OAuth secret \`${name}\` (\`${error}\`).`, {
    context: { name },
    hint: `Log in again, then run \`terok secret set ${name} --oauth\`.`,
  });
}

function failed(name: string, why: string): TerokError {
  return new TerokError('GATEWAY_FAILED', `The token endpoint of the OAuth secret \`${name}\` ${why}.`, {
    context: { name },
    hint: 'It is asked again at the next request; look whether the server can be reached from this machine.',
  });
}
