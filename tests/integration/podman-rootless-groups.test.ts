/** A user on a host whose control groups are of version 2 alone: the lab is one. */
import { chown } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readMachine } from '../../src/backends/oci/machine.ts';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { type ProbeReport, patient, resolvePaths } from '../../src/core/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { createRootlessUser, giveImage, type RootlessUser, whyNoRootlessUser } from '../support/rootless.ts';
import { findTestImage } from './podman-fixture/test-bottle.ts';

const SLOW = { timeout: patient(120_000) };

describeUnless(await whyNoGroups(), 'limits of a user', () => {
  it(
    'hold where a control group was handed to him, and are named where Podman would forget them without a word',
    SLOW,
    async ({ skip }) => {
      const found = await findTestImage(createPodmanBackend({ paths: resolvePaths(), env: process.env }));
      const image = 'image' in found ? found.image : skip(found.reason);
      await using user = await createRootlessUser();
      await giveImage(user, image);
      const limit = ['podman', 'run', '--rm', '--network=none', '--memory=64m', image, 'cat', '/sys/fs/cgroup/memory.max'];
      expect((await user.run(limit, { ownGroup: false })).stdout.toString()).toBe('max\n');
      expect((await user.run(limit)).stdout.toString()).toBe(`${64 * 1024 ** 2}\n`);
      expect(await notesOf(user, false)).toContain('LIMITS_UNENFORCED');
      expect(await notesOf(user, true)).not.toContain('LIMITS_UNENFORCED');

      expect(await launch(user, image)).toBe('launched');
      // a group that only seems to be handed over: no process may go from one below it to another
      await chown(`/sys/fs/cgroup/${user.name}/cgroup.procs`, 0, 0);
      expect(await launch(user, image)).toBe('LIMIT_UNENFORCEABLE');
    },
  );
});

async function whyNoGroups(): Promise<string | undefined> {
  const { cgroups, systemd } = await readMachine();
  if (cgroups === 'v2' && !systemd) return await whyNoRootlessUser();
  return 'only a host with control groups of version 2 alone and without systemd; TEROK_LAB_SUITES=rootless runs it in the lab';
}

async function notesOf(user: RootlessUser, ownGroup: boolean): Promise<string[]> {
  const { stdout } = await user.run([user.node, fixture(user, 'probe-program.ts')], { ownGroup });
  const report = JSON.parse(stdout.toString()) as ProbeReport;
  return report.state === 'available' ? report.notes.map(({ code }) => code) : [];
}

/** What came of a bottle that the user wanted. */
async function launch(user: RootlessUser, image: string): Promise<string> {
  const { stdout, stderr } = await user.run([user.node, fixture(user, 'launch-program.ts'), image, path.join(user.home, 'terok')]);
  return stdout.toString() === '' ? stderr.toString() : stdout.toString();
}

function fixture(user: RootlessUser, name: string): string {
  return path.join(user.repository, 'tests/integration/podman-fixture', name);
}
