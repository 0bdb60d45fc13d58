/** Caps of everything that a bottle can make the gate do. */
export const LIMITS = {
  /** Bytes of one push on the wire; also `receive.maxInputSize`. Far above a day's work, far below a disk */
  pushBytes: 2 * 1024 ** 3,
  /** Bytes of one negotiation after decompression: 50 for each of 160 000 known commits; below the 10 MiB that git itself buffers */
  negotiationBytes: 8 * 1024 ** 2,
  /** Bytes of all packs of one task's repository, beside those of its project */
  repositoryBytes: 8 * 1024 ** 3,
  /** Packs of one task's repository, one for each push: more make every look-up slow */
  packs: 2_000,
  /** One push or clone, in `ms` */
  requestMs: 30 * 60_000,
  /** What one program that serves a request may use */
  process: {
    /** Bytes of private memory: deltas of a large pack need hundreds of MiB */
    memoryBytes: 2 * 1024 ** 3,
    /** Processor time of each program of the request */
    processorSeconds: 20 * 60,
    /** Bytes of the largest file: a pack that was filled up with its bases */
    fileBytes: 4 * 1024 ** 3,
    openFiles: 4_096,
  },
  /** git gets this long to clean up after a signal, in `ms` */
  terminateMs: 2_000,
  /** Requests at once: an agent with a few parallel sub-agents needs fewer */
  concurrent: 8,
  /** Bytes of the header that `git http-backend` answers with: about 200 in practice */
  headerBytes: 16 * 1024,
  /** Bytes of its stderr that are kept for the record */
  stderrBytes: 4 * 1024,
  /** Bytes of one object of Git LFS, and of all that one task pushed */
  lfsObjectBytes: 2 * 1024 ** 3,
  lfsBytes: 8 * 1024 ** 3,
  /** Objects of one batch, of which git-lfs asks for 100 at once, and bytes of its request */
  lfsBatch: 1_000,
  lfsBatchBytes: 1024 ** 2,
  /** Force pushes and deletions that are kept as backups */
  backups: 200,
} as const;
