/*
 * Scope: signing a request anew with AWS Signature Version 4. The bottle signs with a phantom access key id and any secret key; of its
 * signature only that id, the region and the service are read, and all of it is dropped.
 * Out of scope: signatures in the query (they are dropped, and without a phantom in the header the request is refused).
 * Fail-safe direction: what cannot be signed without reading more than the bound is refused.
 */
import { hash } from 'node:crypto';
import { type Denied, deny } from './decide.ts';
import { type HeaderList, headerValue } from './headers.ts';

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

interface AwsScope {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
}

interface AwsRequest {
  readonly method: string;
  readonly host: string;
  /** Request target to send */
  readonly target: string;
  /** Without credentials */
  readonly headers: HeaderList;
  /** The bottle's own `Authorization` */
  readonly authorization: string | undefined;
  /** Present where `needsAwsBody` */
  readonly body?: Buffer;
}

/** Requests of services other than S3 whose client states no hash; AWS itself takes at most 10 MiB in most of these. */
export const MAX_SIGNED_BODY_BYTES = 8 * 1024 * 1024;

const SCOPE = /^AWS4-HMAC-SHA256\s+Credential=([A-Za-z0-9]{16,128})\/\d{8}\/([a-z0-9-]{1,32})\/([a-z0-9.-]{1,64})\/aws4_request\s*,/;
const HASH = 'x-amz-content-sha256';
/** A hash is checked by AWS against the body, so it need not be checked here. The last one signs headers only. */
const USABLE_HASH = /^(?:[0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-UNSIGNED-PAYLOAD-TRAILER)$/;
/** Headers that others may change on the way, or that are set when the request is sent, are not signed. */
const SIGNED = /^(?:host|content-type|content-md5|date|range|x-amz-.+)$/;
const KEYS = /^([A-Za-z0-9]{16,128}):([\x21-\x39\x3b-\x7e]{16,128})(?::([\x21-\x7e]{1,4096}))?$/;

/** Reads `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`. */
export function parseAwsKeys(secret: string): AwsKeys | undefined {
  const [, accessKeyId, secretAccessKey, sessionToken] = KEYS.exec(secret) ?? [];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** What the bottle's signature is for; undefined where there is none of this kind. */
export function readAwsScope(authorization: string | undefined): AwsScope | undefined {
  const [, accessKeyId, region, service] = SCOPE.exec(authorization ?? '') ?? [];
  return accessKeyId === undefined || region === undefined || service === undefined ? undefined : { accessKeyId, region, service };
}

/** Must the body be read before the request can be signed? */
export function needsAwsBody(headers: HeaderList, hasBody: boolean): boolean {
  return hasBody && headerValue(headers, HASH) === undefined;
}

/** The headers with a signature made with the real keys, or why it cannot be made. */
export async function signForAws(request: AwsRequest, keys: AwsKeys): Promise<HeaderList | Denied> {
  const scope = readAwsScope(request.authorization);
  const stated = headerValue(request.headers, HASH);
  if (scope === undefined)
    return deny('phantom-missing', 'the request has no AWS signature of version 4', 'Sign it with the keys of this bottle.');
  if (stated !== undefined && !USABLE_HASH.test(stated)) {
    const hint = 'Send it unsigned (`UNSIGNED-PAYLOAD`), with a trailing checksum, or with its hash.';
    return deny('body-unsignable', 'a body that is signed in parts cannot be signed anew', hint);
  }
  const { default: aws4 } = await import('aws4');
  const hashed = request.body === undefined ? [] : [[HASH, hash('sha256', request.body)] as const];
  const kept = [...request.headers.filter(([name]) => name !== 'x-amz-date'), ...hashed];
  const signed = aws4.sign(
    {
      service: scope.service,
      region: scope.region,
      method: request.method,
      path: request.target,
      headers: Object.fromEntries([...kept.filter(([name]) => SIGNED.test(name)), ['host', request.host]]),
    },
    keys,
  );
  const added = Object.entries(signed.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)] as const);
  return [...kept, ...added.filter(([name]) => name !== 'host' && !kept.some(([known]) => known === name))];
}
