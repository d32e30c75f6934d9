#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the QEMU accelerator to use: "kvm" where a guest really runs under it, else "tcg".
# /dev/kvm alone proves nothing (nested set-ups offer one that lacks SSE3 or hangs), so a 64 KiB
# "BIOS" of three instructions is run: mov $16,%al; out %al,$0xf4; hlt -> exit code 16*2+1.
# ACCEL=tcg or ACCEL=kvm in the environment decides without asking.
set -u

[ -n "${ACCEL:-}" ] && { echo "$ACCEL"; exit 0; }
if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
	bios=$(mktemp)
	trap 'rm -f "$bios"' EXIT
	{
		head -c 65520 /dev/zero
		printf '\260\020\346\364\364\353\375'
		head -c 9 /dev/zero
	} >"$bios"
	timeout 5 qemu-system-x86_64 -nodefaults -display none -accel kvm -cpu qemu64,-svm,enforce \
		-bios "$bios" -device isa-debug-exit,iobase=0xf4 >/dev/null 2>&1
	[ $? = 33 ] && { echo kvm; exit 0; }
fi
echo tcg
