/** Where the bottle's init dials: the control listener of every sealed network. */
const CONTROL_ADDRESS = '198.18.0.1';
const CONTROL_PORT = 2022;

/** Holds what the init says first on each connection; absent where the gateway knows it by its user id. */
export const CONTROL_PROOF_FILE = '/etc/terok/control_proof';
/** What a backend wants done before anything else; absent for most. */
export const PREPARE_FILE = '/usr/lib/terok/prepare';

/**
 * The bottle's first process. It keeps one idle connection to the host; when the host writes `g` on it, the connection becomes an
 * SSH session and the next one is dialled. As PID 1 it reaps orphans (bash does, in its SIGCHLD handler) and ends everything on TERM;
 * sessions last until their programs have ended, because a program whose output is gone may die before it puts its work away.
 *
 * With `own_clock` set, for a kernel whose clock falls behind while it boots and knows nothing of the host's being set, it asks the host for
 * the time on each connection and each minute while that is idle. The answer was given between question and now; where the clock says
 * otherwise it is wrong, and where it does not it stays, so that no delay can make it wrong. A question that crosses `g` is a line before
 * the server's own, which SSH allows (RFC 4253, 4.2).
 *
 * Waiting is `read -t` on a pipe that nobody writes, so that it costs no process. While nobody listens it dials every 10 ms for
 * two to three seconds (a start is quick), then every 200 ms.
 */
export const INIT_SCRIPT = `#!/bin/bash
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset ENV BASH_ENV
umask 022
[[ -d /run/sshd ]] || mkdir -p -m 0755 /run/sshd
exec </dev/null {never}<> <(:)
failing=''
proof=''
own_clock=''
[[ -r ${PREPARE_FILE} ]] && . ${PREPARE_FILE}
[[ -r ${CONTROL_PROOF_FILE} ]] && read -r -N 64 proof <${CONTROL_PROOF_FILE}

pause() { read -r -t "$1" -u "$never" _; }

find_programs() {
  local dir name
  programs=()
  for dir in /proc/[0-9]*; do
    # a kernel that is the bottle's own shows its threads, which have no command line
    [[ $dir != /proc/1 && $dir != /proc/$$ ]] && { read -r name <"$dir/comm" && IFS= read -r -d '' _ <"$dir/cmdline"; } 2>/dev/null && [[ $name != sshd* ]] && programs+=("\${dir#/proc/}")
  done
}

finish() {
  local try
  trap '' TERM INT
  find_programs
  kill -TERM "\${programs[@]}" 2>/dev/null
  for ((try = 0; try < 100; try++)); do
    pause 0.02
    find_programs
    ((\${#programs[@]})) || exit 0
  done
  kill -KILL -1 2>/dev/null
  exit 0
}
trap finish TERM INT
# who reads may go away; where this is not PID 1 the signal would end it (sshd makes it usual again for commands)
trap '' PIPE

ask_time() {
  asked=\${EPOCHREALTIME/./}
  printf 't\\n' >&"$1"
} 2>/dev/null

set_clock() {
  local right now=\${EPOCHREALTIME/./}
  ((asked - 500000 <= $1 && $1 <= now + 500000)) && return
  right=$(($1 + (now - asked) / 2))
  date --set="@\${right:0:-6}.\${right: -6}" >/dev/null 2>&1
}

# one character: a session is wanted, or nothing where the host is gone
await_word() {
  local time
  [[ $own_clock == '' ]] || ask_time "$1"
  while :; do
    IFS= read -r -N 1 \${own_clock:+-t 60} -u "$1" word
    case $?$word in
    # whoever took the place of a gateway that is gone may answer anything, and bash runs what stands in an expression
    0t) read -r -n 20 -u "$1" time && [[ $own_clock != '' && $time =~ ^[1-9][0-9]{15}$ ]] && set_clock "$time" ;;
    0* | 1) return ;;
    *) ask_time "$1" ;;
    esac
  done
}

dial() {
  local connection word=''
  { exec {connection}<>/dev/tcp/${CONTROL_ADDRESS}/${CONTROL_PORT}; } 2>/dev/null || return 1
  [[ $proof == '' ]] || printf %s "$proof" >&"$connection" 2>/dev/null
  await_word "$connection"
  if [[ $word == g ]]; then
    /usr/sbin/sshd -i -e -f /etc/terok/sshd_config <&"$connection" >&"$connection" {connection}>&- {never}>&- &
    disown
  fi
  exec {connection}>&-
  [[ $word == g ]]
}

while :; do
  if dial; then
    failing=''
  else
    [[ $failing != '' ]] || failing=$SECONDS
    if ((SECONDS - failing < 3)); then pause 0.01; else pause 0.2; fi
  fi
done
`;
