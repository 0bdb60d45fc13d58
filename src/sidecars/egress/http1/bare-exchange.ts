/*
 * Scope: a request without a body, which is most of what a bottle asks for, and its answer, on a connection that is kept for the next
 * one, for less than Node's own client costs. Out of scope: bodies and upgrades (`http1-transport.ts`).
 * Fail-safe direction: an answer that is not understood ends the connection; a request is repeated only where a kept connection had
 * been closed and not a byte was answered.
 */
import { systemCodeOf } from '../../../core/errors.ts';
import type { HeaderList } from '../headers.ts';
import type { AnswerHandler, Flow, Outgoing } from '../transport.ts';
import { AnswerReader } from './answer-reader.ts';
import { writeHead } from './head.ts';
import type { ConnectionUser, KeptConnection, KeptConnections } from './kept-connections.ts';

/** A model may think this long before its first byte, and pause this long. */
export const SILENCE_TIMEOUT_MS = 15 * 60_000;
export const MAX_ATTEMPTS = 3;

export interface ExchangeOptions {
  readonly outgoing: Outgoing;
  /** With what says where the body ends */
  readonly headers: HeaderList;
  readonly handler: AnswerHandler;
  /** The last call */
  readonly onFailure: (error: Error) => void;
  readonly onDone: () => void;
}

const METHOD = /^[A-Z-]+$/;
const TARGET = /^[\x21-\x7e]+$/;

export class BareExchange implements Flow, ConnectionUser {
  readonly #connections: KeptConnections;
  readonly #options: ExchangeOptions;
  readonly #text: string;
  #connection: KeptConnection | undefined;
  #reader: AnswerReader | undefined;
  #wasKept = false;
  #wasAnswered = false;
  #attempts = 0;
  #isDone = false;

  constructor(connections: KeptConnections, options: ExchangeOptions) {
    const { method, path } = options.outgoing;
    if (!TARGET.test(path) || !METHOD.test(method)) throw new TypeError('the request line holds a character that none may hold');
    if (options.headers.some(announcesBody)) throw new TypeError('the request announces a body that it does not have');
    this.#connections = connections;
    this.#options = options;
    this.#text = writeHead(`${method} ${path} HTTP/1.1`, options.headers);
  }

  start(): void {
    this.#options.handler.onRequestStart(this);
    if (!this.#isDone) this.#attempt();
  }

  pause(): void {
    this.#connection?.socket.pause();
  }

  resume(): void {
    this.#connection?.socket.resume();
  }

  abort(reason: Error): void {
    this.#attempts = MAX_ATTEMPTS;
    this.#fail(reason);
  }

  onData(chunk: Buffer): void {
    this.#wasAnswered = true;
    this.#read((reader) => reader.push(chunk));
  }

  onEnd(): void {
    if (this.#wasAnswered) this.#read((reader) => reader.end());
    // otherwise `onClose` follows
  }

  onSilence(silentMs: number): void {
    if (silentMs >= SILENCE_TIMEOUT_MS) this.#fail(new Error('the server was silent for too long'));
  }

  onClose(error: Error | undefined): void {
    this.#connection = undefined;
    this.#fail(error ?? Object.assign(new Error('the server closed the connection'), { code: 'ECONNRESET' }));
  }

  #attempt(): void {
    this.#attempts += 1;
    const kept = this.#connections.take();
    if (kept !== undefined) {
      this.#wasKept = true;
      this.#send(kept);
      return;
    }
    this.#wasKept = false;
    this.#connections.open().then(
      (connection) => this.#send(connection),
      (error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  #send(connection: KeptConnection): void {
    if (this.#isDone) {
      connection.release(false);
      return;
    }
    const { handler, outgoing } = this.#options;
    this.#connection = connection;
    this.#reader = new AnswerReader(outgoing.method, {
      onHead: (status, headers, phrase) => handler.onResponseStart(this, status, headers, phrase),
      onData: (chunk) => {
        if (!this.#isDone) handler.onResponseData(this, chunk);
      },
    });
    connection.use(this);
    connection.socket.write(this.#text, 'latin1');
  }

  #read(work: (reader: AnswerReader) => void): void {
    const reader = this.#reader;
    if (this.#isDone || reader === undefined) return;
    try {
      work(reader);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (reader.isDone) this.#complete(reader);
  }

  #complete({ mayStay, trailers }: AnswerReader): void {
    if (!this.#finish(mayStay)) return;
    this.#options.handler.onResponseEnd(this, trailers);
  }

  #fail(error: Error): void {
    if (this.#isDone) return;
    if (this.#mayRepeat(error)) this.#attempt();
    else if (this.#finish(false)) this.#options.onFailure(error);
  }

  #mayRepeat(error: Error): boolean {
    const wasKept = this.#wasKept && !this.#wasAnswered;
    return wasKept && this.#attempts < MAX_ATTEMPTS && wasClosedUnanswered(this.#options.outgoing, error);
  }

  #finish(mayStay: boolean): boolean {
    if (this.#isDone) return false;
    this.#isDone = true;
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.release(mayStay);
    this.#options.onDone();
    return true;
  }
}

function announcesBody([name, value]: HeaderList[number]): boolean {
  return name === 'transfer-encoding' || (name === 'content-length' && value !== '0');
}

/** The server closed a kept connection just when a request without consequences was sent on it. */
export function wasClosedUnanswered({ method }: Outgoing, error: Error): boolean {
  return ['ECONNRESET', 'EPIPE'].includes(systemCodeOf(error) ?? '') && (method === 'GET' || method === 'HEAD');
}
