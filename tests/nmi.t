#!/bin/bash
# SPDX-License-Identifier: MIT
# An NMI at every instruction of the ways into the kernel and out of it, as user/sweep/paths.S walks
# them: user mode must find every register as it left it, and the kernel must live. Then nested: a
# first NMI whose handler unblocks NMIs by an IRET, and a second one at every instruction after it. Then
# machine checks: alone, and with an NMI that is pending when they return, at every instruction of a
# first NMI, where a return by IRET would let the second NMI take the first one's frame.
# The longer paths, through a page fault and a signal, are swept in Bochs, which is quicker at it
# (tests/bochs_nmi.t), and here with DEEP=1, which also puts the first NMI at every eighth step of the
# path in turn. NMI=REGEX picks sweeps.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
n=0
tmp=$(mktemp -d)
qemu=''
cleanup() {
	[ -n "$qemu" ] && kill "$qemu" 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

result() { # ok|not ok, text
	n=$((n + 1))
	echo "$1 $n - $2"
}

address() { # symbol
	nm "$build/user/paths" | awk -v s="$1" '$3 == s { print "0x" $1 }'
}

sweep() { # name, kernel's words, path, more options of inject
	local name=$1 append=$2 path=$3 code
	shift 3
	[[ $name =~ ${NMI:-.} ]] || return
	rm -f "$tmp/gdb" "$tmp/serial"
	qemu-system-x86_64 -singlestep -M microvm -m 64 -cpu max,vendor=GenuineIntel -no-reboot \
		-display none -kernel "$build/kaiser.elf" -initrd "$tmp/initrd" -append "$append" \
		-serial "file:$tmp/serial" -device isa-debug-exit,iobase=0xf4 \
		-gdb "unix:$tmp/gdb,server=on,wait=off" >"$tmp/qemu" 2>&1 &
	qemu=$!
	for _ in $(seq 100); do
		grep -q 'starting /init' "$tmp/serial" 2>/dev/null && break
		sleep 0.1
	done
	sleep 0.5
	timeout 3600 "$build/inject" --gdb "$tmp/gdb" --start "$(address "$path")" \
		--stop "$(address "${path}_end")" --serial "$tmp/serial" --forbid fatal: \
		--check "$(address rounds)!=0" "$@" >"$tmp/out" 2>&1
	code=$?
	kill "$qemu" 2>/dev/null
	wait "$qemu" 2>/dev/null
	qemu=''
	if [ $code = 0 ] && grep -q ' 0 failures' "$tmp/out"; then
		result ok "$name: $(tail -n 1 "$tmp/out")"
	else
		result "not ok" "$name"
		sed 's/^/# /' "$tmp/out"
		tail -n 20 "$tmp/serial" | sed 's/^/# | /'
	fi
}

scripts/initramfs.sh -o "$tmp/initrd" -i "$build/user/paths" || exit 1
deep=''
[ "${DEEP:-0}" = 1 ] && deep='fault signal'
mce='mce 0 1 0xb200000000000000 0x5 0 0'
for pti in on off; do
	for path in syscall nostack int80 syscall32 sysenter $deep; do
		sweep "$path, pti=$pti" "pti=$pti" "path_$path" --max 20000
	done
	# Step 3 is in the head, on the user root.
	sweep "nested in the head, pti=$pti" "pti=$pti debug_nmi_iret" path_syscall --first 3
	sweep "machine check, pti=$pti" "pti=$pti debug_mce_continue" path_syscall --event "$mce" --vector 18
	sweep "machine check in an NMI in the head, pti=$pti" \
		"pti=$pti debug_nmi_iret debug_mce_continue" path_syscall \
		--first 3 --first-event nmi --event "$mce;nmi"
done
if [ "${DEEP:-0}" = 1 ]; then
	for first in $(seq 1 8 400); do
		sweep "nested at step $first" "pti=on debug_nmi_iret" path_syscall --first "$first"
	done
fi
echo "1..$n"
