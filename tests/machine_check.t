#!/bin/bash
# SPDX-License-Identifier: MIT
# Machine checks from QEMU's monitor at user/tests/mce.c: one in a process's memory costs that process
# alone; one with a corrupt context stops the machine, which names bank and status and, in a debug
# build, shows the transition trace: the program took every way into the kernel. Only an NMI is not
# looked for, since it cannot be timed from outside into the trace's 64 places: tests/nmi_trace.t does. Both
# configurations.
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

check() { # text, egrep pattern: a line of the guest's must match
	if grep -aqE -- "$2" "$tmp/serial"; then
		result ok "$1"
	else
		result "not ok" "$1"
		echo "# no line matches $2"
		tail -n 12 "$tmp/serial" | sed 's/^/# | /'
	fi
}

stage() { # number: waits until the guest is there; its address in $at
	at=''
	for _ in $(seq 300); do
		at=$(sed -n "s/\r//g;s/^# stage $1 \(0[x0-9a-f]*\)$/\1/p" "$tmp/serial")
		[ -n "$at" ] && break
		kill -0 "$qemu" 2>/dev/null || return
		sleep 0.1
	done
	sleep 0.3 # from the line into the loop
}

physical() { # address: the number of the page's byte behind it
	: >"$tmp/answer"
	echo "gva2gpa $1" >&8
	for _ in $(seq 50); do
		sed -n 's/.*gpa: \(0x[0-9a-f]*\).*/\1/p' "$tmp/answer" | grep . && return
		sleep 0.1
	done
}

# One guest from its boot to its end.
guest() { # pti=
	local s reader
	: >"$tmp/serial"
	exec 8<>"$tmp/hmp.in" 9<>"$tmp/hmp.out"
	cat "$tmp/hmp.out" >"$tmp/answer" 8>&- 9>&- &
	reader=$!
	timeout 200 qemu-system-x86_64 -M microvm -m 64 -cpu max,vendor=GenuineIntel -no-reboot -display none \
		-kernel "$build/debug/kaiser.elf" -initrd "$tmp/initrd" -append "$1 nokaslr" \
		-serial "file:$tmp/serial" -device isa-debug-exit,iobase=0xf4 \
		-chardev "pipe,id=hmp,path=$tmp/hmp" -mon chardev=hmp,mode=readline 8>&- 9>&- \
		>"$tmp/qemu" 2>&1 &
	qemu=$!
	# Valid, uncorrected, enabled, with an address, action required; RIP valid.
	for s in 1 2; do
		stage $s
		echo "mce 0 9 0xbd80000000000134 0x5 $(physical "$(printf '%#x' $((at + 64)))") 0x8c" >&8
	done
	stage 3
	echo "mce 0 9 0x9400000000000000 0x5 $(physical "$at") 0" >&8
	stage 4
	sleep 1
	echo 'mce 0 3 0xb200000000000000 0x5 0 0' >&8
	for _ in $(seq 100); do
		kill -0 $qemu 2>/dev/null || break
		sleep 0.1
	done
	kill "$qemu" $reader 2>/dev/null
	wait "$qemu" $reader 2>/dev/null
	qemu=''
	exec 8>&- 9>&-
	sed -i 's/\r//g' "$tmp/serial"
}

scripts/initramfs.sh -o "$tmp/initrd" -i "$build/user/mce.musl" || exit 1
mkfifo "$tmp/hmp.in" "$tmp/hmp.out"
for pti in pti=on pti=off; do
	# A check that meets the kernel, in a timer tick, rightly stops the machine: then once more.
	for _ in 1 2 3 4; do
		guest $pti
		grep -aq '^# stage 4' "$tmp/serial" && break
	done
	for s in 1 2 3; do
		check "$pti: $(sed -n "s/^\(not \)\?ok $s - //p" "$tmp/serial")" "^ok $s - "
	done
	check "$pti: the loss is told" '^machine check: process [0-9]+ .* loses its page'
	check "$pti: another stops the machine by name" \
		'^panic: machine check at .*bank 3 status b200000000000000'
	while read -r way line; do
		check "$pti: the trace shows ${way//_/ }" "^kaiser: $line"
	done <<-'END'
		SYSCALL           syscall [0-9a-f]+ from user
		INT_0x80          vector 80 from user
		SYSCALL32         ia32 call 01 from user
		SYSENTER          ia32 call 02 from user
		#DE               vector 00 from user
		a_single_step     vector 01 from user
		INT3              vector 03 from user
		#UD               vector 06 from user
		#GP               vector 0d from user
		a_page_fault      vector 0e from user
		a_timer_tick      vector 20 from user
		the_machine_check vector 12 from
	END
done
echo "1..$n"
