/*
 * Scope: how many objects a pack has and how long its longest chain of deltas is, from the heads of its entries alone.
 * Out of scope: contents. Fail-safe direction: a pack or index that is not understood is an error.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { TerokError } from '../../../core/errors.ts';

export interface PackFacts {
  readonly objects: number;
  /** 0 where nothing is a delta */
  readonly deltaDepth: number;
}

const OFS_DELTA = 6;
const REF_DELTA = 7;
/** Type and size take at most 10 bytes, an offset 10, an id 32 */
const HEAD_BYTES = 48;
const FANOUT_END = 8 + 256 * 4;

/** @param indexFile the `.idx` of version 2 beside the `.pack` */
export function readPackFacts(packFile: string, indexFile: string, idBytes: number): PackFacts {
  const index = readWhole(indexFile);
  if (index.readUInt32BE(0) !== 0xff744f63 || index.readUInt32BE(4) !== 2) throw malformed('its index is not of version 2');
  const count = index.readUInt32BE(FANOUT_END - 4);
  const offsets = readOffsets(index, count, idBytes);
  const pack = openSync(packFile, 'r');
  try {
    const baseOf = (offset: number): number | undefined =>
      readBase(pack, offset, (id) => findOffset(index, { count, idBytes, id, offsets }));
    return { objects: count, deltaDepth: longestChain(offsets, baseOf) };
  } finally {
    closeSync(pack);
  }
}

function readWhole(file: string): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(fstatSync(descriptor).size);
    for (let at = 0; at < bytes.length; ) {
      const read = readSync(descriptor, bytes, at, bytes.length - at, at);
      if (read === 0) throw malformed('its index is cut off');
      at += read;
    }
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

function readOffsets(index: Buffer, count: number, idBytes: number): Float64Array {
  const small = FANOUT_END + count * (idBytes + 4);
  const large = small + count * 4;
  const offsets = new Float64Array(count);
  for (let at = 0; at < count; at += 1) {
    const value = index.readUInt32BE(small + at * 4);
    offsets[at] = value < 0x8000_0000 ? value : Number(index.readBigUInt64BE(large + (value - 0x8000_0000) * 8));
  }
  return offsets;
}

/** An entry is `type and size`, then for a delta the distance to its base or the id of it. */
function readBase(pack: number, offset: number, find: (id: Buffer) => number | undefined): number | undefined {
  const head = Buffer.alloc(HEAD_BYTES);
  readSync(pack, head, 0, HEAD_BYTES, offset);
  const type = ((head[0] ?? 0) >> 4) & 7;
  let at = 0;
  while (((head[at] ?? 0) & 0x80) !== 0) at += 1;
  at += 1;
  if (type === REF_DELTA) return find(head.subarray(at));
  if (type !== OFS_DELTA) return undefined;
  let distance = (head[at] ?? 0) & 0x7f;
  while (((head[at] ?? 0) & 0x80) !== 0) {
    at += 1;
    distance = (distance + 1) * 128 + ((head[at] ?? 0) & 0x7f);
  }
  return offset - distance;
}

function findOffset(
  index: Buffer,
  { count, idBytes, id, offsets }: { count: number; idBytes: number; id: Buffer; offsets: Float64Array },
): number | undefined {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    const start = FANOUT_END + middle * idBytes;
    const order = index.compare(id, 0, idBytes, start, start + idBytes);
    if (order === 0) return offsets[middle];
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return undefined;
}

function longestChain(offsets: Float64Array, baseOf: (offset: number) => number | undefined): number {
  const depths = new Map<number, number>();
  let longest = 0;
  for (const start of offsets) {
    const chain: number[] = [];
    let offset: number | undefined = start;
    while (offset !== undefined && !depths.has(offset)) {
      chain.push(offset);
      if (chain.length > offsets.length) throw malformed('its deltas go in a circle');
      offset = baseOf(offset);
    }
    let depth = offset === undefined ? -1 : (depths.get(offset) ?? -1);
    for (const link of chain.reverse()) {
      depth += 1;
      depths.set(link, depth);
    }
    longest = Math.max(longest, depth);
  }
  return longest;
}

function malformed(problem: string): TerokError {
  return new TerokError('GIT_FAILED', `The pack of the push cannot be judged: ${problem}.`);
}
