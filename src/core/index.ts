export { askServer, type ServerAnswer, type ServerRequest } from './ask-server.ts';
export { type AuditEvent, openAuditLog } from './audit-log.ts';
export { type AuditAnchor, type AuditVerdict, anchorOf, verifyAuditLog } from './audit-verify.ts';
export type { BottleBackend, LaunchInputs, ProbeFinding, ProbeReport, RuntimeEntry } from './backend.ts';
export type {
  Bottle,
  BottlePlan,
  BottleProcess,
  BottleSpec,
  BottleStatus,
  BottleUser,
  BufferedExecOptions,
  CopiedFile,
  CopyInOptions,
  CopyOutOptions,
  CopyReport,
  ExecOptions,
  ExecResult,
  ExitStatus,
  LimitName,
  PublishedPort,
  ResourceLimits,
  SealedNetwork,
  SeedFile,
  TerminalSize,
} from './bottle.ts';
export type { CallOptions } from './call-options.ts';
export { canonicalJson, digestOf } from './canonical-json.ts';
export type { BackendCapabilities } from './capabilities.ts';
export { type BottleCa, type CertificateBuilder, type CertificateIssuer, issuerOf, loadCertificateBuilder } from './certificate.ts';
export type { CredentialInjection, CredentialPlace, OAuthAnswer } from './credential-injection.ts';
export type { DataLossAction, DataLossRule } from './data-loss-rule.ts';
export type { Condition, EgressPolicy, HostBlock, Route, RouteBudget, TenantPin } from './egress-policy.ts';
export {
  ERROR_EXIT_STATUS,
  type ErrorCode,
  ignoreCodes,
  isTerokError,
  messageOf,
  systemCodeOf,
  TerokError,
  type TerokErrorOptions,
} from './errors.ts';
export { isGateHost, uncheckedGateHosts } from './forge-hosts.ts';
export { DEFAULT_GATE_RULES, DEFAULT_RULE_ACTIONS, type GateRules, type RuleAction, type RuleName } from './gate-rules.ts';
export { hasLivingGit } from './git-children.ts';
export { BARE_REPOSITORY_CONFIG, type GitSettings, hostGitEnvironment, type ObjectFormat } from './host-git.ts';
export {
  HOST_LOOPBACK_NAME,
  HOST_NAME_RULES,
  type HostNameProblem,
  type HostNameResult,
  hostPatternCovers,
  parseHostName,
  parseWireHostName,
} from './host-name.ts';
export { type HostRoad, proxyTo, type RoadProxy } from './host-road.ts';
export { hostRoots } from './host-roots.ts';
export type { BuildImageOptions, ImageStore, StoredImage } from './image-store.ts';
export { type LockOptions, withLock } from './lock.ts';
export { ownFile } from './own-file.ts';
export { parseJson } from './parse-json.ts';
export { bottleDirs, makePrivateDir, resolvePaths, type TerokPaths } from './paths.ts';
export { patient } from './patience.ts';
export { helperEnvironment, type RunOptions, type RunResult, run, runOrThrow } from './process.ts';
export { currentProcess, identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';
export { processIdentitySchema } from './process-identity-schema.ts';
export { mergePorts, parsePublishedPort } from './published-port.ts';
export { refOption } from './ref-option.ts';
export { renderUntrusted } from './render-untrusted.ts';
export { normalisePath, type PathProblem, pathPrefixCovers, plainPath, type RequestPath } from './request-path.ts';
export {
  type EnvironmentEntry,
  type EnvironmentInputs,
  isOwnedVariable,
  PromptedSecret,
  type ResolvedEnvironment,
  resolveEnvironment,
} from './resolve/environment.ts';
export { type HostResources, hostResources, parseMemoryMiB, resolveLimits } from './resolve/limits.ts';
export { acquireLoopbackAlias, releaseLoopbackAlias } from './resolve/loopback.ts';
export {
  type BottlePhase,
  type BottleRecord,
  listRecords,
  type RecordEntry,
  readRecord,
  recordFile,
  updateRecord,
  writeRecord,
} from './resolve/metadata.ts';
export { mintSlug, reserveName, reserveSlug, resolveSlugPrefix, type SlugWish, takenSlugs } from './resolve/slug.ts';
export { type Clock, endAfter, msLeft, readClock } from './route-end.ts';
export { type GitOptions, git, gitText, resolveRevision } from './run-git.ts';
export { RuntimeBackend } from './runtime-backend.ts';
export { SECRET_NAME } from './secret-name.ts';
export { settleAll } from './settle-all.ts';
export { isTaskBranch, MAX_SLUG_LENGTH, parseSlug } from './slug.ts';
export { splitNul } from './split-nul.ts';
export { createSshKey, type SshKey } from './ssh-key.ts';
export { removeStaleGitLocks } from './stale-git-locks.ts';
export { readStateFile, writePrivateFile, writeStateFile } from './state-file.ts';
