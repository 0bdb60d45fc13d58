import { createImageStore, createPodmanHost } from '../../src/backends/oci/index.ts';
import { resolvePaths } from '../../src/core/index.ts';
import { buildImages } from '../../src/images/index.ts';

/** Builds the base image with sudo as its own process, for a test that kills it; prints progress. */
const paths = resolvePaths(process.env);
const store = createImageStore(() => createPodmanHost({ env: process.env, runtimeDir: paths.runtime }));
await buildImages({
  store,
  paths,
  request: { base: { kind: 'debian' }, agents: [], sudo: true },
  onProgress: (event) => process.stdout.write(`${event.kind === 'step' ? event.message : event.line}\n`),
});
