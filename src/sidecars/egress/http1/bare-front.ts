/*
 * Scope: requests without a body on connections of the bottle: GET and HEAD in their plainest form, which is most of what comes, for
 * less than Node's own server costs. Out of scope: everything else: the first request of any other form goes with its connection to
 * Node's server, as if nothing had read it. Fail-safe direction: what is not surely of that form is Node's.
 */
import type { Socket } from 'node:net';
import type { ClientLimits } from '../slow-clients.ts';
import { BareResponse } from './bare-response.ts';
import { type Head, readHead } from './head.ts';

/** What `IncomingMessage` gives, as far as it is used for a request without a body. */
export interface BareRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: '1.1';
  readonly httpVersionMajor: 1;
  readonly rawHeaders: readonly string[];
  readonly rawTrailers: readonly string[];
  /** The fields that a request of this form does not have */
  readonly headers: { readonly expect?: never; readonly upgrade?: never };
  resume(): void;
}

export interface BareFrontOptions {
  readonly onRequest: (request: BareRequest, response: BareResponse) => void;
  /** Serves the connection from its next byte on */
  readonly handOver: () => void;
  readonly limits: Pick<ClientLimits, 'headMs' | 'idleMs'>;
}

const REQUEST_LINE = /^(GET|HEAD) (\/[\x21-\x7e]*) HTTP\/1\.1$/;
/** Longest head, and most bytes that may come before an answer has ended. */
const MAX_BYTES = 64 * 1024;
/** Fields that say more than what is asked for. */
const FRAMING = new Set(['content-length', 'transfer-encoding', 'expect', 'upgrade', 'http2-settings', 'te', 'trailer']);
const NOTHING = Buffer.alloc(0);

/** Serves the plain requests of a connection until another one comes. */
export function serveBareRequests(socket: Socket, options: BareFrontOptions): void {
  let response: BareResponse | undefined;
  let early: Buffer = NOTHING;
  const onData = (chunk: Buffer): void => {
    if (response === undefined) read(chunk);
    else {
      early = Buffer.concat([early, chunk]);
      if (early.length > MAX_BYTES) socket.pause();
    }
  };
  const read = (chunk: Buffer): void => {
    const request = readRequest(chunk);
    if (request === undefined) leave(chunk);
    else {
      if (socket.timeout !== options.limits.idleMs) socket.setTimeout(options.limits.idleMs);
      response = new BareResponse(socket, { isHead: request.method === 'HEAD', onDone });
      options.onRequest(request, response);
    }
  };
  const onDone = (mayStay: boolean): void => {
    response = undefined;
    if (mayStay && early.length > 0) leave(early);
    if (mayStay) return;
    // What comes now is read by nobody
    socket.off('data', onData).resume();
    socket.end(() => socket.destroy());
  };
  const leave = (chunk: Buffer): void => {
    for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
    socket.setTimeout(0);
    socket.pause();
    socket.unshift(chunk);
    options.handOver();
    socket.resume();
  };
  const listeners = {
    data: onData,
    drain: () => void response?.emit('drain'),
    end: () => void socket.end(),
    close: () => void response?.emit('close'),
    error: () => void socket.destroy(),
    timeout: () => {
      if (response === undefined) socket.destroy();
    },
  };
  for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
  socket.setTimeout(options.limits.headMs);
}

/** Undefined where the bytes are anything but one plain request. */
function readRequest(bytes: Buffer): BareRequest | undefined {
  const head = readHead(bytes);
  if (head === undefined || head === 'malformed' || head.bytes !== bytes.length || head.bytes > MAX_BYTES) return undefined;
  const [, method, url] = REQUEST_LINE.exec(head.first) ?? [];
  if (method === undefined || url === undefined || !isBare(head)) return undefined;
  const { rawHeaders } = head;
  return { method, url, httpVersion: '1.1', httpVersionMajor: 1, rawHeaders, rawTrailers: [], headers: {}, resume: () => undefined };
}

function isBare({ rawHeaders }: Head): boolean {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    if (FRAMING.has(name) || (name === 'connection' && rawHeaders[at + 1]?.toLowerCase() !== 'keep-alive')) return false;
  }
  return true;
}
