import type { ProbeFinding } from '../../core/index.ts';
import { type PodmanHost, unenforceableLimits } from '../oci/index.ts';

/** What works, and yet is weaker or other than it could be. */
export function describeMachines(host: PodmanHost): ProbeFinding[] {
  const limits = unenforceableLimits(host);
  const notes: (ProbeFinding | false)[] = [
    limits.length > 0 && {
      code: 'MONITOR_UNLIMITED',
      message: `The limits ${limits.join(', ')} hold inside the machine but not for its monitor (cgroup ${host.facts.cgroupVersion}).`,
      fix: 'Use cgroup v2 and delegate its cpu, memory and pids controllers to your user.',
    },
    !host.facts.rootless && {
      code: 'ROOTFUL',
      message: 'Podman runs as root: a guest that breaks into its monitor is root of the host with almost all rights taken away.',
      fix: 'Run terok as an ordinary user with rootless Podman where you can.',
    },
    {
      code: 'GUEST_USERS_UNSEEN',
      message:
        "The host cannot tell the users of a machine apart: the bottle's init proves itself to the gateway by a word that only root of the bottle can read.",
      fix: 'Nothing; an agent with `sudo` could take the way in, as it could in a container.',
    },
  ];
  return notes.filter((note) => note !== false);
}
