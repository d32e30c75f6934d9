#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the packages in a fresh Debian 12 and uses them there:
#   scripts/deb_test.sh DIR-OF-DEBS CHROOT KERNEL      as root; CHROOT is made if it is not there
# The library builds the kernel of the documents, and the command judges it; kaiser bench and kaiser storm
# run on KERNEL, the reference kernel, by what the packages installed.
set -eu
debs=$1 root=$2 kernel=$3
[ "$(id -u)" = 0 ] || { echo "deb_test.sh: debootstrap and chroot need root" >&2; exit 2; }
[ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$root"
rm -rf "$root/debs"
mkdir "$root/debs"
cp "$debs"/*.deb "$kernel" "$root/debs/"
chroot "$root" sh -eu <<'END'
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends --reinstall /debs/*.deb qemu-system-x86 gcc make pkg-config libc6-dev >/tmp/apt.log 2>&1 || {
	tail /tmp/apt.log
	exit 1
}
rm -rf /tmp/tiny
cp -r /usr/share/doc/libkaiser-dev/examples/tinyhost /tmp/tiny
make -s -C /tmp/tiny
kaiser audit --run -- qemu-system-x86_64 -accel tcg -kernel /tmp/tiny/tinyhost.elf \
	-cpu max,vendor=GenuineIntel -smp 2 -m 64M -append pti=on -display none -nic none
cd /
kaiser bench --kernel /debs/kaiser.elf --peer none --ops getppid
kaiser storm --kernel /debs/kaiser.elf --config pti=on --path '^syscall$' --mode log
END
echo "deb_test.sh: installed, built, audited, measured, stormed"
