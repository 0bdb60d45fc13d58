// Before the tests that make bottles: directories of their own in the place of the user's, and the base image, built as
// `terok image build` builds it, if the machine does not have it. Test files find both in the environment.
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { baseImage } from './base-image.ts';
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
  const { state } = await createPodmanBackend({ paths: home.paths, env: { ...process.env, ...home.env } }).probe();
  // In the user's directories, where the lab builds it too: one waits for the other. Empty where Podman cannot be used: the tests then say
  // why they are skipped, or fail where Podman is required.
  const image = state === 'available' ? await baseImage((step) => console.log(step)) : '';
  Object.assign(process.env, home.env, { TEROK_TEST_IMAGE: image });
  return async () => {
    await home[Symbol.asyncDispose]();
  };
}
