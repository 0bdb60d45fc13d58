import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { type HeaderList, headerValue } from './headers.ts';
import { SILENCE_TIMEOUT_MS } from './http1/bare-exchange.ts';
import { isGrpc } from './is-grpc.ts';
import { pumpBody } from './pump-body.ts';
import type { AnswerHandler, Flow, Outgoing } from './transport.ts';

/** One request on one stream. */
export class Http2Exchange implements Flow {
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

  get isDone(): boolean {
    return this.#isDone;
  }

  start(session: ClientHttp2Session): void {
    if (this.#isDone) return;
    try {
      this.#request(session);
    } catch (error) {
      // The session ended just before
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
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

  #request(session: ClientHttp2Session): void {
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
    const cut = (): void => this.fail(new Error(`the server ended the stream early (code ${stream.rstCode ?? 'none'})`));
    stream.on('error', (error) => this.fail(error));
    stream.on('close', cut);
    onEndWithoutMark(stream, cut);
    stream.setTimeout(SILENCE_TIMEOUT_MS, () => stream.destroy(new Error('the server was silent for too long')));
    if (body !== null) this.#send(stream);
  }

  #send(stream: ClientHttp2Stream): void {
    const { body, trailers } = this.#outgoing;
    if (body === null) return;
    stream.on('wantTrailers', () => {
      sendTrailers(stream, trailers).catch((error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))));
    });
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

/**
 * Where a server resets a stream without an error, Node ends it as if all had come. Then its end is pushed after the stream was closed; the
 * end that the server marks is pushed before that, and may be pushed again.
 */
function onEndWithoutMark(stream: ClientHttp2Stream, call: () => void): void {
  const push = stream.push.bind(stream);
  let hasMark = false;
  stream.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (chunk === null && !stream.closed) hasMark = true;
    else if (chunk === null && !hasMark) call();
    return push(chunk, encoding);
  };
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

async function sendTrailers(stream: ClientHttp2Stream, trailers: Outgoing['trailers']): Promise<void> {
  const fields = fieldsOf((await trailers?.()) ?? []);
  if (!stream.destroyed) stream.sendTrailers(fields);
}
