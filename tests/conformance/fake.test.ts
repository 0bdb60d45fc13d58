import type { Server } from 'node:net';
import { createFakeBackend } from '../../src/backends/fake/index.ts';
import { acquireLoopbackAlias, type Bottle } from '../../src/core/index.ts';
import { openPublishedPorts } from '../../src/sidecars/gateway/index.ts';
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
    const addressOf = ({ id }: { readonly id: string }): Promise<string> => acquireLoopbackAlias(home.paths, id);
    const servers: Server[] = [];
    const network = (ready: Promise<void>) => ({ namespacePath: '/proc/self/ns/net', execSocket: '/dev/null', ready });
    return {
      backend,
      addressOf,
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
        const bottle = await backend.launch(plan, inputs, hooks.signal === undefined ? {} : { signal: hooks.signal });
        const published = { address: await addressOf(bottle), ports: options.ports ?? [] };
        servers.push(...(await openPublishedPorts(published, (port) => bottle.connect(port))));
        return bottle;
      },
      reopen: (bottle) => backend.open(bottle.plan, network(Promise.resolve())),
      cleanup: async () => {
        for (const server of servers) server.close();
        for (const { id } of await backend.list()) await backend.remove(id);
        await home[Symbol.asyncDispose]();
      },
    };
  },
});
