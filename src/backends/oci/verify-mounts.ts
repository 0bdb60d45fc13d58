import type { OciConfig } from './oci-config.ts';

type Mount = NonNullable<OciConfig['mounts']>[number];

interface MountRule {
  readonly type: string;
  readonly options: readonly string[];
  /** Name of the file in the container's own directory that is mounted, for bind mounts */
  readonly own?: string;
}

/** Everything that may be mounted; all is made by the kernel or by Podman for this one container. */
const RULES: Readonly<Record<string, readonly MountRule[]>> = {
  '/proc': [{ type: 'proc', options: ['nosuid', 'noexec', 'nodev'] }],
  '/dev': [{ type: 'tmpfs', options: ['nosuid'] }],
  '/sys': [{ type: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] }],
  '/dev/pts': [{ type: 'devpts', options: ['nosuid', 'noexec', 'newinstance'] }],
  '/dev/mqueue': [{ type: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] }],
  '/dev/shm': [{ type: 'bind', options: ['nosuid', 'noexec', 'nodev'], own: 'shm' }],
  '/etc/hostname': [{ type: 'bind', options: ['bind', 'rprivate'], own: 'hostname' }],
  '/run/.containerenv': [{ type: 'bind', options: ['bind', 'rprivate'], own: '.containerenv' }],
  '/sys/fs/cgroup': [{ type: 'cgroup', options: ['ro', 'nosuid', 'noexec', 'nodev'] }],
};

/** One sentence for each mount that a bottle must not have or that is weaker than it must be. */
export function mountDifferences(mounts: readonly Mount[], ownDirs: readonly string[]): string[] {
  const seen = new Set<string>();
  return mounts.flatMap((mount) => {
    const again = seen.has(mount.destination);
    seen.add(mount.destination);
    if (again) return [`\`${mount.destination}\` is mounted twice`];
    const rules = RULES[mount.destination];
    if (rules === undefined) return [`\`${mount.source ?? mount.type ?? '?'}\` is mounted at \`${mount.destination}\``];
    return rules.some((rule) => fits(mount, rule, ownDirs))
      ? []
      : [`the mount at \`${mount.destination}\` is ${JSON.stringify([mount.type, mount.source, mount.options])}`];
  });
}

function fits(mount: Mount, rule: MountRule, ownDirs: readonly string[]): boolean {
  if (mount.type !== rule.type || !rule.options.every((option) => mount.options.includes(option))) return false;
  if (rule.own === undefined) return mount.source === rule.type || mount.source === 'shm' || mount.source === 'tmpfs';
  return ownDirs.some((dir) => mount.source === `${dir}/${rule.own}`);
}
