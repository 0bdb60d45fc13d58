/*
 * Scope: does a request carry the worthless token of its own bottle, for this route, and is it still good?
 * Out of scope: which route a request takes (`decide.ts`): a phantom is good for the hosts, methods and paths of its routes alone.
 * Fail-safe direction: anything but the exact token refuses the request.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { CredentialInjection } from '../../core/credential-injection.ts';
import { readAwsScope } from './aws-signature.ts';
import type { CredentialCarrier } from './credentials.ts';
import { type Denied, deny } from './decide.ts';
import { type HeaderList, headerValue } from './headers.ts';
import { parameterName, parametersOf, parameterValue } from './query-parameters.ts';

const HINT = 'Use the token that is in the environment of this bottle.';

/** Undefined where the request carries the right phantom, otherwise why not. */
export function phantomProblem(carrier: CredentialCarrier, injection: CredentialInjection, now: number = Date.now()): Denied | undefined {
  const presented = presentedTokens(carrier, injection);
  const where = placeName(injection);
  if (presented.length === 0) return deny('phantom-missing', `${where} carries no token of this bottle`, HINT);
  if (!presented.some((token) => sameText(token, injection.phantom)))
    return deny('phantom-wrong', `${where} does not carry the token of this bottle`, `${HINT} Keys of your own are not accepted here.`);
  if (injection.expiresAt === undefined || now < Date.parse(injection.expiresAt)) return undefined;
  return deny('phantom-expired', `the token of this bottle ended at ${injection.expiresAt}`, 'A person starts the task again on the host.');
}

/** Compares digests, so that time tells nothing about content or length. */
export function sameText(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));
}

function placeName(injection: CredentialInjection): string {
  if ('queryParameter' in injection) return `the query parameter \`${injection.queryParameter}\``;
  if ('awsSigV4' in injection) return 'the signature';
  return `the header \`${'header' in injection ? injection.header : 'authorization'}\``;
}

/** Tokens in the place of the credential, with or without its prefix, and as Bearer or Basic credentials. */
function presentedTokens({ headers, target }: CredentialCarrier, injection: CredentialInjection): readonly string[] {
  const authorization = headerValue(headers, 'authorization');
  if ('awsSigV4' in injection) return [readAwsScope(authorization)?.accessKeyId].filter((id) => id !== undefined);
  const usual = authorization === undefined ? [] : authorizationTokens(authorization);
  if ('queryParameter' in injection) return [...usual, ...queryTokens(target, injection.queryParameter)];
  return 'header' in injection ? [...headerTokens(headers, injection.header, injection.prefix), ...usual] : usual;
}

function headerTokens(headers: HeaderList, header: string, prefix: string | undefined): readonly string[] {
  const own = headerValue(headers, header);
  if (own === undefined) return [];
  return prefix !== undefined && own.startsWith(prefix) ? [own, own.slice(prefix.length)] : [own];
}

function queryTokens(target: string, name: string): readonly string[] {
  return parametersOf(target)
    .filter((pair) => parameterName(pair) === name.toLowerCase())
    .map(parameterValue);
}

function authorizationTokens(value: string): readonly string[] {
  const [, scheme, rest] = /^(bearer|token|basic) +(\S+)$/i.exec(value) ?? [];
  if (scheme === undefined || rest === undefined) return [value];
  if (scheme.toLowerCase() !== 'basic') return [rest];
  const decoded = Buffer.from(rest, 'base64').toString('utf8');
  const at = decoded.indexOf(':');
  return at === -1 ? [decoded] : [decoded.slice(0, at), decoded.slice(at + 1)];
}
