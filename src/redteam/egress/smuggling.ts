import type { Leniency } from './lenient-server.ts';

/** Path of the request that must never be seen */
export const SMUGGLED = '/smuggled';

export interface SmugglingTry {
  readonly name: string;
  /** Which careless reading finds the hidden request */
  readonly victim: Leniency;
  /** All bytes, for the Host of the request that is judged */
  readonly bytes: (host: string) => string;
}

/** Headers and body of a request, given the hidden request */
type Trick = (hidden: string) => readonly [headers: string, body: string];

const hex = (text: string): string => text.length.toString(16);

/** Found by who believes a length: the hidden request stands where the body should be, or in a chunk. */
const FOR_READERS_OF_LENGTHS: Readonly<Record<string, Trick>> = {
  'TE.CL': (hidden) => [
    `Transfer-Encoding: chunked\r\nContent-Length: ${hex(hidden).length + 2}`,
    `${hex(hidden)}\r\n${hidden}\r\n0\r\n\r\n`,
  ],
  'duplicate lengths': (hidden) => [`Content-Length: 0\r\nContent-Length: ${hidden.length}`, hidden],
  'lengths in a list': (hidden) => [`Content-Length: 0, ${hidden.length}`, hidden],
  'a signed length': (hidden) => [`Content-Length: +0\r\ncontent-length: ${hidden.length}`, hidden],
  'lengths in two cases': (hidden) => [`Content-length: 0\r\nCONTENT-LENGTH: ${hidden.length}`, hidden],
  'a length in a folded line': (hidden) => [
    `Content-Length: 0\r\nX: y\r\n Content-Length: ${hidden.length}\r\nContent-Length: ${hidden.length}`,
    hidden,
  ],
};

/** Found by who believes any mention of chunks: the hidden request stands behind the last one. */
const FOR_READERS_OF_CHUNKS: Readonly<Record<string, (length: number) => string>> = {
  'CL.TE': (length) => `Content-Length: ${length}\r\nTransfer-Encoding: chunked`,
  'an unknown coding': (length) => `Content-Length: ${length}\r\nTransfer-Encoding: xchunked`,
  'a space before the colon': (length) => `Content-Length: ${length}\r\nTransfer-Encoding : chunked`,
  'a tab before the coding': (length) => `Content-Length: ${length}\r\nTransfer-Encoding:\tchunked`,
  'two codings': (length) => `Content-Length: ${length}\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked`,
  'a bare line feed': (length) => `Content-Length: ${length}\r\nX: y\nTransfer-Encoding: chunked`,
  'a bare carriage return': (length) => `Content-Length: ${length}\r\nX: y\rz\r\nTransfer-Encoding: chunked`,
  'a quoted coding': (length) => `Content-Length: ${length}\r\nTransfer-Encoding: "chunked"`,
  'a version without chunks': (length) => `Content-Length: ${length}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked, identity`,
};

/** One request to `path` with another one hidden behind it, in every way that has worked somewhere. */
export function smugglingTries(path: string): readonly SmugglingTry[] {
  const hidden = (host: string): string => `GET ${SMUGGLED} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const post = (host: string, [headers, body]: ReturnType<Trick>): string =>
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n\r\n${body}`;
  const lengths = Object.entries(FOR_READERS_OF_LENGTHS).map(([name, trick]): SmugglingTry => {
    return { name, victim: 'length', bytes: (host) => post(host, trick(hidden(host))) };
  });
  const chunks = Object.entries(FOR_READERS_OF_CHUNKS).map(([name, headers]): SmugglingTry => {
    const body = (host: string): string => `0\r\n\r\n${hidden(host)}`;
    return { name, victim: 'chunked', bytes: (host) => post(host, [headers(body(host).length), body(host)]) };
  });
  return [...lengths, ...chunks];
}
