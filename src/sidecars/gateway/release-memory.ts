import type nodeFfi from 'node:ffi';
import { readFileSync } from 'node:fs';

/**
 * Gives back what an idle process keeps without need: free pages of the C library's heap, and the pages of its programs (Node, the
 * libraries), which the kernel reads again from their files where they run next.
 */
export type ReleaseMemory = () => void;

/** Node calls its way to the C library experimental, at every start. */
export const RELEASE_FLAGS: readonly string[] = ['--disable-warning=ExperimentalWarning'];

/** A part of a file that is mapped to be run: never written, so that it can be read again. */
const PROGRAM_TEXT = /^([\da-f]+)-([\da-f]+) r-xp \S+ \S+ [1-9]\d* +\//;
const MADV_DONTNEED = 4;

/** Undefined where this version of Node cannot call the C library, or that has no `malloc_trim`. */
export function loadReleaseMemory(): ReleaseMemory | undefined {
  const ffi: typeof nodeFfi | undefined = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) return undefined;
  try {
    const { functions } = ffi.dlopen(null, {
      malloc_trim: { arguments: ['u64'], return: 'i32' },
      madvise: { arguments: ['u64', 'u64', 'i32'], return: 'i32' },
    });
    return () => {
      functions.malloc_trim(0n);
      for (const { start, length } of programText()) functions.madvise(start, length, MADV_DONTNEED);
    };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_FFI_CALL_FAILED') return undefined;
    throw error;
  }
}

function programText(): readonly { readonly start: bigint; readonly length: bigint }[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, from, to] = PROGRAM_TEXT.exec(line) ?? [];
      if (from === undefined || to === undefined) return [];
      const start = BigInt(`0x${from}`);
      return [{ start, length: BigInt(`0x${to}`) - start }];
    });
}
