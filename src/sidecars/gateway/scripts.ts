/*
 * The two shell programs of a sealed network. They are shell because they live as long as the bottle and must weigh nothing.
 * Every value reaches them as an argument; nothing is ever put into their text.
 */

/** Prints the identity of the running shell in the form of `ProcessIdentity`. */
const IDENTIFY = String.raw`
identify() {
  read -r stat <"/proc/$$/stat"
  read -r boot </proc/sys/kernel/random/boot_id
  set -- $${'{'}stat##*") "}
  shift 19
  printf '{"pid":%s,"startTime":"%s","bootId":"%s"}\n' "$$" "$1" "$boot"
}
`;

/**
 * `holder.sh start DIR` makes a network namespace with nothing but loopback and the AnyIP block, and a process that keeps it. Without an
 * address beside 127.0.0.1 the C library takes the namespace for one without IPv4 and resolves nothing for who asks for that alone.
 * The process records itself, so a caller that is killed meanwhile leaves no namespace that nobody knows; the record is a
 * hard link, so of two holders that start at once only the first stays.
 */
export const HOLDER_SCRIPT = String.raw`#!/bin/sh
set -eu
umask 077
cd /
PATH=$PATH:/usr/sbin:/sbin
${IDENTIFY}
dir=$2
if [ "$1" = start ]; then
  exec setsid --fork unshare --net -- /bin/sh "$0" hold "$dir"
fi
ip -batch - <<EOF
link set lo up
addr add 198.18.0.1/32 dev lo
route add local 198.18.0.0/15 dev lo
EOF
identify >"$dir/holder.$$"
ln "$dir/holder.$$" "$dir/holder.json"
rm -f "$dir/holder.$$"
exec sleep infinity </dev/null >/dev/null 2>&1
`;

/**
 * `keeper.sh DIR ADOPT PROGRAM ARG…` runs the gateway again after every end but a clean one (0) and a refusal to start (3). The
 * first repetition comes at once, later ones more slowly; a gateway that ran for 10 s counts as healthy. With ADOPT other than 0
 * it waits for that process first: a gateway whose own keeper was killed.
 */
export const KEEPER_SCRIPT = String.raw`#!/bin/sh
umask 077
cd /
${IDENTIFY}
dir=$1
adopt=$2
shift 2
self=$(identify)
printf '%s\n' "$self" >"$dir/keeper.$$" || exit 1
mv "$dir/keeper.$$" "$dir/keeper.json" || exit 1
if [ "$adopt" != 0 ]; then
  tail --pid="$adopt" -s 0.1 -f /dev/null
fi
failures=0
while read -r recorded <"$dir/keeper.json" && [ "$recorded" = "$self" ]; do
  read -r began _ </proc/uptime
  "$@"
  case $? in
  0 | 3) exit 0 ;;
  esac
  read -r ended _ </proc/uptime
  [ $(($${'{'}ended%.*} - $${'{'}began%.*})) -ge 10 ] && failures=0
  failures=$((failures + 1))
  tail -c 65536 "$dir/gateway.log" >"$dir/gateway.log.tail" && cat "$dir/gateway.log.tail" >"$dir/gateway.log"
  case $failures in
  1 | 2) sleep 0.02 ;;
  3 | 4) sleep 0.2 ;;
  5 | 6) sleep 1 ;;
  *) sleep 5 ;;
  esac
done
`;
