import type { ProbeFinding } from '../../core/index.ts';
import { compareVersions, type PodmanHost, unenforceableLimits } from '../oci/index.ts';

/** What works, and yet is weaker than it could be. */
export function describeWeaknesses(host: PodmanHost): ProbeFinding[] {
  const { facts, machine } = host;
  const limits = unenforceableLimits(host);
  const notes: (ProbeFinding | false)[] = [
    limits.length > 0 && {
      code: 'LIMITS_UNENFORCED',
      message: `The limits ${limits.join(', ')} cannot be enforced here (cgroup ${facts.cgroupVersion}, ${facts.rootless ? 'rootless' : 'rootful'}).`,
      fix: 'Use cgroup v2 and delegate its cpu, memory and pids controllers to your user, or allow it by name with `unenforcedLimits`.',
    },
    !facts.rootless && {
      code: 'ROOTFUL',
      message: 'Podman runs as root: root in a bottle is root of the host with almost all rights taken away.',
      fix: 'Run terok as an ordinary user with rootless Podman where you can.',
    },
    host.launcher.length > 0 && {
      code: 'HYBRID_CGROUPS',
      message: 'This host mounts cgroup v1 and v2 side by side; terok runs Podman in a mount namespace of its own.',
      fix: 'Boot with `systemd.unified_cgroup_hierarchy=1` to use cgroup v2 alone.',
    },
    machine.uid === 0 &&
      !machine.mayRaiseLimits && {
        code: 'NO_SYS_RESOURCE',
        message: 'This process may not raise resource limits; terok gives Podman a containers.conf without default limits.',
        fix: 'Nothing, unless bottles need more open files than your own limit.',
      },
    facts.graphDriver === 'vfs' && {
      code: 'STORAGE_VFS',
      message: 'Podman keeps its images with the driver `vfs`, which copies the whole image for every bottle.',
      fix: 'Set `driver = "overlay"` in ~/.config/containers/storage.conf, or install fuse-overlayfs; then run `podman system reset`.',
    },
    isOldRuntime(facts.runtime.version) && {
      code: 'RUNTIME_OLD',
      message: `${facts.runtime.version || facts.runtime.name} has known weaknesses in newer advisories.`,
      fix: 'Update crun to 1.30 or runc to 1.4.4, or to a package of your distribution that carries their fixes.',
    },
  ];
  return notes.filter((note) => note !== false);
}

function isOldRuntime(version: string): boolean {
  const [, name, number] = /(crun|runc) version (\S+)/.exec(version) ?? [];
  if (name === undefined || number === undefined) return true;
  return compareVersions(number, name === 'crun' ? '1.30.0' : '1.4.4') < 0;
}
