/*
 * Scope: how many objects a pack has and how long its longest chain of deltas is, from the heads of its entries alone.
 * Out of scope: contents. Fail-safe direction: a pack or index that is not understood is an error.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { malformedPack, PackIndex } from './pack-index.ts';

export interface PackFacts {
  readonly objects: number;
  /** 0 where nothing is a delta */
  readonly deltaDepth: number;
}

const OFS_DELTA = 6;
const REF_DELTA = 7;
/** Type and size take at most 10 bytes, an offset 10, an id 32 */
const HEAD_BYTES = 48;

/** @param indexFile the `.idx` of version 2 beside the `.pack` */
export function readPackFacts(packFile: string, indexFile: string, idBytes: number): PackFacts {
  const index = new PackIndex(indexFile);
  const offsets = index.offsets(idBytes);
  const offsetOf = (id: Buffer): number | undefined => offsets[index.find(id) ?? -1];
  const pack = openSync(packFile, 'r');
  try {
    const baseOf = (offset: number): number | undefined => readBase(pack, offset, (head) => offsetOf(head.subarray(0, idBytes)));
    return { objects: index.count, deltaDepth: longestChain(offsets, baseOf) };
  } finally {
    closeSync(pack);
  }
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

function longestChain(offsets: Float64Array, baseOf: (offset: number) => number | undefined): number {
  const depths = new Map<number, number>();
  let longest = 0;
  for (const start of offsets) {
    const chain: number[] = [];
    let offset: number | undefined = start;
    while (offset !== undefined && !depths.has(offset)) {
      chain.push(offset);
      if (chain.length > offsets.length) throw malformedPack('its deltas go in a circle');
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
