import { createKrunBackend } from '../../src/backends/krun/index.ts';
import { openPodmanFixture } from '../support/podman-fixture.ts';
import { describeBackend, freshSlug } from './describe-backend.ts';

describeBackend({
  name: 'krun',
  requireEnv: 'TEROK_REQUIRE_KRUN',
  skip: [],
  setup: () => openPodmanFixture({ freshSlug, create: createKrunBackend }),
});
