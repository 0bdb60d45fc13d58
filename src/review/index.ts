export { BlobReader } from './blob-reader.ts';
export type { FileKind, RunsWhen } from './file-kind.ts';
export { type HiddenKind, type HiddenScan, type HiddenText, hiddenKindsIn, scanDiff } from './hidden-text.ts';
export { kindOf } from './kind-of.ts';
export { FILE_KINDS } from './kinds/index.ts';
export { type ReEntry, type ReturningFile, reEntryOf } from './re-entry.ts';
export { type CountedChange, readTreeChanges, type TreeRange } from './tree-changes.ts';
export { type ReadBlob, type TreeChange, type TrustFinding, type TrustSurface, trustSurfaceOf } from './trust-surface.ts';
