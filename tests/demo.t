#!/bin/sh
# SPDX-License-Identifier: MIT
# The work of `make run` on several machines, and from the CD image in Bochs.
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
n=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

check() { # name, command...
	name=$1
	shift
	n=$((n + 1))
	if "$@" >"$log" 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		tail -n 30 "$log" | sed 's/^/# | /'
	fi
}

pass='^DEMO: PASS$'
for machine in pc q35 microvm; do
	check "demo on $machine" scripts/qemu.sh -M $machine -i "$build/demo.cpio.gz" -a pti=on \
		-t 180 -p "$pass"
done
check "demo on 4 CPUs" scripts/qemu.sh -s 4 -i "$build/demo.cpio.gz" -a pti=on -t 180 -p "$pass"
check "demo with pti=off" scripts/qemu.sh -i "$build/demo.cpio.gz" -a pti=off -t 180 -p "$pass"
check "demo from GRUB" scripts/qemu.sh -I "$build/kaiser.iso" -t 180 -p "$pass"
check "regs from GRUB in Bochs" scripts/bochs.sh -t 400 -p '^1\.\.[0-9]+$' "$build/bochs.iso"
echo "1..$n"
