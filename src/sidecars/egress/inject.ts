/*
 * Scope: one request to a managed host gets the real credential in the place of the phantom.
 * Out of scope: whether the request is allowed (`decide.ts`). Fail-safe direction: without the right phantom, the secret and a place
 * for it nothing is sent.
 */
import type { CredentialInjection } from '../../core/credential-injection.ts';
import { messageOf } from '../../core/errors.ts';
import { MAX_SIGNED_BODY_BYTES, needsAwsBody } from './aws-signature.ts';
import type { CredentialCarrier } from './credentials.ts';
import { type Denied, deny } from './decide.ts';
import type { ExchangeContext } from './exchange.ts';
import { type HeaderList, headerValue } from './headers.ts';
import type { RequestHead } from './message.ts';
import type { PatternMatcher } from './pattern-matcher.ts';
import { phantomProblem } from './phantom.ts';
import { placeCredential } from './place-credential.ts';
import type { RequestBody } from './request-body.ts';

export interface InjectableRequest {
  /** As the bottle sent it */
  readonly head: RequestHead;
  /** Value of the Host field */
  readonly host: string;
  /** Without credentials */
  readonly bare: CredentialCarrier;
  readonly body: RequestBody | undefined;
}

export interface InjectedRequest {
  readonly requestTarget: string;
  readonly headers: HeaderList;
  readonly scrub: PatternMatcher;
  readonly onUnauthorized: () => void;
}

/** Fields that would make the answer something that cannot be searched for the credential. */
const UNSCANNABLE = new Set(['accept-encoding', 'range', 'if-range']);

export async function injectCredential(
  context: Pick<ExchangeContext, 'readSecret' | 'refuseSecret' | 'matchers'>,
  { head, host, bare, body }: InjectableRequest,
  injection: CredentialInjection,
): Promise<InjectedRequest | Denied> {
  const problem = phantomProblem(head, injection);
  if (problem !== undefined) return problem;
  const secret = await secretOf(context, injection.secret);
  if (typeof secret !== 'string') return secret;
  const mustRead = 'awsSigV4' in injection && needsAwsBody(bare.headers, head.hasBody);
  const whole = mustRead ? await body?.whole(MAX_SIGNED_BODY_BYTES) : undefined;
  if (mustRead && whole === undefined) return tooLong();
  const headers = [...bare.headers.filter(([name]) => !UNSCANNABLE.has(name)), ['accept-encoding', 'identity'] as const];
  const read = whole === undefined ? {} : { body: whole };
  const authorization = headerValue(head.headers, 'authorization');
  const placed = await placeCredential(
    { method: head.method, host, target: bare.target, headers, authorization, ...read },
    injection,
    secret,
  );
  if ('reason' in placed) return placed;
  return {
    requestTarget: placed.target,
    headers: placed.headers,
    scrub: context.matchers.of(placed.values),
    onUnauthorized: () => void context.refuseSecret(injection.secret, secret),
  };
}

function tooLong(): Denied {
  return deny(
    'body-too-long',
    `a body without a stated hash must be read before it can be signed, and is longer than ${MAX_SIGNED_BODY_BYTES} bytes`,
    'State its hash in `x-amz-content-sha256`, or send it unsigned.',
  );
}

async function secretOf({ readSecret }: Pick<ExchangeContext, 'readSecret'>, name: string): Promise<string | Denied> {
  try {
    return await readSecret(name);
  } catch (error) {
    const hint = `On the host, run \`terok secret set ${name}\`.`;
    return { ...deny('secret-unavailable', `the host has no usable secret \`${name}\``, hint), detail: messageOf(error) };
  }
}
