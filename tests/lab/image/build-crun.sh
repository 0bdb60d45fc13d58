#!/bin/sh
# Runs in the builder's root: compiles Debian's crun with libkrun, twice. `old` is as Debian's source has it; `current` reads the
# size of the machine as crun 1.27 and newer do, and says so in its version.
set -eu
cd /root
apt-get update -q
# the archive's signature on the list of sources covers the hash of the tarball
apt-get source -q --download-only --tar-only crun
cp libkrun.h /usr/include/libkrun.h
mkdir -p crun out
tar -x --strip-components=1 -C crun -f crun_*.orig.tar.gz
cd crun
build() {
  make -j"$(nproc)" >make.log 2>&1 || { tail -n 20 make.log >&2; exit 1; }
  cp crun "../out/krun-$1"
}
./configure --with-libkrun --disable-criu --disable-systemd --disable-dependency-tracking >/dev/null
build old
patch -p1 <../crun-vm-size.patch
sed -i -E 's/VERSION "1\.21"/VERSION "1.27+lab"/' config.h
# nothing else of it looks at `config.h`, and `make` does not know who does
touch src/*.c src/libcrun/*.c src/libcrun/handlers/*.c
build current
