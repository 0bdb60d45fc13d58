/*
 * Scope: the frames of one direction of one WebSocket: their headers, and their payload unmasked. Out of scope: what is in it; whether
 * the frames are in order. Fail-safe direction: payload is told whatever the header claims about it.
 */

export interface FramePiece {
  /** Pings and the like (`control`) come between the frames of one message */
  readonly part: 'header' | 'message' | 'control';
  /** A header as it came; payload as it is meant */
  readonly bytes: Buffer;
  /** The payload of this frame is masked on the wire */
  readonly isMasked: boolean;
  /** The payload of this frame means what an extension makes of it */
  readonly isExtended: boolean;
}

const MAX_HEADER_BYTES = 14;

/** Follows the frames of one direction of one connection. */
export class WebSocketFrames {
  #header = Buffer.alloc(0);
  #mask: Buffer | undefined;
  #maskAt = 0;
  #left = 0;
  #frame: Omit<FramePiece, 'bytes'> = { part: 'message', isMasked: false, isExtended: false };

  /** Pieces in the order of the wire; the chunk stays as it is. */
  push(chunk: Buffer): readonly FramePiece[] {
    const pieces: FramePiece[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        at += this.#takeHeader(chunk.subarray(at), pieces);
        continue;
      }
      const part = chunk.subarray(at, at + this.#left);
      pieces.push({ ...this.#frame, bytes: this.#unmask(part) });
      at += part.length;
      this.#left -= part.length;
    }
    return pieces;
  }

  /** Collects a header; gives how many bytes it took. */
  #takeHeader(bytes: Buffer, pieces: FramePiece[]): number {
    const before = this.#header.length;
    const candidate = Buffer.concat([this.#header, bytes.subarray(0, MAX_HEADER_BYTES - before)]);
    const size = headerSize(candidate);
    if (size === undefined || candidate.length < size) {
      this.#header = candidate;
      return candidate.length - before;
    }
    const header = candidate.subarray(0, size);
    this.#readHeader(header);
    pieces.push({ ...this.#frame, part: 'header', bytes: header });
    this.#header = Buffer.alloc(0);
    return size - before;
  }

  #readHeader(header: Buffer): void {
    const [first = 0, second = 0] = header;
    const short = second & 0x7f;
    this.#left = short === 126 ? header.readUInt16BE(2) : short === 127 ? Number(header.readBigUInt64BE(2)) : short;
    this.#mask = (second & 0x80) === 0 ? undefined : Buffer.from(header.subarray(-4));
    this.#maskAt = 0;
    this.#frame = {
      part: (first & 0x08) === 0 ? 'message' : 'control',
      isMasked: this.#mask !== undefined,
      isExtended: (first & 0x70) !== 0,
    };
  }

  #unmask(part: Buffer): Buffer {
    const mask = this.#mask;
    if (mask === undefined) return part;
    const plain = Buffer.allocUnsafe(part.length);
    for (let at = 0; at < part.length; at += 1) plain[at] = (part[at] ?? 0) ^ (mask[(this.#maskAt + at) & 3] ?? 0);
    this.#maskAt = (this.#maskAt + part.length) & 3;
    return plain;
  }
}

/** Undefined where the first two bytes are not there yet. */
function headerSize(bytes: Buffer): number | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (((bytes[1] ?? 0) & 0x80) === 0 ? 0 : 4);
}
