#!/bin/bash
# `npm run lab -- bash tests/lab/smoke.sh`: one task on the backend krun from launch to removal. Each line says what holds; the first
# that does not ends the run. The traps of libkrun are in `tests/integration/krun-traps.test.ts`.
set -euo pipefail
export TEROK_BACKEND=krun
project=$(mktemp -d)/sample
git init --quiet "$project"
echo hello >"$project/file"
git -C "$project" add file
git -C "$project" -c user.name=Test -c user.email=test@example.invalid commit --quiet --message Begin
terok() { node bin/terok.mjs "$@"; }
holds() {
  local what=$1
  shift
  if "$@"; then echo "ok: $what"; else
    echo "FAILED: $what" >&2
    exit 1
  fi
}
ends_with() {
  local expected=$1 code=0
  shift
  "$@" || code=$?
  [[ $code == "$expected" ]]
}

holds 'a command runs in the kernel of a machine and its exit code comes back' \
  ends_with 7 terok run "$project" --image "$TEROK_TEST_IMAGE" --name one --keep -- \
  sh -c 'test "$(cat file)" = hello && test "$(id -u)" = 1000 && ! test -e /.krun_config.json && uname -r > kernel && exit 7'
holds 'the kernel is not that of the host' test "$(terok exec one -- cat /work/sample/kernel)" != "$(uname -r)"
holds 'words arrive byte for byte' test "$(terok exec one -- printf %s $'a"b\n\tc')" == $'a"b\n\tc'
holds 'a raw address leads nowhere' ends_with 1 terok exec one -- bash -c 'exec 3<>/dev/tcp/192.0.2.1/443'
container=$(podman ps --quiet --filter label=terok.slug=one)
terok stop one
holds 'a machine stops when asked' test "$(podman inspect --format '{{.State.Status}}' "$container")" == exited
terok start one
holds 'its files are there after a start' test "$(terok exec one -- cat /work/sample/file)" == hello
terok rm --force one
holds 'nothing is left of it' test -z "$(podman ps --all --quiet)"
