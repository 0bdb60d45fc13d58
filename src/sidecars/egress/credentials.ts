/*
 * Scope: taking out of a request to a managed host all that looks like a credential of the bottle.
 * Out of scope: checking the phantom (`phantom.ts`), adding the real credential (`place-credential.ts`), bodies.
 * Fail-safe direction: known places are emptied; a field that looks like authentication and is not known refuses the request.
 */
import { type Denied, deny } from './decide.ts';
import type { HeaderList } from './headers.ts';
import { parameterName, parametersOf } from './query-parameters.ts';

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
  'x-vault-token',
  'x-csrf-token',
  'x-xsrf-token',
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

/** Words that a name made for authentication has. */
const WORDS =
  /(?:^|[-_.])(?:auth|authentication|authorization|bearer|credentials?|jwt|pass(?:word|wd)?|secret|signature|token|(?:api|access|auth|secret|session|private|subscription|functions|rapidapi|master|admin|client|app)[-_.]?key)(?:$|[-_.])/;

/** Fields with such a word that carry none. */
const HARMLESS = new Set([
  'sec-websocket-key',
  'idempotency-key',
  'x-amz-content-sha256',
  'page_token',
  'next_token',
  'continuation-token',
]);

/** A request target and its headers, as far as a credential goes. */
export interface CredentialCarrier {
  readonly headers: HeaderList;
  /** Origin-form request target */
  readonly target: string;
}

/** The request without credentials, or why it cannot be told what in it is one. `own` is the header or parameter of the route. */
export function withoutCredentials({ headers, target }: CredentialCarrier, own?: string): CredentialCarrier | Denied {
  const kept = headers.filter(([name]) => !CREDENTIAL_HEADERS.has(name) && name !== own);
  const bare = targetWithout(target, own?.toLowerCase());
  const doubtful = kept.map(([name]) => name).find(looksLikeCredential);
  if (doubtful !== undefined) return unknownCredential(`the header \`${doubtful}\``);
  const parameter = parametersOf(bare).map(parameterName).find(looksLikeCredential);
  if (parameter !== undefined) return unknownCredential(`the query parameter \`${parameter.slice(0, 60)}\``);
  return { headers: kept, target: bare };
}

function targetWithout(target: string, own: string | undefined): string {
  const at = target.indexOf('?');
  if (at === -1) return target;
  const kept = parametersOf(target).filter((pair) => {
    const name = parameterName(pair);
    return !CREDENTIAL_PARAMETERS.has(name) && name !== own;
  });
  return kept.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${kept.join('&')}`;
}

function looksLikeCredential(name: string): boolean {
  return !HARMLESS.has(name) && WORDS.test(name);
}

function unknownCredential(where: string): Denied {
  return deny(
    'credential-unknown',
    `${where} looks like a credential of the bottle's own, and this host is used with a credential of the user`,
    'Leave it out; the gateway adds what the host needs.',
  );
}
