export { type ForgeAccess, type ForgeKeys, openForgeKeys } from './forge-api.ts';
export { ensureProjectKey, projectKeyFile } from './project-key.ts';
export { openPullRequest, type PullRequest, type PullRequestWish } from './pull-request.ts';
export { createTaskKey, listTaskKeys, revokeTaskKeys, type TaskKey, taskKeyName } from './task-keys.ts';
export { Upstream, type UpstreamPush } from './upstream.ts';
export { knownHostsFile, readUpstream, rootsFile, type UpstreamRecord, writeUpstream } from './upstream-record.ts';
export { parseUpstreamUrl, type UpstreamUrl } from './upstream-url.ts';
