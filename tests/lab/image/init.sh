#!/bin/bash
# First process of the lab: mounts, loads what nested virtualisation needs, runs one command of the checkout, powers off.
# Disks: vda root, vdb job and checkout (read-only), vdc its npm packages (read-only), vdd images, vde results (a raw tar archive).
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
power_off() {
  sync
  echo o >/proc/sysrq-trigger
  sleep 30
}
trap power_off EXIT
mount -t proc proc /proc
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
for dir in /dev/shm /tmp /run; do mount -t tmpfs -o mode=1777 tmpfs $dir; done
chmod 755 /run
mount -t cgroup2 cgroup /sys/fs/cgroup
# processes may be in no group that hands controllers on
mkdir /sys/fs/cgroup/lab
echo $$ >/sys/fs/cgroup/lab/cgroup.procs
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control; done
ip link set lo up
hostname lab
for module in kvm_amd overlay tun fuse virtio_console; do modprobe $module; done
chmod 666 /dev/kvm /dev/net/tun /dev/fuse
mkdir -p /run/disk/{checkout,modules} /run/over/{checkout,modules}/{upper,work} /checkout /var/lib/containers/storage
mount -o ro /dev/vdb /run/disk/checkout
mount -o ro /dev/vdc /run/disk/modules
mount /dev/vdd /var/lib/containers/storage
over() { mount -t overlay overlay -o "lowerdir=$1,upperdir=/run/over/$2/upper,workdir=/run/over/$2/work" "$3"; }
over /run/disk/checkout/checkout checkout /checkout
over /run/disk/modules modules /checkout/node_modules
export PATH=/checkout/node_modules/.bin:$PATH TEROK_LAB=1 TEROK_LAB_RESULTS=/run/results
mkdir -p /run/results
set -a
. /run/disk/checkout/job/environment
set +a
mapfile -d '' -t command </run/disk/checkout/job/command
port=/dev/virtio-ports/terok.lab
for ((i = 0; i < 100; i++)); do
  [[ -e $port ]] && break
  port=$(grep -l terok.lab /sys/class/virtio-ports/*/name 2>/dev/null | sed -E 's#.*/(vport[^/]+)/name#/dev/\1#')
  [[ -e $port ]] || sleep 0.05
done
cd /checkout
if [[ ${TEROK_LAB_SHELL:-} == 1 ]]; then
  setsid --ctty --wait bash --login </dev/hvc0 >/dev/hvc0 2>&1
else
  timeout --kill-after=10 "${TEROK_LAB_SECONDS}" "${command[@]}" </dev/null >"$port" 2>&1
fi
echo $? >/run/results/exit-code
tar -cf /dev/vde -C /run/results .
