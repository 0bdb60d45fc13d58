import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { ignoreCodes, type ProbeFinding } from '../../core/index.ts';
import { findProgram } from './find-program.ts';
import type { Machine } from './machine.ts';

/** Fewest subordinate ids with which common images work: ids up to `nogroup`. */
const SUBID_FLOOR = 65_534;

/** Reasons why an installed Podman cannot work here, found without starting it. */
export async function findHostProblems(machine: Machine, env: NodeJS.ProcessEnv): Promise<readonly ProbeFinding[]> {
  if (machine.uid === 0) return [];
  const problems = await Promise.all([
    hybridCgroups(machine),
    userNamespaces(),
    idMapTools(env),
    subordinateIds('/etc/subuid', machine.uid),
    subordinateIds('/etc/subgid', machine.uid),
  ]);
  return problems.filter((problem) => problem !== undefined);
}

async function hybridCgroups(machine: Machine): Promise<ProbeFinding | undefined> {
  if (machine.cgroups !== 'hybrid') return undefined;
  return {
    code: 'HYBRID_CGROUPS',
    message: 'This host mounts cgroup v1 and v2 side by side, which crun refuses, and only root can hide one of them.',
    fix: 'Boot with `systemd.unified_cgroup_hierarchy=1`, or let root start your session in a mount namespace without /sys/fs/cgroup/unified, for example `unshare --mount sh -c "umount /sys/fs/cgroup/unified; exec su - <user>"`.',
  };
}

async function userNamespaces(): Promise<ProbeFinding | undefined> {
  const [most, allowed] = await Promise.all([
    readNumber('/proc/sys/user/max_user_namespaces'),
    readNumber('/proc/sys/kernel/unprivileged_userns_clone'),
  ]);
  if (most !== 0 && allowed !== 0) return undefined;
  const setting = most === 0 ? 'user.max_user_namespaces=15000' : 'kernel.unprivileged_userns_clone=1';
  return {
    code: 'USERNS_UNAVAILABLE',
    message: 'The kernel lets unprivileged users make no user namespaces, which rootless Podman needs.',
    fix: `Let root run \`sysctl -w ${setting}\`.`,
  };
}

async function idMapTools(env: NodeJS.ProcessEnv): Promise<ProbeFinding | undefined> {
  const tools = await Promise.all(['newuidmap', 'newgidmap'].map((name) => findProgram(name, env.PATH)));
  if (tools.every((tool) => tool !== undefined)) return undefined;
  return {
    code: 'NEWUIDMAP_MISSING',
    message: 'The programs `newuidmap` and `newgidmap` were not found in PATH.',
    fix: 'Install them, for example with `apt-get install uidmap` (Debian, Ubuntu) or `dnf install shadow-utils` (Fedora).',
  };
}

async function subordinateIds(file: string, uid: number): Promise<ProbeFinding | undefined> {
  const text = (await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'))) ?? '';
  const name = userName();
  const count = text
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([owner]) => owner === String(uid) || owner === name)
    .reduce((sum, [, , size]) => sum + Number(size ?? 0), 0);
  if (count >= SUBID_FLOOR) return undefined;
  return {
    code: 'SUBID_MISSING',
    message: `\`${file}\` gives user \`${name}\` ${count} subordinate ids; at least ${SUBID_FLOOR} are needed.`,
    fix: `Let root run \`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}\`, then run \`podman system migrate\`.`,
  };
}

/** An account without a passwd entry has no name; its number serves. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}

async function readNumber(file: string): Promise<number | undefined> {
  const text = await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'));
  return text === undefined ? undefined : Number(text);
}
