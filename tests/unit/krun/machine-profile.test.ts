import { describe, expect, it } from 'vitest';
import { MACHINE_PROFILE } from '../../../src/backends/krun/machine-profile.ts';
import { resolveMachine } from '../../../src/backends/krun/resolve-machine.ts';
import { createArguments } from '../../../src/backends/oci/create-arguments.ts';
import { createSpec } from '../../../src/backends/oci/create-spec.ts';
import type { PodmanHost } from '../../../src/backends/oci/index.ts';
import type { BottlePlan, ResourceLimits } from '../../../src/core/index.ts';
import { INIT_COMMAND } from '../../../src/exec-channel/index.ts';
import { testSpec } from '../../integration/podman-fixture/test-bottle.ts';

const PATHS = { config: '/c', data: '/d', state: '/s', cache: '/k', runtime: '/r' };
const host = {
  launcher: [],
  binary: '/usr/bin/podman',
  facts: { rootless: false, cgroupVersion: 'v2', controllers: ['cpu', 'memory', 'pids'] },
  machine: { mayRaiseLimits: true, hardLimits: { files: 1024, processes: 4096 }, pidMax: 32_768 },
} as unknown as PodmanHost;

function planFor(limits: Partial<ResourceLimits> = {}): BottlePlan {
  const spec = testSpec('localhost/x:y', { slug: 'a-task', env: { QUOTED: 'a"b\n\tc' } });
  return resolveMachine({ ...spec, limits: { ...spec.limits, ...limits } }, host, PATHS, 'krun');
}

function inputsFor(plan: BottlePlan) {
  const names = { owner: '/s', seccompFile: '/r/seccomp.json', namespacePath: '/r/b/a-task/netns', attempt: 'a1' };
  return { ...names, plan, host, profile: MACHINE_PROFILE, init: INIT_COMMAND, exec: 'ssh' as const };
}

describe('the machine of a bottle', () => {
  it('has the memory that was asked for, and its monitor 256 MiB more', () => {
    const argv = createArguments(inputsFor(planFor({ memoryMiB: 512, cpus: 1.5 })));
    expect(argv).toEqual(expect.arrayContaining(['krun.ram_mib=512', 'krun.cpus=2', '768m']));
    expect(createSpec(inputsFor(planFor({ memoryMiB: 512 })))).toMatchObject({
      annotations: { 'krun.ram_mib': '512' },
      resource_limits: { memory: { limit: 768 * 1024 ** 2 } },
      r_limits: [{ type: 'nofile', hard: 1_048_576 }, {}],
    });
  });

  // libkrun before 1.18.1 makes several words of one with quotes or line ends, and shells run them
  it('is started with words alone that no version of libkrun damages', () => {
    const spec = createSpec(inputsFor(planFor())) as { entrypoint: string[]; work_dir: string; env: Record<string, string> };
    const words = [...spec.entrypoint, spec.work_dir, ...Object.entries(spec.env).flat()];
    expect(words.length).toBeGreaterThan(5);
    for (const word of words) expect(word).toMatch(/^[A-Za-z0-9_./:=@%+,-]+$/);
    expect(JSON.stringify(spec)).not.toContain('QUOTED');
  });

  it('leaves its monitor only what its file server needs', () => {
    const argv = createArguments(inputsFor(planFor()));
    expect(argv[argv.indexOf('--cap-add') + 1]).toBe('CHOWN,DAC_OVERRIDE,FOWNER,SETUID,SETGID');
    expect(argv).toContain('no-new-privileges');
    expect(argv).toContain('ns:/r/b/a-task/netns');
  });

  it('puts a file of its own in the place where an image could ask for another kernel', () => {
    const seed = MACHINE_PROFILE.seeds(planFor({ memoryMiB: 300 })).find(({ path }) => path === '/.krun_vm.json');
    expect(JSON.parse(String(seed?.content))).toEqual({ cpus: 1, ram_mib: 300 });
  });

  it.each([
    [{ memoryMiB: 128 }, /at least 160 MiB/],
    [{ cpus: 17 }, /at most 16 processors/],
  ])('refuses %o before anything is made', (limits, rule) => {
    expect(() => planFor(limits)).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_BY_BACKEND', message: expect.stringMatching(rule) }),
    );
  });
});
