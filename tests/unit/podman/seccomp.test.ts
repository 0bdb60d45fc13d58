import { describe, expect, it } from 'vitest';
import { bottleSeccompProfile, type SeccompRule } from '../../../src/backends/oci/index.ts';

const rules: readonly SeccompRule[] = bottleSeccompProfile('x64')?.syscalls ?? [];
const alwaysAllowed = new Set(
  rules.filter((rule) => rule.action === 'SCMP_ACT_ALLOW' && rule.args === undefined).flatMap((rule) => rule.names),
);

describe('the seccomp profile', () => {
  it("refuses by default, on the machine's own 64-bit architecture alone", () => {
    expect(bottleSeccompProfile('x64')).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO', architectures: ['SCMP_ARCH_X86_64'] });
    expect(bottleSeccompProfile('arm64')?.architectures).toEqual(['SCMP_ARCH_AARCH64']);
    expect(bottleSeccompProfile('ia32')).toBeUndefined();
  });

  it.each([
    'mount',
    'umount2',
    'move_mount',
    'fsopen',
    'open_tree',
    'pivot_root',
    'setns',
    'bpf',
    'keyctl',
    'add_key',
    'request_key',
    'userfaultfd',
    'io_uring_setup',
    'perf_event_open',
    'kexec_load',
    'init_module',
    'open_by_handle_at',
    'clone3',
    'clone',
    'unshare',
    'socket',
    'socketpair',
    'personality',
    'reboot',
    'swapon',
    'syslog',
    'modify_ldt',
    'fanotify_init',
  ])('never allows %s without conditions', (name) => {
    expect(alwaysAllowed.has(name)).toBe(false);
  });

  it.each(['execve', 'openat', 'futex', 'epoll_wait', 'connect', 'clock_nanosleep', 'rseq', 'statx'])('allows %s', (name) => {
    expect(alwaysAllowed.has(name)).toBe(true);
  });

  it('names every call in one list only', () => {
    const plain = rules.filter((rule) => rule.args === undefined).flatMap((rule) => rule.names);
    expect(plain.length).toBe(new Set(plain).size);
  });

  it('allows sockets of four families and answers for every other', () => {
    const sockets = rules.filter((rule) => rule.names.includes('socket'));
    const allowed = sockets.filter((rule) => rule.action === 'SCMP_ACT_ALLOW').map((rule) => rule.args?.[0]?.value);
    expect(allowed.toSorted((a, b) => Number(a) - Number(b))).toEqual([1, 2, 10, 16]);
    expect(sockets.find((rule) => rule.args?.length === 2 && rule.action === 'SCMP_ACT_ALLOW')?.args?.[1]).toEqual({
      index: 2,
      value: 0,
      op: 'SCMP_CMP_EQ',
    });
  });
});
