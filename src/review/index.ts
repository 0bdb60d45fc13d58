export type { FileKind, RunsWhen } from './file-kind.ts';
export { kindOf } from './kind-of.ts';
export { FILE_KINDS } from './kinds/index.ts';
export { type ReadBlob, type TreeChange, type TrustFinding, type TrustSurface, trustSurfaceOf } from './trust-surface.ts';
