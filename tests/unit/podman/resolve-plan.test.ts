import { describe, expect, it } from 'vitest';
import type { PodmanHost } from '../../../src/backends/oci/index.ts';
import { resolvePlan, unenforceableLimits } from '../../../src/backends/oci/resolve-plan.ts';
import type { BottleSpec } from '../../../src/core/index.ts';
import { testSpec } from '../../integration/podman-fixture/test-bottle.ts';

const PATHS = { config: '/c', data: '/d', state: '/s', cache: '/k', runtime: '/r' };

function hostLike(facts: Partial<PodmanHost['facts']>, mayMakeGroups = false): PodmanHost {
  const all = {
    version: '4.3.1',
    rootless: false,
    graphRoot: '/g',
    graphDriver: 'overlay',
    runRoot: '/rr',
    cgroupVersion: 'v2',
    cgroupManager: 'systemd',
    controllers: ['cpu', 'memory', 'pids'],
    runtime: { name: 'crun', path: '/usr/bin/crun', version: '' },
    seccomp: true,
    ...facts,
  };
  return { facts: all, machine: { mayMakeGroups }, launcher: [], binary: '/usr/bin/podman' } as unknown as PodmanHost;
}

const resolve = (changes: Partial<BottleSpec>, facts: Partial<PodmanHost['facts']> = {}): ReturnType<typeof resolvePlan> =>
  resolvePlan(testSpec('localhost/x:y', { slug: 'a-task', ...changes }), hostLike(facts), PATHS, 'podman');

describe('resolving a bottle for Podman', () => {
  it('names the container and its directories', () => {
    expect(resolve({})).toMatchObject({
      runtimeName: expect.stringMatching(/^terok-a-task-[0-9a-f]{6}$/),
      stateDir: '/s/bottles/a-task',
      runtimeDir: '/r/b/a-task',
      missingLimits: [],
      namespaceLauncher: [],
    });
  });

  it('enters the user namespace of rootless Podman by its absolute path', () => {
    expect(resolve({}, { rootless: true }).namespaceLauncher).toEqual(['/usr/bin/podman', 'unshare']);
  });

  it('names each limit that cannot be enforced, and takes those that were allowed to be missing', () => {
    const facts = { rootless: true, cgroupVersion: 'v2', controllers: ['pids'] };
    expect(() => resolve({}, facts)).toThrow(
      expect.objectContaining({ code: 'LIMIT_UNENFORCEABLE', message: expect.stringContaining('memory, cpus') }),
    );
    expect(() => resolve({ unenforcedLimits: ['memory'] }, facts)).toThrow(
      expect.objectContaining({ context: expect.objectContaining({ limits: ['cpus'] }) }),
    );
    expect(resolve({ unenforcedLimits: ['memory', 'cpus'] }, facts).missingLimits).toEqual(['memory', 'cpus']);
    expect(() => resolve({}, { rootless: true, cgroupVersion: 'v1', controllers: ['cpu', 'memory', 'pids'] })).toThrow(
      expect.objectContaining({ code: 'LIMIT_UNENFORCEABLE' }),
    );
  });

  it('counts on no limit for a user without systemd whose control group is not his own', () => {
    const facts = { rootless: true, cgroupManager: 'cgroupfs' };
    expect(unenforceableLimits(hostLike(facts))).toEqual(['memory', 'cpus', 'pids']);
    expect(unenforceableLimits(hostLike(facts, true))).toEqual([]);
    expect(unenforceableLimits(hostLike({ cgroupManager: 'cgroupfs' }))).toEqual([]);
  });

  it('does not drop a limit that works only because it may be missing', () => {
    expect(resolve({ unenforcedLimits: ['memory'] }).missingLimits).toEqual([]);
  });

  it.each(['', '-v', '--privileged', 'UPPER/case', 'a b', 'x:y:z', 'a/../b', '$(id)', 'docker://x', `${'a/'.repeat(3)}`])(
    'refuses the image reference %j',
    (image) => {
      expect(() => resolve({ image })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    },
  );

  it.each([
    'debian',
    'localhost/terok/l0:0a1b',
    'quay.io:5000/a/b-c:1.2_x',
    `localhost/x@sha256:${'a'.repeat(64)}`,
    `sha256:${'0'.repeat(64)}`,
  ])('takes the image reference %j', (image) => {
    expect(resolve({ image }).spec.image).toBe(image);
  });

  it('refuses environment and limits that no container could have', () => {
    expect(() => resolve({ env: { 'A-B': 'x' } })).toThrow(/name of an environment variable/);
    expect(() => resolve({ env: { A: 'x\0y' } })).toThrow(/NUL/);
    const limits = { memoryMiB: 256, cpus: 1, pids: 100, files: 1000 };
    for (const bad of [{ memoryMiB: 0 }, { cpus: Number.NaN }, { pids: 1.5 }, { files: -1 }]) {
      expect(() => resolve({ limits: { ...limits, ...bad } })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    }
  });
});
