#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the kernel and sends NMIs from QEMU's monitor, from the moment its gates are live, until it ends.
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
nmis() {
	i=0
	until grep -q 'checks are content' "$log" || [ $i -gt 300 ]; do
		i=$((i + 1))
		sleep 0.1
	done
	while ! grep -q -e PASS -e FAIL "$log" && [ $i -lt 5000 ]; do
		i=$((i + 1))
		echo nmi
		sleep 0.005
	done
}
nmis | timeout 90 qemu-system-x86_64 -accel tcg -kernel "$1" -cpu max -m 64M -display none -nic none -no-reboot \
	-monitor stdio -serial "file:$log" -device isa-debug-exit,iobase=0xf4 >/dev/null
code=$?
cat "$log"
[ $code = 33 ]
