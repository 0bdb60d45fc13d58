export { createPodmanBackend, type PodmanBackendOptions } from './podman-backend.ts';
