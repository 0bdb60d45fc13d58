// Prints the probe of the Podman backend for whoever runs it, as one line of JSON.
import { createPodmanBackend } from '../../../src/backends/podman/index.ts';
import { resolvePaths } from '../../../src/core/index.ts';

process.stdout.write(`${JSON.stringify(await createPodmanBackend({ paths: resolvePaths(), env: process.env }).probe())}\n`);
