import { http } from '../../core/node-http.ts';

/** Why the gateway refused: a word for programs, with the HTTP status that carries it. */
export const REFUSAL_STATUS = {
  'host-not-allowed': 403,
  'host-blocked': 403,
  'port-not-allowed': 403,
  'method-not-allowed': 403,
  'method-override': 403,
  'path-not-allowed': 403,
  'tenant-not-allowed': 403,
  'query-not-allowed': 403,
  'header-not-allowed': 403,
  'body-not-allowed': 403,
  'streaming-not-allowed': 403,
  'budget-spent': 403,
  'rate-exceeded': 429,
  'path-ambiguous': 400,
  'host-invalid': 400,
  'host-mismatch': 421,
  'tls-name-missing': 421,
  'tls-name-encrypted': 421,
  'framing-ambiguous': 400,
  'gate-owned': 403,
  'upgrade-not-allowed': 403,
  'tunnel-not-allowed': 403,
  'needs-inspection': 403,
  'phantom-missing': 403,
  'phantom-wrong': 403,
  'phantom-expired': 403,
  'credential-unknown': 403,
  'body-unsignable': 403,
  'body-too-long': 413,
  'oauth-failed': 502,
  'data-loss': 403,
  'data-loss-refused': 403,
  'encoding-unknown': 415,
  'canary-seen': 403,
  'plain-credential': 403,
  'secret-unavailable': 403,
  'address-not-allowed': 403,
  'name-unresolved': 502,
  'upstream-failed': 502,
  'upstream-untrusted': 502,
  'response-unscannable': 502,
  'audit-unavailable': 503,
  'too-many-connections': 503,
} as const;

export type RefusalReason = keyof typeof REFUSAL_STATUS;

/** A refusal as the bottle sees it; says enough to ask for the right thing, nothing about addresses or secrets. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
  /** What a person does on the host to allow it */
  readonly hint: string;
  /** For the audit log alone */
  readonly detail?: string;
}

export const REFUSAL_HEADER = 'x-terok-refused';

/** The answer to a refused HTTP request, as JSON because clients of model APIs show `error.message`. */
export function refusalBody(refusal: Refusal): string {
  return `${JSON.stringify({ error: { type: 'terok_refused', reason: refusal.reason, message: `terok refused this: ${refusal.message}`, hint: refusal.hint } })}\n`;
}

export function refusalHeaders(refusal: Refusal, body: string): Record<string, string> {
  return {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    [REFUSAL_HEADER]: refusal.reason,
  };
}

/** Codes of gRPC by HTTP status: invalid argument, exhausted, unavailable; permission denied for all others. */
const GRPC_CODES: Readonly<Record<number, number>> = { 400: 3, 421: 3, 429: 8, 502: 14, 503: 14 };
const PERMISSION_DENIED = 7;
/** What a message of gRPC holds as percent codes */
const NOT_PLAIN = /[^\x20-\x24\x26-\x7e]/gu;

/** The answer to a refused call of gRPC, a head alone: clients take code and message from there, and nothing from a body. */
export function grpcRefusal(refusal: Refusal): Record<string, string | number> {
  return {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-status': GRPC_CODES[REFUSAL_STATUS[refusal.reason]] ?? PERMISSION_DENIED,
    'grpc-message': `terok refused this: ${refusal.message}. ${refusal.hint}`.toWellFormed().replace(NOT_PLAIN, encodeURIComponent),
    [REFUSAL_HEADER]: refusal.reason,
  };
}

/** A whole HTTP/1.1 answer, for sockets that no server object owns. */
export function rawRefusal(refusal: Refusal): string {
  const body = refusalBody(refusal);
  const status = REFUSAL_STATUS[refusal.reason];
  const headers = Object.entries({ ...refusalHeaders(refusal, body), connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? 'Refused'}\r\n${headers.join('')}\r\n${body}`;
}
