export { type BottleCa, issuerOf } from '../certificate.ts';
export { combinedBundle, mintBottleCa } from './ca.ts';
export { credentialPlaceFields, oneCredentialPlace } from './credential-schema.ts';
export { egressPolicySchema, hostBlockSchema, mergeRoutes, parseEgressPolicy, parseRoutes } from './egress-plan.ts';
export {
  type EnvironmentEntry,
  type EnvironmentInputs,
  isOwnedVariable,
  PromptedSecret,
  type ResolvedEnvironment,
  resolveEnvironment,
} from './environment.ts';
export { javaTruststore } from './java-truststore.ts';
export { type HostResources, hostResources, parseMemoryMiB, resolveLimits } from './limits.ts';
export { acquireLoopbackAlias, releaseLoopbackAlias } from './loopback.ts';
export {
  type BottlePhase,
  type BottleRecord,
  listRecords,
  type RecordEntry,
  readRecord,
  recordFile,
  updateRecord,
  writeRecord,
} from './metadata.ts';
export { type ConfiguredRoute, routeSchema } from './route-schema.ts';
export { mintSlug, reserveName, reserveSlug, resolveSlugPrefix, type SlugWish, takenSlugs } from './slug.ts';
export { type TrustPaths, trustEnvironment, withTrust } from './trust-environment.ts';
