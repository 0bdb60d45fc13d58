/** Caps of one scan; above them the push is refused. */
export const SCAN_LIMITS = {
  /** New objects: the history of a large project */
  objects: 1_000_000,
  /** Uncompressed bytes of all new objects: what a small pack can blow up to */
  bytes: 8 * 1024 ** 3,
  /** Bytes of one commit, tag or tree: a directory of 100 000 files, which is read into memory */
  structureBytes: 8 * 1024 ** 2,
  /** New files that stand for objects of Git LFS */
  pointers: 20_000,
  /** Longest chain of deltas in a pack: git itself makes at most 4 095 */
  deltaDepth: 4_096,
  /** One scan, in `ms` */
  scanMs: 10 * 60_000,
} as const;
