/*
 * Scope: the server name of a TLS ClientHello, and whether it may hide another, from the first bytes of a connection, before anything answers them.
 * Out of scope: everything else in the handshake. Fail-safe direction: what does not parse has no name.
 */

export type ClientHello =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'not-tls' }
  | { readonly kind: 'invalid' }
  | {
      readonly kind: 'hello';
      readonly serverName: string | undefined;
      /** Carries an encrypted ClientHello, or pretends to */
      readonly isEncrypted: boolean;
    };

/** A ClientHello with post-quantum key shares has about 1.8 KiB; the limit of a handshake message in records is far above. */
export const MAX_CLIENT_HELLO_BYTES = 16_384 + 5;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const ENCRYPTED_HELLO_EXTENSION = 0xfe0d;
const HOST_NAME_TYPE = 0;

/** Reads as much of a ClientHello as is there. */
export function parseClientHello(bytes: Buffer): ClientHello {
  if (bytes.length === 0) return { kind: 'incomplete' };
  if (bytes[0] !== HANDSHAKE_RECORD) return { kind: 'not-tls' };
  if (bytes.length > 1 && bytes[1] !== 3) return { kind: 'not-tls' };
  const message = joinRecords(bytes);
  if (message === 'invalid') return { kind: 'invalid' };
  if (message === 'incomplete') return bytes.length >= MAX_CLIENT_HELLO_BYTES ? { kind: 'invalid' } : { kind: 'incomplete' };
  try {
    return { kind: 'hello', ...readNames(new Reader(message)) };
  } catch (error) {
    if (error instanceof RangeError) return { kind: 'invalid' };
    throw error;
  }
}

/** The handshake message out of its records: a client may split it at any byte. */
function joinRecords(bytes: Buffer): Buffer | 'incomplete' | 'invalid' {
  const parts: Buffer[] = [];
  let have = 0;
  let need = 4;
  let at = 0;
  while (have < need) {
    if (bytes.length < at + 5) return 'incomplete';
    const length = bytes.readUInt16BE(at + 3);
    if (bytes[at] !== HANDSHAKE_RECORD || length === 0 || length > 16_384) return 'invalid';
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    have += part.length;
    if (have >= 4 && need === 4) {
      const head = Buffer.concat(parts);
      if (head[0] !== CLIENT_HELLO) return 'invalid';
      need = 4 + head.readUIntBE(1, 3);
      if (need > MAX_CLIENT_HELLO_BYTES) return 'invalid';
    }
    if (part.length < length && have < need) return 'incomplete';
    at += 5 + length;
  }
  return Buffer.concat(parts).subarray(4, need);
}

function readNames(hello: Reader): { readonly serverName: string | undefined; readonly isEncrypted: boolean } {
  hello.skip(2 + 32);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  if (hello.atEnd) return { serverName: undefined, isEncrypted: false };
  const extensions = new Reader(hello.vector(2));
  let found: string | undefined;
  let isEncrypted = false;
  while (!extensions.atEnd) {
    const type = extensions.integer(2);
    const body = extensions.vector(2);
    isEncrypted ||= type === ENCRYPTED_HELLO_EXTENSION;
    if (type !== SERVER_NAME_EXTENSION) continue;
    if (found !== undefined) throw new RangeError('The server name stands twice.');
    found = readHostName(new Reader(new Reader(body).vector(2)));
  }
  return { serverName: found, isEncrypted };
}

function readHostName(names: Reader): string | undefined {
  if (names.integer(1) !== HOST_NAME_TYPE) throw new RangeError('The server name has an unknown type.');
  const name = names.vector(2);
  if (!names.atEnd) throw new RangeError('There is more than one server name.');
  return name.toString('latin1');
}

/** Reads big-endian integers and length-prefixed vectors; RangeError past the end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  skip(count: number): void {
    if (this.#at + count > this.#bytes.length) throw new RangeError('The message ends too early.');
    this.#at += count;
  }

  integer(size: number): number {
    const at = this.#at;
    this.skip(size);
    return this.#bytes.readUIntBE(at, size);
  }

  /** The content of a vector whose length is an integer of `size` bytes. */
  vector(size: number): Buffer {
    const length = this.integer(size);
    const at = this.#at;
    this.skip(length);
    return this.#bytes.subarray(at, at + length);
  }
}
