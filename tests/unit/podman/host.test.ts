import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareVersions } from '../../../src/backends/oci/index.ts';
import { cgroupLayout } from '../../../src/backends/oci/machine.ts';
import { createPodmanBackend } from '../../../src/backends/podman/index.ts';
import { resolvePaths } from '../../../src/core/index.ts';

describe('looking at the host', () => {
  it.each([
    ['30 20 0:25 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw', 'v2'],
    [
      '30 20 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n31 30 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n32 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu',
      'hybrid',
    ],
    ['30 20 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n32 30 0:27 / /sys/fs/cgroup/cpu rw shared:4 master:1 - cgroup cgroup rw,cpu', 'v1'],
    ['20 1 0:25 / /proc rw - proc proc rw', 'none'],
  ])('reads the cgroup layout %#', (mounts, layout) => {
    expect(cgroupLayout(mounts)).toBe(layout);
  });

  it('compares versions by their numbers', () => {
    expect(compareVersions('4.10.0', '4.9.9')).toBeGreaterThan(0);
    expect(compareVersions('4.3.1+ds1-8', '4.3.1')).toBe(0);
    expect(compareVersions('v5', '4.9.9-dev')).toBeGreaterThan(0);
  });

  it('finds no Podman in a PATH without it, says how to get it, and throws only when it is needed', async () => {
    const dir = await mkdtemp('/tmp/tpb-probe-');
    try {
      const env = { PATH: dir, TEROK_RUNTIME_DIR: path.join(dir, 'r'), TEROK_STATE_DIR: path.join(dir, 's') };
      const backend = createPodmanBackend({ paths: resolvePaths(env), env });
      const report = await backend.probe();
      expect(report).toMatchObject({
        state: 'absent',
        findings: [{ code: 'PODMAN_MISSING', fix: expect.stringContaining('apt-get install podman') }],
      });
      await expect(backend.list()).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', hint: expect.stringContaining('Install') });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
