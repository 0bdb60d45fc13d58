export { EGRESS_SET_NAMES, type EgressSetName, type SetWish } from './egress-sets-schema.ts';
export {
  type LoadedConfig,
  loadGlobalConfig,
  loadProjectConfig,
  loadRepositoryRequests,
  projectConfigFile,
  REPOSITORY_FILE,
} from './load-config.ts';
export { mergeRequests, type Ungranted } from './merge-requests.ts';
export { parseConfig } from './parse-config.ts';
export { type RepositoryRequests, repositoryRequestsSchema, type Settings, settingsSchema } from './schema.ts';
export { type BackendWishes, DEFAULT_BACKEND, type KnownBackend, selectBackendName } from './select-backend.ts';
export {
  DEFAULT_LIMITS,
  type EffectiveSettings,
  type GitSettingsInEffect,
  type MergedSettings,
  mergeSettings,
  type SettingsOrigin,
} from './settings.ts';
export { resolveUpstreamProxy } from './upstream-proxy-schema.ts';
