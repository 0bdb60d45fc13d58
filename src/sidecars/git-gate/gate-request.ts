/*
 * Scope: which HTTP requests are git requests that the gate serves. Out of scope: which refs may be written, see `hooks.ts`.
 * Fail-safe direction: the path, the query and the method are compared whole with a short list; everything else is refused.
 */
import type { IncomingMessage } from 'node:http';
import { SEALED } from '../gateway/gateway-plan.ts';
import { LIMITS } from './limits.ts';

export interface GateRequest {
  readonly service: 'git-upload-pack' | 'git-receive-pack';
  readonly phase: 'advertise' | 'exchange';
  readonly method: 'GET' | 'POST';
  /** Below the repository */
  readonly path: string;
  readonly query: string;
  readonly contentType: string;
  readonly gzip: boolean;
  /** Value of `GIT_PROTOCOL` */
  readonly protocol: string | undefined;
  /** Bytes of the body after decompression */
  readonly maxBodyBytes: number;
}

export interface GateRefusal {
  readonly status: number;
  readonly reason: string;
}

/** A request that the gate serves, or why it does not. */
export function parseGateRequest(request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>): GateRequest | GateRefusal {
  const [target, query = ''] = splitOnce(request.url ?? '', '?');
  if (!target.startsWith(`${SEALED.gatePath}/`)) return notFound();
  const path = target.slice(SEALED.gatePath.length);
  if (path === '/info/refs') return parseAdvertisement(request, query);
  if (path === '/git-upload-pack' || path === '/git-receive-pack') return parseExchange(request, path, query);
  return notFound();
}

type Incoming = Pick<IncomingMessage, 'method' | 'headers'>;

function parseAdvertisement(request: Incoming, query: string): GateRequest | GateRefusal {
  if (request.method !== 'GET') return { status: 405, reason: 'only GET asks for refs' };
  const service = /^service=(git-upload-pack|git-receive-pack)$/.exec(query)?.[1];
  if (service !== 'git-upload-pack' && service !== 'git-receive-pack')
    return { status: 403, reason: 'the dumb HTTP protocol is not served' };
  return {
    service,
    phase: 'advertise',
    method: 'GET',
    path: '/info/refs',
    query,
    contentType: '',
    gzip: false,
    protocol: protocolOf(request),
    maxBodyBytes: 0,
  };
}

function parseExchange(request: Incoming, path: string, query: string): GateRequest | GateRefusal {
  const service = path === '/git-upload-pack' ? 'git-upload-pack' : 'git-receive-pack';
  const contentType = `application/x-${service}-request`;
  if (request.method !== 'POST') return { status: 405, reason: `only POST goes to ${service}` };
  if (query !== '') return { status: 400, reason: `${service} takes no query` };
  if (request.headers['content-type'] !== contentType) return { status: 415, reason: `the content type must be ${contentType}` };
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (!['identity', 'gzip', 'x-gzip'].includes(encoding)) return { status: 415, reason: 'the content encoding must be gzip or none' };
  const maxBodyBytes = service === 'git-receive-pack' ? LIMITS.pushBytes : LIMITS.negotiationBytes;
  const contentLength = lengthOf(request);
  if (contentLength !== undefined && !(contentLength <= maxBodyBytes)) {
    return { status: 413, reason: `a request has at most ${maxBodyBytes} bytes` };
  }
  return {
    service,
    phase: 'exchange',
    method: 'POST',
    path,
    query: '',
    contentType,
    gzip: encoding !== 'identity',
    protocol: protocolOf(request),
    maxBodyBytes,
  };
}

/** NaN where the header is no plain number. */
function lengthOf(request: Incoming): number | undefined {
  const text = request.headers['content-length'];
  if (text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

/** Other values are ignored, as git itself does. */
function protocolOf(request: Incoming): string | undefined {
  const value = request.headers['git-protocol'];
  return typeof value === 'string' && /^version=[012]$/.test(value) ? value : undefined;
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function notFound(): GateRefusal {
  return { status: 404, reason: `the gate serves ${SEALED.gatePath} alone` };
}
