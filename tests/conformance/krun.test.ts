import { createKrunBackend } from '../../src/backends/krun/index.ts';
import { openPodmanFixture } from '../support/podman-fixture.ts';
import { CASES } from './cases/index.ts';
import { describeBackend, freshSlug } from './describe-backend.ts';

/** Cases that make machines of their own, which is what takes time in the lab. */
const OWN_MACHINES = new Set('F05 F08 F18 F19 F20 F21 F22 F23 F24 F25 F26 F27 F29 F51 F54 F55 F56 F58 F63 F65'.split(' '));
/** `shared` or `own` runs one half of the suite, all of it where it is not set. */
const half = process.env.TEROK_CONFORMANCE_HALF;
/** `1/2` runs every other case of what is left, beginning with the first, `2/2` the others. */
const [shard = 1, shards = 1] = process.env.TEROK_CONFORMANCE_SHARD?.split('/').map(Number) ?? [];
const ofHalf = half === undefined ? CASES : CASES.filter(({ id }) => OWN_MACHINES.has(id) === (half === 'own'));

describeBackend({
  name: 'krun',
  requireEnv: 'TEROK_REQUIRE_KRUN',
  skip: half === 'shared' ? [{ test: 'F13', reason: 'takes minutes in an emulated machine; it is run by hand there' }] : [],
  cases: shards === 1 ? ofHalf : ofHalf.filter((_, index) => index % shards === shard - 1),
  setup: () => openPodmanFixture({ freshSlug, create: createKrunBackend }),
});
