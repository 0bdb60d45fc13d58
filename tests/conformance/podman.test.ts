import { openPodmanFixture } from '../support/podman-fixture.ts';
import { describeBackend, freshSlug } from './describe-backend.ts';

describeBackend({
  name: `podman ${process.getuid?.() === 0 ? 'rootful' : 'rootless'}`,
  requireEnv: 'TEROK_REQUIRE_PODMAN',
  skip: [],
  setup: () => openPodmanFixture({ freshSlug }),
});
