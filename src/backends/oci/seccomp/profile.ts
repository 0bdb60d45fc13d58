/**
 * The seccomp profile of a bottle, in the format of the containers tools.
 *
 * Scope: which system calls reach the host's kernel, of which architectures, which socket families, which namespaces can be made.
 * Out of scope: files, capabilities, the network's reach.
 * Fail-safe direction: an unknown call, argument or architecture is refused.
 */
import { ALLOWED_SYSCALLS, REFUSED_SYSCALLS } from './allowed-syscalls.ts';

export interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_NE' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ';
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
}

export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO';
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

const EPERM = 1;
const ENOSYS = 38;
const EPROTONOSUPPORT = 93;
const EAFNOSUPPORT = 97;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
const CLONE_NAMESPACES = [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
/** The same and CLONE_NEWTIME, a bit that `clone` uses for its exit signal */
const UNSHARE_NAMESPACES = [...CLONE_NAMESPACES, 0x80];

/** PER_LINUX, PER_LINUX32 and UNAME26 combinations, and the query */
const PERSONALITIES = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' };

/** Only the machine's own 64-bit architecture: i386 and x32 calls would be a second, less watched door. Undefined for unknown machines. */
export function bottleSeccompProfile(arch: string = process.arch): SeccompProfile | undefined {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) return undefined;
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ENOSYS,
    architectures: [architecture],
    syscalls: [
      { names: Object.values(ALLOWED_SYSCALLS).flat().toSorted(), action: 'SCMP_ACT_ALLOW' },
      { names: REFUSED_SYSCALLS, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM },
      // its flags are in memory, out of a filter's sight; libc falls back to clone
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
      ...namespaceRules('clone', CLONE_NAMESPACES),
      ...namespaceRules('unshare', UNSHARE_NAMESPACES),
      ...PERSONALITIES.map((value) => allowWhen('personality', { index: 0, value, op: 'SCMP_CMP_EQ' })),
      ...socketRules(),
    ],
  };
}

/** Allowed without, EPERM with any of the flags: sandboxes inside take that answer for "not here" and go on. */
function namespaceRules(name: string, flags: readonly number[]): SeccompRule[] {
  const all = flags.reduce((sum, flag) => sum + flag, 0);
  return [
    allowWhen(name, { index: 0, value: all, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }),
    ...flags.map((flag) => refuseWhen(name, EPERM, { index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' })),
  ];
}

function socketRules(): SeccompRule[] {
  const allowed = [AF_UNIX, AF_INET, AF_INET6];
  const refused = Array.from({ length: AF_NETLINK }, (_, family) => family).filter((family) => !allowed.includes(family));
  return [
    ...allowed.map((family) => allowWhen('socket', { index: 0, value: family, op: 'SCMP_CMP_EQ' })),
    allowWhen('socket', { index: 0, value: AF_NETLINK, op: 'SCMP_CMP_EQ' }, { index: 2, value: NETLINK_ROUTE, op: 'SCMP_CMP_EQ' }),
    refuseWhen(
      'socket',
      EPROTONOSUPPORT,
      { index: 0, value: AF_NETLINK, op: 'SCMP_CMP_EQ' },
      { index: 2, value: NETLINK_ROUTE, op: 'SCMP_CMP_NE' },
    ),
    ...refused.map((family) => refuseWhen('socket', EAFNOSUPPORT, { index: 0, value: family, op: 'SCMP_CMP_EQ' })),
    refuseWhen('socket', EAFNOSUPPORT, { index: 0, value: AF_NETLINK, op: 'SCMP_CMP_GT' }),
    allowWhen('socketpair', { index: 0, value: AF_UNIX, op: 'SCMP_CMP_EQ' }),
  ];
}

function allowWhen(name: string, ...args: readonly SeccompArgument[]): SeccompRule {
  return { names: [name], action: 'SCMP_ACT_ALLOW', args };
}

function refuseWhen(name: string, errnoRet: number, ...args: readonly SeccompArgument[]): SeccompRule {
  return { names: [name], action: 'SCMP_ACT_ERRNO', errnoRet, args };
}
