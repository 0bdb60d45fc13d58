import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { resolvePaths } from '../../src/core/index.ts';
import { buildImages } from '../../src/images/index.ts';
import { createTerok } from '../../src/tasks/index.ts';

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

/** As `terok image build --agent NAME` makes it: the image with that agent. */
export async function agentImage(name: string, onStep: (message: string) => void): Promise<string> {
  const onProgress = ({ message }: { readonly message: string }): void => onStep(`image with ${name}: ${message}`);
  const images = await createTerok({ env: process.env }).images.build({ agents: [name], onProgress });
  const found = images.find(({ agents }) => agents.includes(name));
  if (found === undefined) throw new Error(`No image with ${name} was built.`);
  return found.reference;
}
