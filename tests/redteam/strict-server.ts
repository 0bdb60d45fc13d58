import net, { type Socket } from 'node:net';

/** One request, read by the letter of RFC 9112. */
export interface StrictRequest {
  readonly method: string;
  readonly target: string;
}

/**
 * A server that reads as strictly as the specification allows and keeps what it saw. Bytes with any other reading than the one that it
 * has are violations: whatever stands in front of it forwarded an ambiguity.
 */
export class StrictServer {
  readonly requests: StrictRequest[] = [];
  readonly violations: string[] = [];
  readonly server = net.createServer((socket) => this.#serve(socket));

  reset(): void {
    this.requests.length = 0;
    this.violations.length = 0;
  }

  #serve(socket: Socket): void {
    let pending = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      pending += chunk.toString('latin1');
      try {
        for (let read = readStrictly(pending); read !== undefined; read = readStrictly(pending)) {
          this.requests.push(read.request);
          pending = pending.slice(read.length);
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        }
      } catch (error) {
        this.violations.push(`${String(error)}: ${JSON.stringify(pending.slice(0, 400))}`);
        socket.destroy();
      }
    });
  }
}

const REQUEST_LINE = /^([A-Z]+) (\/[\x21-\x7e]*) HTTP\/1\.1$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[ \t]*$/;
const CHUNK_SIZE = /^[0-9A-Fa-f]{1,15}$/;

/** Undefined where the request is not complete; throws where it is not strictly well-formed. */
export function readStrictly(text: string): { readonly request: StrictRequest; readonly length: number } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) {
    assert(!/(?:^|[^\r])\n|\r(?![\n]|$)|\0/.test(text), 'a bare CR, LF or NUL in a head');
    return undefined;
  }
  const [line = '', ...fields] = text.slice(0, end).split('\r\n');
  const [, method = '', target = ''] = REQUEST_LINE.exec(line) ?? fail('the request line');
  const headers = fields.map((field) => {
    const [, name = '', value = ''] = HEADER.exec(field) ?? fail(`the header ${JSON.stringify(field)}`);
    return [name.toLowerCase(), value] as const;
  });
  const valuesOf = (name: string): string[] => headers.filter(([given]) => given === name).map(([, value]) => value);
  assert(valuesOf('host').length === 1, `${valuesOf('host').length} Host headers`);
  const body = bodyLength(text.slice(end + 4), valuesOf('content-length'), valuesOf('transfer-encoding'));
  return body === undefined ? undefined : { request: { method, target }, length: end + 4 + body };
}

function bodyLength(rest: string, lengths: readonly string[], codings: readonly string[]): number | undefined {
  assert(lengths.length + codings.length <= 1, 'more than one length or coding');
  const [length] = lengths;
  if (length !== undefined) {
    assert(/^\d{1,15}$/.test(length), `the length ${JSON.stringify(length)}`);
    return rest.length < Number(length) ? undefined : Number(length);
  }
  if (codings.length === 0) return 0;
  assert(codings[0] === 'chunked', `the coding ${JSON.stringify(codings[0])}`);
  return chunkedLength(rest);
}

function chunkedLength(text: string): number | undefined {
  for (let at = 0; ; ) {
    const line = text.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const size = text.slice(at, line);
    assert(CHUNK_SIZE.test(size), `the chunk size ${JSON.stringify(size)}`);
    at = line + 2 + Number.parseInt(size, 16);
    if (Number.parseInt(size, 16) === 0) return trailersEnd(text, line + 2);
    if (text.length < at + 2) return undefined;
    assert(text.slice(at, at + 2) === '\r\n', 'the end of a chunk');
    at += 2;
  }
}

function trailersEnd(text: string, start: number): number | undefined {
  for (let at = start; ; ) {
    const line = text.indexOf('\r\n', at);
    if (line === -1) return undefined;
    if (line === at) return at + 2;
    assert(HEADER.test(text.slice(at, line)), 'a trailer');
    at = line + 2;
  }
}

function assert(holds: boolean, what: string): asserts holds {
  if (!holds) fail(what);
}

function fail(what: string): never {
  throw new Error(`not well-formed: ${what}`);
}
