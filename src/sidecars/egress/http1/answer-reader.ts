/*
 * Scope: one strict reading of the answer to a request without an upgrade: its head, where its body ends, its chunks and trailers.
 * Out of scope: what the answer says. Fail-safe direction: an answer with two readings, or another form than RFC 9112 asks of senders,
 * is an error, and nothing of what follows it is anybody's answer.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Head, readHead } from './head.ts';

export interface AnswerParts {
  readonly onHead: (status: number, headers: IncomingHttpHeaders, phrase: string) => void;
  readonly onData: (chunk: Buffer) => void;
}

/** Most bytes that wait for the end of a head or of its trailers. */
const MAX_HEAD_BYTES = 64 * 1024;
const MAX_SIZE_LINE = 1024;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/;
/** Extensions say nothing that anybody reads. */
const SIZE_LINE = /^([0-9a-fA-F]{1,12})(?:;[\t\x20-\x7e]*)?$/;
const CLOSES = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i;
const NOTHING = Buffer.alloc(0);
const CRLF = '\r\n';
/** Fields of which only the first counts, as Node has it; others are joined. */
const SINGLE = new Set('age content-length content-type etag expires last-modified location retry-after server'.split(' '));

type State = 'head' | 'length' | 'size' | 'chunk' | 'after-chunk' | 'trailers' | 'until-end' | 'done';

export class AnswerReader {
  readonly #isHead: boolean;
  readonly #parts: AnswerParts;
  #state: State = 'head';
  /** Bytes of the body or of the chunk that are still to come */
  #left = 0;
  #waiting: Buffer = NOTHING;
  #mayStay = false;
  #trailers: IncomingHttpHeaders = {};

  constructor(method: string, parts: AnswerParts) {
    this.#isHead = method === 'HEAD';
    this.#parts = parts;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Another request may follow on the same connection; asked for once all is read. */
  get mayStay(): boolean {
    return this.#mayStay && this.#waiting.length === 0;
  }

  get trailers(): IncomingHttpHeaders {
    return this.#trailers;
  }

  push(chunk: Buffer): void {
    let bytes = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk]);
    this.#waiting = NOTHING;
    while (bytes.length > 0) {
      const taken = this.#state === 'done' ? 0 : this.#step(bytes);
      if (taken === 0) {
        this.#waiting = bytes;
        return;
      }
      bytes = bytes.subarray(taken);
    }
  }

  /** The connection has ended. */
  end(): void {
    if (this.#state === 'until-end') this.#state = 'done';
    else if (this.#state !== 'done') throw new Error('the server ended its answer too early');
  }

  /** Gives how many bytes were taken, 0 where more must come first. */
  #step(bytes: Buffer): number {
    switch (this.#state) {
      case 'head':
        return this.#head(bytes);
      case 'size':
        return this.#size(bytes);
      case 'after-chunk':
        return this.#afterChunk(bytes);
      case 'trailers':
        return this.#end(bytes);
      default:
        return this.#body(bytes);
    }
  }

  #head(bytes: Buffer): number {
    const head = readHead(bytes);
    if (head === undefined) {
      const begin = bytes.toString('latin1', 0, 7);
      if (!'HTTP/1.'.startsWith(begin) || bytes.includes('\n\n') || bytes.length > MAX_HEAD_BYTES) throw malformed('a head');
      return 0;
    }
    const [, minor, digits, phrase = ''] = head === 'malformed' ? [] : (STATUS_LINE.exec(head.first) ?? []);
    if (head === 'malformed' || digits === undefined || head.bytes > MAX_HEAD_BYTES) throw malformed('a head');
    const status = Number(digits);
    if (status === 101) throw malformed('a change of the protocol that nobody asked for');
    if (status >= 200) this.#frame(status, { head, isOld: minor === '0', phrase });
    return head.bytes;
  }

  /** Decides where the body ends, in the order of RFC 9112, 6.3. */
  #frame(status: number, { head, isOld, phrase }: { readonly head: Head; readonly isOld: boolean; readonly phrase: string }): void {
    const lengths = valuesOf(head, 'content-length');
    const encodings = valuesOf(head, 'transfer-encoding');
    if (lengths.length + encodings.length > 1) throw malformed('two lengths');
    const [length, encoding] = [lengths[0], encodings[0]];
    if (length !== undefined && !/^\d{1,15}$/.test(length)) throw malformed('a length that is no number');
    if (encoding !== undefined && (encoding.toLowerCase() !== 'chunked' || isOld)) throw malformed('an unknown transfer encoding');
    this.#left = Number(length ?? 0);
    const isEmpty = this.#isHead || status === 204 || status === 304 || (length !== undefined && this.#left === 0);
    if (isEmpty) this.#state = 'done';
    else if (encoding !== undefined) this.#state = 'size';
    else this.#state = length === undefined ? 'until-end' : 'length';
    this.#mayStay = !isOld && this.#state !== 'until-end' && !CLOSES.test(valuesOf(head, 'connection').join());
    this.#parts.onHead(status, headersOf(head.rawHeaders), phrase);
  }

  #body(bytes: Buffer): number {
    const isOpen = this.#state === 'until-end';
    const part = isOpen || bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left);
    if (!isOpen) this.#left -= part.length;
    this.#parts.onData(part);
    if (isOpen || this.#left > 0) return part.length;
    this.#state = this.#state === 'chunk' ? 'after-chunk' : 'done';
    return part.length;
  }

  #size(bytes: Buffer): number {
    const end = bytes.indexOf(CRLF);
    const line = bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
    const [, digits] = SIZE_LINE.exec(line) ?? [];
    if (line.length > MAX_SIZE_LINE || (end !== -1 && digits === undefined)) throw malformed('the size of a chunk');
    if (end === -1 || digits === undefined) return 0;
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'chunk';
    return end + CRLF.length;
  }

  #afterChunk(bytes: Buffer): number {
    if (bytes.length < CRLF.length) return 0;
    if (bytes.toString('latin1', 0, CRLF.length) !== CRLF) throw malformed('the end of a chunk');
    this.#state = 'size';
    return CRLF.length;
  }

  #end(bytes: Buffer): number {
    if (bytes.toString('latin1', 0, CRLF.length) === CRLF) {
      this.#state = 'done';
      return CRLF.length;
    }
    const head = readHead(Buffer.concat([Buffer.from(CRLF), bytes]));
    if (head === 'malformed' || bytes.length > MAX_HEAD_BYTES) throw malformed('trailers');
    if (head === undefined) return 0;
    this.#trailers = headersOf(head.rawHeaders);
    this.#state = 'done';
    return head.bytes - CRLF.length;
  }
}

function malformed(what: string): Error {
  return new Error(`the server sent ${what} that no answer may have`);
}

function valuesOf({ rawHeaders }: Head, wanted: string): readonly string[] {
  return rawHeaders.filter((_value, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === wanted);
}

/** As Node gives them: names in lower case, `set-cookie` as a list. */
function headersOf(rawHeaders: readonly string[]): IncomingHttpHeaders {
  const headers = Object.create(null) as Record<string, string | string[]>;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name, value] = [(rawHeaders[at] ?? '').toLowerCase(), rawHeaders[at + 1] ?? ''];
    const known = headers[name];
    if (name === 'set-cookie') headers[name] = Array.isArray(known) ? [...known, value] : [value];
    else if (known === undefined) headers[name] = value;
    else if (!SINGLE.has(name)) headers[name] = `${known as string}, ${value}`;
  }
  return headers;
}
