/*
 * Scope: the real credential in its place in a request that carries nothing else of the kind.
 * Out of scope: whether it may be added. Fail-safe direction: a value that does not fit its place refuses the request.
 */
import type { CredentialInjection } from '../../core/credential-injection.ts';
import { type AwsKeys, parseAwsKeys, signForAws } from './aws-signature.ts';
import type { CredentialCarrier } from './credentials.ts';
import { type Denied, deny } from './decide.ts';

/** A shorter secret would also be found, and masked, in honest responses. */
export const MIN_SECRET_LENGTH = 8;

/** A request without credentials, as far as one depends on it. */
export interface BareRequest extends CredentialCarrier {
  readonly method: string;
  /** Value of the Host field */
  readonly host: string;
  /** The bottle's own `Authorization` */
  readonly authorization: string | undefined;
  readonly body?: Buffer;
}

export interface PlacedCredential extends CredentialCarrier {
  /** Values that must not come back */
  readonly values: readonly string[];
}

/** Adds the credential, or says why it cannot be used. */
export async function placeCredential(
  request: BareRequest,
  injection: CredentialInjection,
  secret: string,
): Promise<PlacedCredential | Denied> {
  const { headers, target } = request;
  if (secret.length < MIN_SECRET_LENGTH || !/^[\x20-\x7e]+$/.test(secret))
    return unusable(injection, `is not at least ${MIN_SECRET_LENGTH} printable characters`);
  if ('awsSigV4' in injection) {
    const keys = parseAwsKeys(secret);
    if (keys === undefined) return unusable(injection, 'is not `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`');
    const signed = await signForAws(request, keys);
    return 'reason' in signed ? signed : { headers: signed, target, values: awsValues(keys) };
  }
  if ('queryParameter' in injection) {
    const pair = `${injection.queryParameter}=${encodeURIComponent(secret)}`;
    return { headers, target: `${target}${target.includes('?') ? '&' : '?'}${pair}`, values: [secret] };
  }
  return { headers: [...headers, headerOf(injection, secret)], target, values: [secret] };
}

/** The header or query parameter that carries the credential; the bottle's value of it never passes. */
export function ownField(injection: CredentialInjection | undefined): string | undefined {
  if (injection === undefined) return undefined;
  if ('header' in injection) return injection.header;
  return 'queryParameter' in injection ? injection.queryParameter : 'authorization';
}

function headerOf(injection: CredentialInjection, secret: string): readonly [string, string] {
  if ('header' in injection) return [injection.header, `${injection.prefix ?? ''}${secret}`];
  const user = 'basicUser' in injection ? injection.basicUser : '';
  return ['authorization', `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`];
}

function awsValues({ secretAccessKey, sessionToken }: AwsKeys): readonly string[] {
  return sessionToken === undefined ? [secretAccessKey] : [secretAccessKey, sessionToken];
}

function unusable({ secret }: CredentialInjection, why: string): Denied {
  return deny('secret-unavailable', `the secret \`${secret}\` ${why}`, `On the host, run \`terok secret set ${secret}\`.`);
}
