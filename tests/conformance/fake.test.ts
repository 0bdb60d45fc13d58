import { createFakeBackend } from '../../src/backends/fake/index.ts';
import type { Bottle } from '../../src/core/index.ts';
import { temporaryPaths } from '../support/temporary-paths.ts';
import { describeBackend, freshSlug } from './describe-backend.ts';

const IMAGE = 'localhost/fake:test';

describeBackend({
  name: 'fake',
  requireEnv: 'TEROK_REQUIRE_FAKE',
  skip: [],
  setup: async () => {
    const home = await temporaryPaths();
    const backend = createFakeBackend({ paths: home.paths, images: [IMAGE] });
    const network = (ready: Promise<void>) => ({ namespacePath: '/proc/self/ns/net', execSocket: '/dev/null', ready });
    return {
      backend,
      directories: [home.root],
      launch: async (options = {}, hooks = {}): Promise<Bottle> => {
        const plan = await backend.resolve({
          slug: freshSlug(),
          project: 'conformance',
          image: IMAGE,
          env: {},
          limits: { memoryMiB: 512, cpus: 1, pids: 512, files: 4096 },
          unenforcedLimits: ['memory', 'cpus', 'pids', 'files'],
          sudo: false,
          egress: { version: 1, routes: [] },
          ...options,
        });
        const inputs = {
          network: network(hooks.ready ?? Promise.resolve()),
          seeds: [],
          onPhase: hooks.onPhase ?? (() => Promise.resolve()),
        };
        return await backend.launch(plan, inputs, hooks.signal === undefined ? {} : { signal: hooks.signal });
      },
      reopen: (bottle) => backend.open(bottle.plan, network(Promise.resolve())),
      cleanup: async () => {
        for (const { id } of await backend.list()) await backend.remove(id);
        await home[Symbol.asyncDispose]();
      },
    };
  },
});
