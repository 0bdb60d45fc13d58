/*
 * Scope: the swap of a bottle's worthless token for the real credential, on the host side of the wall.
 * Out of scope: storing secrets (`src/vault`). Fail-safe direction: all that looks like a credential of the bottle is dropped first;
 * without the right phantom nothing is sent.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { CredentialInjection } from '../../core/egress-policy.ts';
import { type Denied, deny } from './decide.ts';
import { type HeaderList, headerValue } from './headers.ts';

/** Request headers in which clients send credentials; none of them leaves the bottle for a managed host. */
const CREDENTIAL_HEADERS = new Set([
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'apikey',
  'x-goog-api-key',
  'x-auth-token',
  'x-access-token',
  'x-amz-security-token',
  'private-token',
  'job-token',
  'deploy-token',
  'x-github-token',
  'x-gitlab-token',
  'cookie',
  'cookie2',
]);

/** Query parameters in which clients send credentials. */
const CREDENTIAL_PARAMETERS = new Set([
  'key',
  'api_key',
  'api-key',
  'apikey',
  'access_token',
  'auth_token',
  'token',
  'private_token',
  'client_secret',
]);

/** A shorter secret would also be found, and masked, in honest responses. */
export const MIN_SECRET_LENGTH = 8;

/** The headers of a request to a managed host without anything that looks like a credential. */
export function withoutCredentials(headers: HeaderList, extra?: string): HeaderList {
  return headers.filter(([name]) => !CREDENTIAL_HEADERS.has(name) && name !== extra);
}

/** A request target without credentials in its query. */
export function targetWithoutCredentials(target: string): string {
  const at = target.indexOf('?');
  if (at === -1) return target;
  const kept = target
    .slice(at + 1)
    .split('&')
    .filter((pair) => !CREDENTIAL_PARAMETERS.has(parameterName(pair)));
  return kept.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${kept.join('&')}`;
}

/** Undefined where the request carries the right phantom, otherwise why not. */
export function phantomProblem(headers: HeaderList, injection: CredentialInjection): Denied | undefined {
  const presented = presentedTokens(headers, injection);
  const where = `the header \`${injection.header}\``;
  if (presented.length === 0)
    return deny('phantom-missing', `${where} carries no token of this bottle`, 'Use the token that is in the environment of this bottle.');
  if (presented.some((token) => sameText(token, injection.phantom))) return undefined;
  return deny(
    'phantom-wrong',
    `${where} does not carry the token of this bottle`,
    'Use the token that is in the environment of this bottle; keys of your own are not accepted here.',
  );
}

/** The real value in its header. */
export function credentialHeader(injection: CredentialInjection, secret: string): readonly [string, string] {
  return [injection.header, `${injection.prefix ?? ''}${secret}`];
}

/** Tokens in the injected header, with or without its prefix, and as Bearer or Basic credentials. */
function presentedTokens(headers: HeaderList, injection: CredentialInjection): readonly string[] {
  const own = headerValue(headers, injection.header);
  const authorization = headerValue(headers, 'authorization');
  const tokens: string[] = [];
  if (own !== undefined)
    tokens.push(own, ...(injection.prefix !== undefined && own.startsWith(injection.prefix) ? [own.slice(injection.prefix.length)] : []));
  if (authorization !== undefined) tokens.push(...authorizationTokens(authorization));
  return tokens;
}

function authorizationTokens(value: string): readonly string[] {
  const [, scheme, rest] = /^(bearer|token|basic) +(\S+)$/i.exec(value) ?? [];
  if (scheme === undefined || rest === undefined) return [value];
  if (scheme.toLowerCase() !== 'basic') return [rest];
  const decoded = Buffer.from(rest, 'base64').toString('utf8');
  const at = decoded.indexOf(':');
  return at === -1 ? [decoded] : [decoded.slice(0, at), decoded.slice(at + 1)];
}

/** Compares digests, so that time tells nothing about content or length. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));
}

function parameterName(pair: string): string {
  const name = pair.split('=', 1)[0] ?? '';
  try {
    return decodeURIComponent(name.replaceAll('+', ' ')).toLowerCase();
  } catch (error) {
    if (error instanceof URIError) return name.toLowerCase();
    throw error;
  }
}
