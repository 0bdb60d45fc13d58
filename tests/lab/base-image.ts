import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { resolvePaths } from '../../src/core/index.ts';
import { buildImages } from '../../src/images/index.ts';

/** The base image of bottles in the store of this host, built where it is missing. */
export async function baseImage(onStep: (message: string) => void): Promise<string> {
  const paths = resolvePaths(process.env);
  const { images: store } = createPodmanBackend({ paths, env: process.env });
  const request = { base: { kind: 'debian' }, agents: [], sudo: false } as const;
  const onProgress = (event: { readonly kind: string; readonly message?: string }): void => {
    if (event.kind === 'step') onStep(`base image: ${event.message ?? ''}`);
  };
  return (await buildImages({ store, request, paths, onProgress })).reference;
}
