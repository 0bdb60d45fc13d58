/** Packs that git would not make. */
import { createHash } from 'node:crypto';

export type EntryType = 'commit' | 'tree' | 'blob';

const TYPES: Readonly<Record<EntryType, number>> = { commit: 1, tree: 2, blob: 3 };
const OFS_DELTA = 6;
const REF_DELTA = 7;
const ADLER = 65_521;
/** Bytes of one stored block of deflate */
const BLOCK = 65_535;

export interface PackEntry {
  readonly bytes: Iterable<Buffer>;
}

/** Object id of SHA-1 */
export function idOf(type: EntryType, content: Buffer): string {
  return createHash('sha1').update(`${type} ${content.length}\0`).update(content).digest('hex');
}

/** Content as it is: no time goes into compressing it. */
export function storedEntry(type: EntryType, content: Buffer): PackEntry {
  return { bytes: [entryHead(TYPES[type], content.length), ...stored(content)] };
}

/** A delta against the entry that lies `distance` bytes before. */
export function deltaEntry(distance: number, delta: Buffer): PackEntry {
  const offset = [distance & 0x7f];
  for (let left = distance >> 7; left > 0; left >>= 7) {
    left -= 1;
    offset.unshift((left & 0x7f) | 0x80);
  }
  return { bytes: [entryHead(OFS_DELTA, delta.length), Buffer.from(offset), ...stored(delta)] };
}

/** A delta against an object that the other side is to have. */
export function thinEntry(base: string, delta: Buffer): PackEntry {
  return { bytes: [entryHead(REF_DELTA, delta.length), Buffer.from(base, 'hex'), ...stored(delta)] };
}

/** Header, entries and checksum, as they come: nothing of a large pack is kept. */
export function* packOf(count: number, entries: Iterable<PackEntry>): Generator<Buffer> {
  const hash = createHash('sha1');
  const head = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  head.writeUInt32BE(count, 8);
  hash.update(head);
  yield head;
  for (const { bytes } of entries) {
    for (const part of bytes) {
      hash.update(part);
      yield part;
    }
  }
  yield hash.digest();
}

function entryHead(type: number, size: number): Buffer {
  const bytes = [(type << 4) | (size & 0x0f)];
  for (let left = Math.floor(size / 16); left > 0; left = Math.floor(left / 128)) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(left & 0x7f);
  }
  return Buffer.from(bytes);
}

function* stored(content: Buffer): Generator<Buffer> {
  yield Buffer.from([0x78, 0x01]);
  for (let at = 0; at === 0 || at < content.length; at += BLOCK) {
    yield block(content.subarray(at, at + BLOCK), at + BLOCK >= content.length);
  }
  const [a, b] = adlerOf(content);
  const sum = Buffer.alloc(4);
  sum.writeUInt16BE(b, 0);
  sum.writeUInt16BE(a, 2);
  yield sum;
}

function block(content: Buffer, last: boolean): Buffer {
  const head = Buffer.alloc(5);
  head[0] = last ? 1 : 0;
  head.writeUInt16LE(content.length, 1);
  head.writeUInt16LE(~content.length & 0xffff, 3);
  return Buffer.concat([head, content]);
}

function adlerOf(content: Buffer): [number, number] {
  let [a, b] = [1, 0];
  for (let at = 0; at < content.length; ) {
    // Below the 5 552 bytes after which the sums leave 32 bits
    for (const end = Math.min(content.length, at + 4_096); at < end; at += 1) {
      a += content[at] ?? 0;
      b += a;
    }
    a %= ADLER;
    b %= ADLER;
  }
  return [a, b];
}

/** As `pkt-line`: its length, then the text. */
export function packet(text: string): string {
  return (Buffer.byteLength(text, 'latin1') + 4).toString(16).padStart(4, '0') + text;
}

export interface Treeful {
  readonly tree: Buffer;
  readonly commit: Buffer;
  /** Object id of the commit */
  readonly tip: string;
}

/** A commit on top of `parent` whose tree holds these blobs: name → object id. */
export function commitOf(parent: string, blobs: Readonly<Record<string, string>>): Treeful {
  const names = Object.keys(blobs).sort();
  const tree = Buffer.concat(names.map((name) => Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.from(blobs[name] ?? '', 'hex')])));
  const who = 'Agent <agent@example.test> 1700000000 +0000';
  const commit = Buffer.from(`tree ${idOf('tree', tree)}\nparent ${parent}\nauthor ${who}\ncommitter ${who}\n\nMade by hand\n`);
  return { tree, commit, tip: idOf('commit', commit) };
}
