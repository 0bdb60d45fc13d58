// Scope: parses a tar archive that a bottle made, entry by entry, with bounded memory.
// Out of scope: what an entry may be or where it may go. Fail-safe direction: whatever is not plainly a header of the ustar, GNU or pax
// format ends the copy with COPY_REFUSED.
import { TerokError } from '../core/index.ts';

export interface TarEntry {
  readonly name: string;
  /** Type flag of the header: `0` file, `5` directory, `1` hard link, `2` link, `3` `4` devices, `6` fifo */
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  /** Seconds since 1970 */
  readonly mtime: number;
  /** The content; must be read to its end before the next entry */
  readonly content: AsyncIterable<Buffer>;
}

const BLOCK = 512;
/** Room for a path of 4 096 bytes and what other attributes a file system may have. */
const MAX_META_BYTES = 64 * 1024;
const META_TYPES = new Set(['x', 'g', 'L', 'K']);

export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const input = new ByteReader(source);
  let meta: Meta = {};
  for (;;) {
    const header = await input.take(BLOCK);
    if (header.every((byte) => byte === 0)) return;
    const entry = parseHeader(header);
    if (META_TYPES.has(entry.type)) {
      if (entry.size > MAX_META_BYTES) throw refused('an attribute is too long');
      const bytes = await input.take(entry.size);
      await input.skipPadding(entry.size);
      meta = { ...meta, ...parseMeta(entry.type, bytes) };
      continue;
    }
    const size = hasContent(entry.type) ? (meta.size ?? entry.size) : 0;
    const content = input.stream(size);
    yield { ...entry, name: meta.path ?? entry.name, size, content };
    for await (const chunk of content) void chunk;
    await input.skipPadding(size);
    meta = {};
  }
}

interface Meta {
  readonly path?: string;
  readonly size?: number;
}

function hasContent(type: string): boolean {
  return type === '0' || type === '7';
}

function parseHeader(header: Buffer): Omit<TarEntry, 'content'> {
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (sum !== parseNumber(header.subarray(148, 156))) throw refused('a header is damaged');
  const flag = String.fromCharCode(header[156] ?? 0);
  const isUstar = header.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? parseText(header.subarray(345, 500)) : '';
  const name = parseText(header.subarray(0, 100));
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: flag === '\0' ? '0' : flag,
    mode: parseNumber(header.subarray(100, 108)),
    size: parseNumber(header.subarray(124, 136)),
    mtime: parseNumber(header.subarray(136, 148)),
  };
}

function parseText(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

/** Octal digits, or GNU's big-endian binary with the top bit set. */
function parseNumber(bytes: Buffer): number {
  if (((bytes[0] ?? 0) & 0x80) !== 0) {
    const value = bytes.subarray(1).reduce((total, byte) => total * 256 + byte, (bytes[0] ?? 0) & 0x3f);
    if (((bytes[0] ?? 0) & 0x40) !== 0) return 0;
    if (!Number.isSafeInteger(value)) throw refused('a number is too large');
    return value;
  }
  const text = bytes
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .trimStart();
  if (!/^[0-7]*$/.test(text)) throw refused('a number is malformed');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function parseMeta(type: string, bytes: Buffer): Meta {
  if (type === 'L') return { path: parseText(bytes) };
  return type === 'x' ? parsePax(bytes) : {};
}

/** Records `<length> <key>=<value>\n`. */
function parsePax(bytes: Buffer): Meta {
  const meta: { path?: string; size?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space === -1 ? Number.NaN : Number(bytes.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at + 1 || at + length > bytes.length) throw refused('an attribute is malformed');
    const record = bytes.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === 'path') meta.path = value;
    if (key === 'size') meta.size = parseSize(value);
    if (key.startsWith('GNU.sparse')) throw refused('a sparse file in a form that is not read');
    at += length;
  }
  return meta;
}

function parseSize(value: string): number {
  const size = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw refused('a size is malformed');
  return size;
}

class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #buffered: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async take(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.stream(size)) parts.push(part);
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  async *stream(size: number): AsyncGenerator<Buffer> {
    for (let missing = size; missing > 0; ) {
      if (this.#buffered.length === 0) this.#buffered = await this.#next();
      const part = this.#buffered.subarray(0, missing);
      this.#buffered = this.#buffered.subarray(part.length);
      missing -= part.length;
      yield part;
    }
  }

  async skipPadding(size: number): Promise<void> {
    await this.take((BLOCK - (size % BLOCK)) % BLOCK);
  }

  async #next(): Promise<Buffer> {
    const next = await this.#source.next();
    if (next.done === true) throw refused('it ends too early');
    return next.value;
  }
}

export function refused(reason: string): TerokError {
  return new TerokError('COPY_REFUSED', `The bottle's archive was refused: ${reason}.`, { context: { kind: 'archive', reason } });
}
