export type { BottleBackend, CallOptions, LaunchInputs, ProbeFinding, ProbeReport, RuntimeEntry } from './backend.ts';
export type {
  Bottle,
  BottlePlan,
  BottleProcess,
  BottleSpec,
  BottleStatus,
  BottleUser,
  BufferedExecOptions,
  CopyInOptions,
  CopyOutOptions,
  CopyReport,
  ExecOptions,
  ExecResult,
  ExitStatus,
  LimitName,
  ResourceLimits,
  SealedNetwork,
  SeedFile,
  TerminalSize,
} from './bottle.ts';
export type { BackendCapabilities } from './capabilities.ts';
export type { CredentialInjection, EgressPolicy, Route } from './egress-policy.ts';
export { entryPoint } from './entry-point.ts';
export { ERROR_EXIT_STATUS, type ErrorCode, ignoreCodes, isTerokError, messageOf, systemCodeOf, TerokError, type TerokErrorOptions } from './errors.ts';
export type { BuildImageOptions, ImageStore, StoredImage } from './image-store.ts';
export { type LockOptions, withLock } from './lock.ts';
export { bottleDirs, makePrivateDir, resolvePaths, type TerokPaths } from './paths.ts';
export { helperEnvironment, type RunOptions, type RunResult, run, runOrThrow } from './process.ts';
export { MAX_SLUG_LENGTH, parseSlug } from './slug.ts';
export { readStateFile, writePrivateFile, writeStateFile } from './state-file.ts';
