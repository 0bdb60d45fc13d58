import { REQUIRED_CAPABILITIES } from '../../exec-channel/index.ts';
import { allowedFiles, type ContainerProfile } from '../oci/index.ts';
import { API_INIT_COMMAND, apiSeeds, openApiWay } from './api-way.ts';

/** A bottle that is a container: its first process, limits and rights are those of the bottle itself. */
export const CONTAINER_PROFILE: ContainerProfile = {
  capabilities: REQUIRED_CAPABILITIES,
  stopSignal: 'SIGTERM',
  noNewPrivileges: ({ spec }) => !spec.sudo,
  annotations: () => ({}),
  limits: ({ spec }, host) => ({ ...spec.limits, files: allowedFiles(spec.limits.files, host) }),
  provesItself: false,
  refusedFiles: [],
  hooks: [],
  seeds: () => [],
  withoutSsh: { init: API_INIT_COMMAND, seeds: apiSeeds, open: openApiWay },
};
