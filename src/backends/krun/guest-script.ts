/** Where the guest's init writes its process id: the guest's first process is libkrun's. */
const PID_FILE = '/run/terok-init.pid';

/**
 * What a machine needs before its init goes on, in bash; `pids`, `files` and `slug` are set above it. The runtime's configuration is
 * removed: it would tell every user of the guest what the host asked for. The limits of processes and files are the guest's own.
 */
export const GUEST_SCRIPT = `rm -f /.krun_config.json
read -r hostname </proc/sys/kernel/hostname
[[ $hostname == "$slug" ]] || printf %s "$slug" >/proc/sys/kernel/hostname
[[ -e /dev/pts/ptmx ]] || { mkdir -p /dev/pts && mount -t devpts devpts /dev/pts; } 2>/dev/null
group=/sys/fs/cgroup/bottle
if mkdir "$group" 2>/dev/null; then
  printf +pids >/sys/fs/cgroup/cgroup.subtree_control
  printf %s "$pids" >"$group/pids.max"
  printf %s $$ >"$group/cgroup.procs"
fi
ulimit -n "$files"
own_clock=yes
echo $$ >${PID_FILE}
`;

/** Asks the guest's init to end everything; run as root through the exec channel. */
export const STOP_SCRIPT = `read -r pid <${PID_FILE} && kill -TERM "$pid"`;
