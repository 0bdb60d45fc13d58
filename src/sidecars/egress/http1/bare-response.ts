/*
 * Scope: the answer to a request that `bare-front.ts` read, written to the bottle's connection; what `ServerResponse` does, as far as the
 * relay and refusals use it. Out of scope: what is answered. Fail-safe direction: an answer of another length than it announced is cut.
 */
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { writeHead } from './head.ts';

/** Head and first bytes up to this go out as one piece. */
const MAX_JOINED_BYTES = 16 * 1024;
const NOTHING = Buffer.alloc(0);

export class BareResponse extends EventEmitter {
  readonly #socket: Duplex;
  readonly #isHead: boolean;
  /** Called once all is written; another request may follow where `mayStay` */
  readonly #onDone: (mayStay: boolean) => void;
  #head: Buffer = NOTHING;
  #trailers = '';
  #framing: 'none' | 'length' | 'chunked' = 'none';
  #left = 0;
  #mayStay = true;
  /** Writes that the system has not taken yet */
  #unwritten = 0;
  headersSent = false;
  #hasEnded = false;

  constructor(socket: Duplex, options: { readonly isHead: boolean; readonly onDone: (mayStay: boolean) => void }) {
    super();
    this.#socket = socket;
    this.#isHead = options.isHead;
    this.#onDone = options.onDone;
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  /** @param flat names and values in turn */
  writeHead(status: number, phrase: string, flat: readonly string[]): this {
    const fields: (readonly [string, string])[] = [];
    let length: string | undefined;
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const [name, value] = [flat[at] ?? '', flat[at + 1] ?? ''];
      if (name === 'content-length') length = value;
      if (name === 'connection' && value === 'close') this.#mayStay = false;
      fields.push([name, value]);
    }
    this.#frame(status, length);
    if (this.#framing === 'chunked') fields.push(['transfer-encoding', 'chunked']);
    this.#head = Buffer.from(writeHead(`HTTP/1.1 ${status} ${phrase}`, fields), 'latin1');
    this.headersSent = true;
    return this;
  }

  /** False where the caller has to wait for `drain`. */
  write(chunk: Buffer): boolean {
    const head = this.#takeHead();
    if (this.#framing === 'none') return this.#send(head);
    if (this.#framing === 'chunked')
      return this.#send(head, Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]));
    this.#left -= chunk.length;
    if (this.#left >= 0) return this.#send(head, chunk);
    this.destroy();
    return false;
  }

  end(chunk?: Buffer | string): void {
    if (chunk !== undefined && chunk.length > 0) this.write(Buffer.from(chunk));
    if (this.#left > 0) this.destroy();
    if (this.destroyed) return;
    this.#hasEnded = true;
    const last = this.#framing === 'chunked' ? Buffer.from(`0\r\n${this.#trailers}\r\n`, 'latin1') : NOTHING;
    this.#send(this.#takeHead(), last);
    if (this.#unwritten === 0) this.#done();
  }

  flushHeaders(): void {
    this.#send(this.#takeHead());
  }

  addTrailers(fields: Readonly<Record<string, string>>): void {
    this.#trailers = writeHead('', Object.entries(fields)).slice('\r\n'.length, -'\r\n'.length);
  }

  /** Nobody waits to be told: a request that expects it is none of these. */
  writeContinue(): void {}

  destroy(): void {
    this.#socket.destroy();
  }

  #frame(status: number, length: string | undefined): void {
    if (this.#isHead || status === 204 || status === 304) return;
    this.#framing = length === undefined ? 'chunked' : 'length';
    this.#left = Number(length ?? 0);
  }

  #takeHead(): Buffer {
    const head = this.#head;
    this.#head = NOTHING;
    return head;
  }

  #send(head: Buffer, chunk: Buffer = NOTHING): boolean {
    if (head.length === 0) return chunk.length === 0 || this.#write(chunk);
    if (chunk.length <= MAX_JOINED_BYTES) return this.#write(Buffer.concat([head, chunk]));
    this.#write(head);
    return this.#write(chunk);
  }

  #write(bytes: Buffer): boolean {
    this.#unwritten += 1;
    return this.#socket.write(bytes, () => {
      this.#unwritten -= 1;
      if (this.#hasEnded && this.#unwritten === 0) this.#done();
    });
  }

  #done(): void {
    if (this.destroyed) return;
    this.emit('close');
    this.#onDone(this.#mayStay);
  }
}
