#!/bin/bash
# SPDX-License-Identifier: MIT
# Extra mappings in a guest: the kernel adds two pages to each CPU's window, looks, takes them out and
# looks again (debug_extra; kernel/port/kaiser_port.c). Its checks must know them by name, and count.
# Then a process with an LDT, a 16-bit stack and an I/O port, seen from outside by kaiser audit: its
# CPU maps what it asked for, by name, and the other CPU four pages.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
for guest in '1 max,vendor=GenuineIntel' '4 max,vendor=GenuineIntel,-la57' '2 qemu64'; do
	read -r cpus cpu <<<"$guest"
	scripts/qemu.sh -q -k "$build/kaiser.elf" -i "$build/tests/off.cpio.gz" -s "$cpus" -m 128M -c "$cpu" \
		-t 120 -a "pti=on debug_extra" -l "$tmp/log" 2>"$tmp/err"
	code=$?
	with=$(sed -n '/with two extra pages/,/and without them/p' "$tmp/log" | grep -c ': 6 supervisor pages (24 KiB) under the user root, 2 writable')
	without=$(sed -n '/and without them/,$p' "$tmp/log" | grep -c ': 4 supervisor pages (16 KiB) under the user root, 1 writable')
	for what in "ends well:$code:0" "six pages on each CPU, two writable:$with:$cpus" "four again:$without:$cpus"; do
		n=$((n + 1))
		IFS=: read -r text got want <<<"$what"
		if [ "$got" = "$want" ]; then
			echo "ok $n - $cpus CPUs, $cpu: $text"
		else
			echo "not ok $n - $cpus CPUs, $cpu: $text"
			echo "# $got instead of $want"
			tail -n 12 "$tmp/log" | sed 's/^/# | /'
		fi
	done
done

timeout 150 "$build/san/kaiser" audit --samples 12 --run -- qemu-system-x86_64 -M microvm -accel tcg \
	-cpu max,vendor=GenuineIntel -smp 2 -m 128M -no-reboot -display none -monitor none -nic none \
	-serial null -kernel "$build/kaiser.elf" -initrd "$build/tests/asks.cpio.gz" \
	-append "console=ttyS0 pti=on" </dev/null >"$tmp/out" 2>"$tmp/err"
while IFS=: read -r text pattern; do
	n=$((n + 1))
	if grep -Eq -- "$pattern" "$tmp/out"; then
		echo "ok $n - from outside: $text"
	else
		echo "not ok $n - from outside: $text"
		sed 's/^/# | /' "$tmp/out" "$tmp/err"
	fi
done <<'END'
the LDT's two pages, read-only, on CPU 0 alone:^  0x\S+ +8K  r--  cpu 0 +needed. LDT$
the I/O bitmap's three pages, read-only, on CPU 0 alone:^  0x\S+ +12K  r--  cpu 0 +needed. I/O bitmap$
the entry page once more, for the 16-bit stack:^  0x\S+ +4K  rw-  cpu 0 +needed. RSP0's page again
CPU 1 has the four pages:^ +4 supervisor pages under the user root \[cpu 1\]
nothing was found:^verdict. (clean|.*nothing found so far)
END
echo "1..$n"
