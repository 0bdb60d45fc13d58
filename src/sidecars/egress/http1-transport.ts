/*
 * Scope: requests to one server over HTTP/1.1, on connections that are kept for the next one.
 * Out of scope: how a connection is made (`upstream.ts`). Fail-safe direction: a body whose length is not as announced ends the
 * connection; an answer with two readings is an error of the parser.
 */
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { callbackify } from 'node:util';
import { http } from '../../core/node-http.ts';
import { type HeaderList, headerValue } from './headers.ts';
import { BareExchange, type ExchangeOptions, MAX_ATTEMPTS, SILENCE_TIMEOUT_MS, wasClosedUnanswered } from './http1/bare-exchange.ts';
import { KeptConnections } from './http1/kept-connections.ts';
import { pumpBody } from './pump-body.ts';
import type { AnswerHandler, Flow, Outgoing, Transport } from './transport.ts';
import { UpstreamError } from './upstream-error.ts';

/** One bottle's connections to one server; agents open some tens. */
const MAX_CONNECTIONS = 128;
const IDLE_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 64 * 1024;
const NEEDS_LENGTH = new Set(['POST', 'PUT', 'PATCH']);

export class Http1Transport implements Transport {
  readonly #agent: Agent;
  readonly #kept: KeptConnections;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(open: () => Promise<Socket>) {
    this.#agent = new http.Agent({ keepAlive: true, maxFreeSockets: MAX_CONNECTIONS, timeout: IDLE_TIMEOUT_MS });
    this.#kept = new KeptConnections(open);
    const connect = callbackify(open);
    this.#agent.createConnection = (_options, done) => {
      connect((error, socket) => done?.(error, socket));
      return undefined;
    };
  }

  /** Nothing runs and nothing waits. */
  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** @param onNeedsHttp2 called in the place of an error where the server refused the handshake for want of HTTP/1.1 */
  dispatch(outgoing: Outgoing, handler: AnswerHandler, onNeedsHttp2?: () => void): void {
    const start = (): void => {
      const exchange = this.#exchange(outgoing, handler, onNeedsHttp2);
      this.#running += 1;
      exchange.start();
    };
    if (this.#running < MAX_CONNECTIONS) start();
    else this.#waiting.push(start);
  }

  close(): void {
    this.#agent.destroy();
    this.#kept.close();
  }

  #exchange(outgoing: Outgoing, handler: AnswerHandler, onNeedsHttp2: (() => void) | undefined): Http1Exchange | BareExchange {
    const onFailure = (error: Error): void => {
      if (onNeedsHttp2 !== undefined && error instanceof UpstreamError && error.needsHttp2) onNeedsHttp2();
      else handler.onResponseError(undefined, error);
    };
    const options = { outgoing, handler, headers: framedHeaders(outgoing), onFailure, onDone: () => this.#next() };
    return outgoing.body === null && outgoing.upgrade === undefined
      ? new BareExchange(this.#kept, options)
      : new Http1Exchange(this.#agent, options);
  }

  #next(): void {
    this.#running -= 1;
    this.#waiting.shift()?.();
  }
}

class Http1Exchange implements Flow {
  readonly #agent: Agent;
  readonly #options: ExchangeOptions;
  #request: ClientRequest | undefined;
  #answer: IncomingMessage | undefined;
  #attempts = 0;
  #isDone = false;

  constructor(agent: Agent, options: ExchangeOptions) {
    this.#agent = agent;
    this.#options = options;
  }

  start(): void {
    this.#options.handler.onRequestStart(this);
    if (!this.#isDone) this.#attempt();
  }

  pause(): void {
    this.#answer?.pause();
  }

  resume(): void {
    this.#answer?.resume();
  }

  abort(reason: Error): void {
    this.#attempts = MAX_ATTEMPTS;
    if (this.#request === undefined) this.#fail(reason);
    else this.#request.destroy(reason);
  }

  #attempt(): void {
    this.#attempts += 1;
    const { method, path } = this.#options.outgoing;
    const headers = this.#options.headers.flat();
    const request = http.request({ agent: this.#agent, method, path, headers, setDefaultHeaders: false, maxHeaderSize: MAX_HEADER_BYTES });
    this.#request = request;
    Object.assign(request, { strictContentLength: true });
    request.on('error', (error) => this.#fail(error));
    request.on('response', (answer) => this.#receive(answer));
    request.on('upgrade', (answer, socket, head) => this.#upgraded(answer, socket, head));
    request.setTimeout(SILENCE_TIMEOUT_MS, () => request.destroy(new Error('the server was silent for too long')));
    this.#send(request);
  }

  #send(request: ClientRequest): void {
    const { outgoing, handler } = this.#options;
    const { body, trailers } = outgoing;
    if (body === null) {
      request.end();
      return;
    }
    // Only now is it certain that these bytes belong to this connection
    request.once('socket', () => {
      pumpBody(body, request, {
        onChunk: (chunk) => handler.onBodySent?.(chunk),
        onEnd: () => {
          endWith(request, trailers).catch((error: unknown) => request.destroy(error instanceof Error ? error : new Error(String(error))));
        },
      });
    });
  }

  #receive(answer: IncomingMessage): void {
    const { handler } = this.#options;
    this.#answer = answer;
    answer.on('error', (error) => this.#fail(error));
    answer.on('data', (chunk: Buffer) => handler.onResponseData(this, chunk));
    answer.on('end', () => {
      // A whole answer before the whole request: the server wants no more of it, and Node would not send it either
      if (this.#request?.writableEnded === false) this.#request.destroy();
      if (this.#finish()) handler.onResponseEnd(this, answer.trailers);
    });
    handler.onResponseStart(this, answer.statusCode ?? 502, answer.headers, answer.statusMessage);
  }

  #upgraded(answer: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { handler } = this.#options;
    if (!this.#finish() || handler.onRequestUpgrade === undefined) {
      socket.destroy();
      return;
    }
    if (head.length > 0) socket.unshift(head);
    handler.onRequestUpgrade(this, answer.statusCode ?? 101, answer.headers, socket);
  }

  #fail(error: Error): void {
    if (this.#isDone) return;
    if (this.#mayRepeat(error)) this.#attempt();
    else if (this.#finish()) this.#options.onFailure(error);
  }

  #mayRepeat(error: Error): boolean {
    const { body } = this.#options.outgoing;
    const wasKept = this.#request?.reusedSocket === true && this.#answer === undefined;
    return wasKept && body === null && this.#attempts < MAX_ATTEMPTS && wasClosedUnanswered(this.#options.outgoing, error);
  }

  #finish(): boolean {
    if (this.#isDone) return false;
    this.#isDone = true;
    this.#options.onDone();
    return true;
  }
}

/** What a connection adds: where the body ends, and the wish to speak another protocol. */
function framedHeaders({ method, headers, body, upgrade }: Outgoing): HeaderList {
  if (upgrade !== undefined) return [...headers, ['connection', 'Upgrade'], ['upgrade', upgrade]];
  const hasLength = headerValue(headers, 'content-length') !== undefined;
  if (body !== null) return hasLength ? headers : [...headers, ['transfer-encoding', 'chunked']];
  return hasLength || !NEEDS_LENGTH.has(method) ? headers : [...headers, ['content-length', '0']];
}

async function endWith(request: ClientRequest, trailers: Outgoing['trailers']): Promise<void> {
  const fields = (await trailers?.()) ?? [];
  if (fields.length > 0 && request.chunkedEncoding) request.addTrailers(fields.map(([name, value]): [string, string] => [name, value]));
  request.end();
}
