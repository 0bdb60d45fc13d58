import type nodeFfi from 'node:ffi';

/** Gives the free pages of the C library's heap back to the system, which it keeps by itself wherever something above them is in use. */
export type TrimHeap = () => void;

/** Node calls its way to the C library experimental, at every start. */
export const TRIM_FLAGS: readonly string[] = ['--disable-warning=ExperimentalWarning'];

/** Undefined where this version of Node cannot call the C library, or that has no `malloc_trim`. */
export function loadTrimHeap(): TrimHeap | undefined {
  const ffi: typeof nodeFfi | undefined = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) return undefined;
  try {
    const { functions } = ffi.dlopen(null, { malloc_trim: { arguments: ['u64'], return: 'i32' } });
    return () => void functions.malloc_trim(0n);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_FFI_CALL_FAILED') return undefined;
    throw error;
  }
}
