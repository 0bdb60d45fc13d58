import type { IncomingHttpHeaders } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerReader } from '../../../src/sidecars/egress/http1/answer-reader.ts';
import { readHead, writeHead } from '../../../src/sidecars/egress/http1/head.ts';

interface Read {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  readonly isDone: boolean;
  readonly mayStay: boolean;
}

/** Reads an answer in the given pieces; `ended` where the server then closes. */
function read(pieces: readonly string[], { method = 'GET', ended = false } = {}): Read {
  let [status, body] = [0, ''];
  let headers: IncomingHttpHeaders = {};
  const reader = new AnswerReader(method, {
    onHead: (...head) => {
      [status, headers] = head;
    },
    onData: (chunk) => {
      body += chunk.toString('latin1');
    },
  });
  for (const piece of pieces) reader.push(Buffer.from(piece, 'latin1'));
  if (ended) reader.end();
  const { trailers, isDone, mayStay } = reader;
  return { status, headers: { ...headers }, body, trailers: { ...trailers }, isDone, mayStay };
}

const head = (...lines: string[]): string => `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

describe('a head', () => {
  test('is read with its fields as they were sent', () => {
    const text = 'GET / HTTP/1.1\r\nHost: a\r\nX-A:\t b \xa0\t \r\nX-Empty:\r\n\r\n';
    expect(readHead(Buffer.from(`${text}rest`, 'latin1'))).toEqual({
      first: 'GET / HTTP/1.1',
      rawHeaders: ['Host', 'a', 'X-A', 'b \xa0', 'X-Empty', ''],
      bytes: text.length,
    });
  });

  test('is not there before its empty line', () => {
    expect(readHead(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n'))).toBeUndefined();
    expect(readHead(Buffer.from('GET / HTTP/1.1\nHost: a\n\n'))).toBeUndefined();
  });

  test.each([
    ['a lone LF', 'X: y\nZ: 1'],
    ['a lone CR', 'X: y\rZ: 1'],
    ['a folded line', 'X: y\r\n z'],
    ['a space before the colon', 'X : y'],
    ['a tab before the name', '\tX: y'],
    ['a line without a colon', 'X y'],
    ['a field without a name', ': y'],
    ['NUL', 'X: \0y'],
    ['DEL', 'X: \x7fy'],
    ['a name that is not ASCII', 'X\xe9: y'],
  ])('with %s is malformed', (_what, line) => {
    expect(readHead(Buffer.from(`GET / HTTP/1.1\r\n${line}\r\n\r\n`, 'latin1'))).toBe('malformed');
  });

  test('takes no longer for many spaces in a field', () => {
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nX: a${' '.repeat(60_000)}b\r\n\r\n`);
    const from = performance.now();
    readHead(bytes);
    expect(performance.now() - from).toBeLessThan(200);
  });

  test.each([
    ['a value with another line', 'x', 'y\r\nz: 1'],
    ['a value with LF', 'x', 'y\nz: 1'],
    ['a value with NUL', 'x', '\0'],
    ['a value that is no Latin-1', 'x', '\u{10d}'],
    ['a name with a colon', 'x: y', '1'],
    ['a name with a line end', 'x\r\n', '1'],
    ['no name', '', '1'],
  ])('is never written with %s', (_what, name, value) => {
    expect(writeHead('GET / HTTP/1.1', [['x', 'y']])).toBe('GET / HTTP/1.1\r\nx: y\r\n\r\n');
    expect(() => writeHead('GET / HTTP/1.1', [[name, value]])).toThrow(TypeError);
  });

  test('is read as it was written, or never written', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ':', ' ', '\t', '\r', '\n', '\0', '\xff', 'Host: b') });
    const property = fc.property(fc.array(fc.tuple(text, text), { maxLength: 3 }), (fields) => {
      let written: string;
      try {
        written = writeHead('GET / HTTP/1.1', fields);
      } catch {
        return; // refused
      }
      const again = readHead(Buffer.from(`${written}rest`, 'latin1'));
      const flat = fields.flatMap(([name, value]) => [name, value.replaceAll(/^[ \t]+|[ \t]+$/g, '')]);
      expect(again).toEqual({ first: 'GET / HTTP/1.1', rawHeaders: flat, bytes: written.length });
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});

describe('an answer', () => {
  test.each([
    ['of a length', [head('Content-Length: 5'), 'hel', 'lo'], 'hello'],
    ['without a body', [head('content-length: 0')], ''],
    ['in chunks', [head('Transfer-Encoding: chunked'), '5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n'], 'hello!'],
    [
      'after others that are not the last',
      ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n', head('Content-Length: 2'), 'ok'],
      'ok',
    ],
    ['without a phrase', ['HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok'], 'ok'],
  ])('%s is read, and the connection stays', (_what, pieces, body) => {
    expect(read(pieces)).toMatchObject({ status: 200, body, isDone: true, mayStay: true });
    expect(read(pieces.join('').split(''))).toMatchObject({ status: 200, body, isDone: true, mayStay: true });
  });

  test.each([
    ['204', 'GET', 'HTTP/1.1 204 No\r\n\r\n'],
    ['304 with the length of what is not sent', 'GET', 'HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n'],
    ['HEAD', 'HEAD', head('Content-Length: 5')],
    ['HEAD, in chunks', 'HEAD', head('Transfer-Encoding: chunked')],
  ])('to %s has no body', (_what, method, text) => {
    expect(read([text], { method })).toMatchObject({ body: '', isDone: true, mayStay: true });
  });

  test('ends with its connection where it states no length', () => {
    expect(read([head(), 'a', 'b'])).toMatchObject({ body: 'ab', isDone: false });
    expect(read([head(), 'a', 'b'], { ended: true })).toMatchObject({ body: 'ab', isDone: true, mayStay: false });
  });

  test.each([
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['that closes', head('Connection: keep-alive, Close', 'Content-Length: 2').concat('ok')],
    ['with more than it announced', head('Content-Length: 2').concat('okHTTP/1.1 200 OK\r\n\r\n')],
    ['with bytes after its last chunk', head('Transfer-Encoding: chunked').concat('2\r\nok\r\n0\r\n\r\nx')],
  ])('%s is the last one of its connection', (_what, text) => {
    expect(read([text])).toMatchObject({ body: 'ok', isDone: true, mayStay: false });
  });

  test('has its fields as Node gives them', () => {
    const text = head(
      'Set-Cookie: a',
      'Set-Cookie: b',
      'X-A: 1',
      'x-a: 2',
      'Content-Type: a/b',
      'Content-Type: c/d',
      '__proto__: x',
      'Content-Length: 0',
    );
    expect(read([text]).headers).toEqual({
      'set-cookie': ['a', 'b'],
      'x-a': '1, 2',
      'content-type': 'a/b',
      ['__proto__']: 'x',
      'content-length': '0',
    });
  });

  test('has trailers', () => {
    const text = head('Transfer-Encoding: chunked').concat('1\r\na\r\n0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n');
    const wanted = { body: 'a', trailers: { 'x-sum': '1', 'x-b': '2' }, isDone: true, mayStay: true };
    expect(read([text])).toMatchObject(wanted);
    expect(read(text.split(''))).toMatchObject(wanted);
  });

  test.each([
    ['two lengths', head('Content-Length: 2', 'Content-Length: 2')],
    ['two lengths in one field', head('Content-Length: 2, 2')],
    ['a length and chunks', head('Content-Length: 2', 'Transfer-Encoding: chunked')],
    ['a length with a sign', head('Content-Length: +2')],
    ['a length of no digits', head('Content-Length:')],
    ['a length beyond all numbers', head('Content-Length: 18446744073709551617')],
    ['another transfer encoding', head('Transfer-Encoding: gzip, chunked')],
    ['chunks twice', head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')],
    ['chunks of HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a space before a colon', head('Content-Length : 2')],
    ['a folded line', head('X: a', ' b')],
    ['lone LFs', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['another protocol', 'SSH-2.0-server\r\n'],
    ['another version', 'HTTP/1.2 200 OK\r\n\r\n'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['another protocol from now on', 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}`],
    ['a head that is too long', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`],
    ['a chunk of no size', head('Transfer-Encoding: chunked').concat('\r\nok')],
    ['a chunk with 0x', head('Transfer-Encoding: chunked').concat('0x2\r\nok\r\n')],
    ['a chunk with a sign', head('Transfer-Encoding: chunked').concat('-2\r\nok\r\n')],
    ['a space after a size', head('Transfer-Encoding: chunked').concat('2 \r\nok\r\n')],
    ['LF after a size', head('Transfer-Encoding: chunked').concat('2\nok\r\n')],
    ['a size without end', head('Transfer-Encoding: chunked').concat('2;'.padEnd(2_000, 'a'))],
    ['a size beyond all numbers', head('Transfer-Encoding: chunked').concat('fffffffffffffffff\r\nok\r\n')],
    ['a chunk that is longer than it says', head('Transfer-Encoding: chunked').concat('1\r\nok\r\n')],
    ['trailers that are none', head('Transfer-Encoding: chunked').concat('0\r\nX y\r\n\r\n')],
    ['trailers without end', head('Transfer-Encoding: chunked').concat(`0\r\nX: ${'a'.repeat(70_000)}`)],
  ])('with %s is no answer', (_what, text) => {
    expect(() => read([text])).toThrow('that no answer may have');
    expect(() => read(text.split(''))).toThrow('that no answer may have');
  });

  test.each([
    ['before its head', ''],
    ['in its head', 'HTTP/1.1 200 OK\r\nX: '],
    ['in its body', head('Content-Length: 5').concat('he')],
    ['in a chunk', head('Transfer-Encoding: chunked').concat('5\r\nhe')],
    ['before its last chunk', head('Transfer-Encoding: chunked').concat('2\r\nhe\r\n')],
    ['in its trailers', head('Transfer-Encoding: chunked').concat('0\r\nX: y\r\n')],
  ])('that stops %s is not whole', (_what, text) => {
    expect(() => read([text], { ended: true })).toThrow('too early');
  });
});
