/*
 * Scope: the one reading of a request's head: method, target, host, framing. Both HTTP versions, all ways in.
 * Out of scope: policy. Fail-safe direction: a head with two possible readings is refused; what goes on is written anew from this.
 */
import { parseWireHostName } from '../../core/host-name.ts';
import { type Denied, deny, type EgressTarget } from './decide.ts';
import type { FrontRequest, RequestOrigin } from './front.ts';
import { type HeaderList, headerList, headerValue } from './headers.ts';

export interface RequestHead {
  readonly method: string;
  /** Origin-form request target as sent */
  readonly target: string;
  readonly headers: HeaderList;
  readonly hasBody: boolean;
  /** Asks to become a WebSocket */
  readonly isWebSocket: boolean;
}

const METHOD = /^[A-Z][A-Z-]{0,31}$/;

/** Reads the head of a request that must be for the target of its connection. */
export function readRequestHead(request: FrontRequest, origin: RequestOrigin): RequestHead | Denied {
  const headers = headerList(request.rawHeaders);
  const method = request.method ?? '';
  if (!METHOD.test(method) || method === 'TRACE')
    return deny('method-not-allowed', `the method \`${method.slice(0, 32)}\` is never forwarded`, 'Use another method.');
  if (method === 'CONNECT') return nestedTunnel();
  const isHttp2 = request.httpVersionMajor === 2;
  const problem = hostProblem(request, headers, origin) ?? (isHttp2 ? undefined : framingProblem(request, headers));
  if (problem !== undefined) return problem;
  return {
    method,
    target: origin.requestTarget ?? request.url ?? '',
    headers,
    isWebSocket: !isHttp2 && request.headers.upgrade?.toLowerCase() === 'websocket',
    hasBody: isHttp2 ? !('stream' in request && request.stream.endAfterHeaders) : hasHttp1Body(headers),
  };
}

export function nestedTunnel(): Denied {
  return deny('tunnel-not-allowed', 'a tunnel inside an inspected connection is never made', 'Connect to the host directly.');
}

/** A host as a request names it. */
export function authorityOf({ name, port }: EgressTarget, secure: boolean): string {
  return port === (secure ? 443 : 80) ? name : `${name}:${port}`;
}

/** Reads `name:port` or `name`; undefined where it is no canonical name. */
export function readAuthority(authority: string, defaultPort: number | undefined): EgressTarget | undefined {
  const [, host, digits] = /^([^:@/?#\s]+)(?::([1-9]\d{0,4}))?$/.exec(authority) ?? [];
  if (host === undefined) return undefined;
  const port = digits === undefined ? defaultPort : Number(digits);
  const parsed = parseWireHostName(host);
  return parsed.ok && port !== undefined && port <= 65_535 ? { name: parsed.name, port } : undefined;
}

/** Every name that the request gives for its host must be the name that was dialled. */
function hostProblem(request: FrontRequest, headers: HeaderList, { target, secure }: RequestOrigin): Denied | undefined {
  const given = headers.filter(([name]) => name === 'host').map(([, value]) => value);
  const authority = 'authority' in request ? request.authority : undefined;
  if (request.httpVersionMajor === 1 && given.length !== 1) return framing(`the request has ${given.length} Host fields`);
  const names = [...given, ...(authority === undefined || authority === '' ? [] : [authority])];
  if (names.length === 0) return framing('the request names no host');
  const same = names.every((text) => {
    // as nearly every request has it; reading it gives nothing else
    if (text === authorityOf(target, secure)) return true;
    const read = readAuthority(text, secure ? 443 : 80);
    return read !== undefined && read.name === target.name && read.port === target.port;
  });
  if (same) return undefined;
  return deny(
    'host-mismatch',
    `the request names another host than the connection, which is for \`${target.name}:${target.port}\``,
    'Open a connection of its own for each host.',
  );
}

function framingProblem(request: FrontRequest, headers: HeaderList): Denied | undefined {
  const count = (wanted: string): number => headers.filter(([name]) => name === wanted).length;
  const encoding = headerValue(headers, 'transfer-encoding');
  const length = headerValue(headers, 'content-length');
  if (count('content-length') > 1 || count('transfer-encoding') > 1) return framing('a length field stands twice');
  if (encoding !== undefined && length !== undefined) return framing('the body has two lengths');
  if (encoding !== undefined && (encoding.toLowerCase() !== 'chunked' || request.httpVersion !== '1.1'))
    return framing('the transfer encoding is not plain `chunked`');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return framing('the content length is not a number');
  return undefined;
}

function hasHttp1Body(headers: HeaderList): boolean {
  const length = headerValue(headers, 'content-length');
  return headerValue(headers, 'transfer-encoding') !== undefined || (length !== undefined && Number(length) > 0);
}

function framing(message: string): Denied {
  return deny('framing-ambiguous', message, 'Send the request with one Host field and one length.');
}
