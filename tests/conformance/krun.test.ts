import { createKrunBackend } from '../../src/backends/krun/index.ts';
import { openPodmanFixture } from '../support/podman-fixture.ts';
import { CASES } from './cases/index.ts';
import { describeBackend, freshSlug } from './describe-backend.ts';
import type { ConformanceCase } from './support/case.ts';

/** Cases that make machines of their own, which is what takes time in the lab. */
const OWN_MACHINES = new Set('F05 F08 F18 F19 F20 F21 F22 F23 F24 F25 F26 F27 F29 F51 F54 F55 F56 F58 F63 F65'.split(' '));
const F13_REASON = 'takes minutes in an emulated machine; it is run by hand there';
/** `shared` runs those that share one machine, `own` the others; all run where it is not set. */
const half = process.env.TEROK_CONFORMANCE_HALF;
/** `1/2` runs every other case of its half, beginning with the first, `2/2` the others. */
const [shard = 1, shards = 1] = process.env.TEROK_CONFORMANCE_SHARD?.split('/').map(Number) ?? [];

const ownMachines = CASES.filter(({ id }) => OWN_MACHINES.has(id));
const oneMachine = CASES.filter(({ id }) => !OWN_MACHINES.has(id));
const ofShard = (cases: readonly ConformanceCase[]): readonly ConformanceCase[] => cases.filter((_, index) => index % shards === shard - 1);

describeBackend({
  name: 'krun',
  requireEnv: 'TEROK_REQUIRE_KRUN',
  ...chosen(),
  setup: () => openPodmanFixture({ freshSlug, create: createKrunBackend }),
});

function chosen(): {
  readonly cases: readonly ConformanceCase[];
  readonly skip: readonly { readonly test: string; readonly reason: string }[];
} {
  if (half === undefined) return { cases: CASES, skip: [] };
  if (half === 'own') return { cases: ofShard(ownMachines), skip: [] };
  return { cases: ofShard(oneMachine), skip: [{ test: 'F13', reason: F13_REASON }] };
}
