/*
 * Scope: requests to one server over HTTP/2, on sessions of this server alone.
 * Out of scope: how a connection is made (`upstream.ts`). Fail-safe direction: a stream that does not end as it should is an error.
 */
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { type HeaderList, headerValue } from './headers.ts';
import { SILENCE_TIMEOUT_MS } from './http1-transport.ts';
import { isGrpc } from './is-grpc.ts';
import { pumpBody } from './pump-body.ts';
import type { AnswerHandler, Flow, Outgoing, Transport } from './transport.ts';

const MAX_HEADER_BYTES = 64 * 1024;
/** What may be under way before the bottle has taken it. */
const WINDOW_BYTES = 1024 * 1024;
const IDLE_TIMEOUT_MS = 10_000;

export class Http2Transport implements Transport {
  readonly #open: () => Promise<TLSSocket>;
  #session: Promise<ClientHttp2Session> | undefined;
  #running = 0;

  constructor(open: () => Promise<TLSSocket>) {
    this.#open = open;
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  dispatch(outgoing: Outgoing, handler: AnswerHandler): void {
    const exchange = new Http2Exchange(outgoing, handler, () => {
      this.#running -= 1;
    });
    this.#running += 1;
    handler.onRequestStart(exchange);
    this.#session ??= this.#connect();
    this.#session.then(
      (session) => exchange.start(session),
      (error: unknown) => exchange.fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  close(): void {
    this.#session?.then((session) => session.destroy()).catch(() => undefined);
    this.#session = undefined;
  }

  #connect(): Promise<ClientHttp2Session> {
    const connecting = this.#open().then((socket) => {
      const session = http2.connect(`https://${socket.servername || 'upstream'}`, {
        createConnection: () => socket,
        settings: { enablePush: false, initialWindowSize: WINDOW_BYTES, maxHeaderListSize: MAX_HEADER_BYTES },
      });
      session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
      const forget = (): void => {
        if (this.#session === connecting) this.#session = undefined;
      };
      session.on('error', forget).on('close', forget).on('goaway', forget);
      session.setTimeout(IDLE_TIMEOUT_MS, () => {
        if (this.#running > 0) return;
        forget();
        session.close();
      });
      return session;
    });
    connecting.catch(() => {
      this.#session = undefined;
    });
    return connecting;
  }
}

class Http2Exchange implements Flow {
  readonly #outgoing: Outgoing;
  readonly #handler: AnswerHandler;
  readonly #onDone: () => void;
  #stream: ClientHttp2Stream | undefined;
  #trailers: IncomingHttpHeaders = {};
  #hasEnded = false;
  #isDone = false;

  constructor(outgoing: Outgoing, handler: AnswerHandler, onDone: () => void) {
    this.#outgoing = outgoing;
    this.#handler = handler;
    this.#onDone = onDone;
  }

  start(session: ClientHttp2Session): void {
    if (this.#isDone) return;
    const { body } = this.#outgoing;
    const stream = session.request(requestHeaders(this.#outgoing), { endStream: body === null, waitForTrailers: body !== null });
    this.#stream = stream;
    stream.on('response', ({ ':status': status = 502, ...headers }) => this.#handler.onResponseStart(this, status, headers));
    stream.on('data', (chunk: Buffer) => this.#handler.onResponseData(this, chunk));
    stream.on('trailers', (trailers) => {
      this.#trailers = trailers;
    });
    stream.on('end', () => {
      this.#hasEnded = true;
      this.#settle();
    });
    stream.on('error', (error) => this.fail(error));
    stream.on('close', () => this.fail(new Error(`the server ended the stream early (code ${stream.rstCode ?? 'none'})`)));
    stream.setTimeout(SILENCE_TIMEOUT_MS, () => stream.destroy(new Error('the server was silent for too long')));
    if (body !== null) this.#send(stream);
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  abort(reason: Error): void {
    this.#stream?.close(http2.constants.NGHTTP2_CANCEL);
    this.fail(reason);
  }

  fail(error: Error): void {
    if (this.#finish()) this.#handler.onResponseError(this, error);
  }

  #send(stream: ClientHttp2Stream): void {
    const { body, trailers } = this.#outgoing;
    if (body === null) return;
    stream.on('wantTrailers', () => stream.sendTrailers(fieldsOf(trailers?.() ?? [])));
    pumpBody(body, stream, { onChunk: (chunk) => this.#handler.onBodySent?.(chunk), onEnd: () => stream.end() });
  }

  /** Reset by the server after its answer ended: it wants no more of the request, and that is no failure. */
  #settle(): void {
    const code = this.#stream?.rstCode ?? 0;
    if (!this.#hasEnded || code !== http2.constants.NGHTTP2_NO_ERROR) return;
    if (this.#finish()) this.#handler.onResponseEnd(this, this.#trailers);
  }

  #finish(): boolean {
    if (this.#isDone) return false;
    this.#isDone = true;
    this.#onDone();
    return true;
  }
}

function requestHeaders({ method, path, headers }: Outgoing): OutgoingHttpHeaders {
  return {
    ':method': method,
    ':scheme': 'https',
    ':authority': headerValue(headers, 'host') ?? '',
    ':path': path,
    ...fieldsOf(headers.filter(([name]) => name !== 'host')),
    ...(isGrpc({ headers }) ? { te: 'trailers' } : {}),
  };
}

function fieldsOf(list: HeaderList): OutgoingHttpHeaders {
  const fields: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of list) {
    const known = fields[name];
    fields[name] = known === undefined ? value : Array.isArray(known) ? [...known, value] : [known, value];
  }
  return fields;
}
