export { ApiService } from './api-service.ts';
export type { BottleWay } from './bottle-way.ts';
export { releaseCgroupNamespace } from './cgroup-namespace.ts';
export type { ContainerProfile, OciHook } from './container-profile.ts';
export { allowedFiles } from './create-arguments.ts';
export { classifyFailure } from './failure.ts';
export type { PodmanFacts } from './host-facts.ts';
export { describeImageAgain } from './image-description.ts';
export { assertImageReference } from './image-reference.ts';
export { createImageStore } from './image-store.ts';
export {
  type ContainerDescription,
  type ImageDescription,
  LABELS,
  parseContainer,
  parsePodmanJson,
  toStatus,
} from './inspect.ts';
export type { Machine } from './machine.ts';
export { OciBackend, openOnce } from './oci-backend.ts';
export { type OciConfig, ociConfigSchema } from './oci-config.ts';
export { createPodmanHost, examinePodmanHost, type HostExamination, type PodmanHost, type PodmanHostOptions } from './podman-host.ts';
export { compareVersions, PODMAN_FLOOR, processLimitThatWorks, REMOVE_ATTEMPTS, RESIZE_OK_STATUS } from './quirks.ts';
export { removeLabelled } from './remove.ts';
export { resolvePlan, unenforceableLimits } from './resolve-plan.ts';
export { bottleSeccompProfile, type SeccompProfile, type SeccompRule } from './seccomp/profile.ts';
export { writeSeccompProfile } from './seccomp/write-profile.ts';
export { type ContainerStorage, readContainerStorage } from './storage-record.ts';
