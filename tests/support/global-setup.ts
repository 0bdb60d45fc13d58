// Before the tests that make bottles: directories of their own in the place of the user's, and the base image, built as
// `terok image build` builds it, if the machine does not have it. Test files find both in the environment.
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import type { ImageStore, TerokPaths } from '../../src/core/index.ts';
import { buildImages, type OnImageProgress } from '../../src/images/index.ts';
import { temporaryPaths } from './temporary-paths.ts';

/** Several projects name this file, each loads it anew, and all at once: what the first one began is kept for all. */
const shared = globalThis as { terokTestSetup?: Promise<() => Promise<void>> };

export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEROK_TEST_IMAGE !== undefined) return undefined;
  const isFirst = shared.terokTestSetup === undefined;
  shared.terokTestSetup ??= prepare();
  const tearDown = await shared.terokTestSetup;
  return isFirst ? tearDown : undefined;
}

async function prepare(): Promise<() => Promise<void>> {
  const home = await temporaryPaths();
  Object.assign(process.env, home.env);
  const backend = createPodmanBackend({ paths: home.paths, env: process.env });
  const { state } = await backend.probe();
  // Empty where Podman cannot be used: the tests then say why they are skipped, or fail where Podman is required.
  process.env.TEROK_TEST_IMAGE = state === 'available' ? await baseImage(backend.images, home.paths) : '';
  return async () => {
    await home[Symbol.asyncDispose]();
  };
}

async function baseImage(store: ImageStore, paths: TerokPaths): Promise<string> {
  const onProgress: OnImageProgress = (event) => {
    if (event.kind === 'step') console.log(`base image: ${event.message}`);
  };
  const request = { base: { kind: 'debian' }, agents: [], sudo: false } as const;
  return (await buildImages({ store, request, paths, onProgress })).reference;
}
