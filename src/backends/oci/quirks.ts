/**
 * Every place where a version of Podman, or the machine below it, behaves unlike the rest. Each entry names version and symptom, so
 * that it can go when the floor rises.
 */

/** Oldest Podman that terok runs on: Debian 12 ships it. */
export const PODMAN_FLOOR = '4.3.0';

/** Podman ≥ 4.6 merges `CONTAINERS_CONF_OVERRIDE` over the user's files; older ones know `CONTAINERS_CONF` alone, which replaces them all. */
export function hasConfOverride(version: string): boolean {
  return compareVersions(version, '4.6.0') >= 0;
}

/**
 * Podman 4.3.1 lowers its own RLIMIT_NPROC to `kernel.pid_max` before it starts conmon, so without CAP_SYS_RESOURCE a higher value
 * fails with "setrlimit `RLIMIT_NPROC`: Operation not permitted"; with a `nofile` limit but no `nproc` limit it asks for 1 048 576.
 */
export function processLimitThatWorks(hardLimit: number, pidMax: number): number {
  return Math.min(hardLimit, pidMax, 1_048_576);
}

/** crun ≤ 1.x: "cgroups in hybrid mode not supported" where cgroup2 is mounted at `/sys/fs/cgroup/unified` beside cgroup v1. */
export const HYBRID_CGROUP_MOUNT = '/sys/fs/cgroup/unified';

/** Podman 4.3: `podman rm` of a container whose conmon was killed may report a busy mount or storage the first time; again converges. */
export const REMOVE_ATTEMPTS = 4;

/** Podman's compat API answers a successful `exec resize` with 201, which dockerode takes for an error. */
export const RESIZE_OK_STATUS = 201;

/** Compares dotted version numbers; text after the numbers (`-dev`, `+ds1`) does not count. */
export function compareVersions(left: string, right: string): number {
  const a = numbersOf(left);
  const b = numbersOf(right);
  for (let index = 0; index < 3; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): number[] {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(version);
  return match === null ? [0] : match.slice(1).map((part) => Number(part ?? 0));
}
