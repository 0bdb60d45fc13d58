#!/bin/sh
# Runs in the builder's root: compiles libkrun. `crates.lock` is its Cargo.lock without the lines that say where crates come from; they are
# those of this machine's registry, and the checksums hold whatever it gives.
set -eu
cd /root/libkrun
export CARGO_HOME=/root/cargo CARGO_TERM_PROGRESS_WHEN=never CARGO_NET_RETRY=5
cargo generate-lockfile --quiet
source=$(grep -m 1 '^source' Cargo.lock)
sed "/^checksum/i $source" crates.lock >Cargo.lock
cargo build --release --locked --quiet
cp target/release/liblab_libkrun.so "/root/out/libkrun.so.$(sed -n 's/^libkrun = "=\(.*\)"/\1/p' Cargo.toml)"
