export { ensureProjectKey, projectKeyFile } from './project-key.ts';
export { Upstream, type UpstreamPush } from './upstream.ts';
export { readUpstream, type UpstreamRecord, writeUpstream } from './upstream-record.ts';
export { parseUpstreamUrl, type UpstreamUrl } from './upstream-url.ts';
