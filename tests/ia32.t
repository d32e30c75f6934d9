#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/programs.t once more with 32-bit programs: Debian's i386 busybox and a C program, called in
# by SYSENTER, SYSCALL and INT 0x80 as the CPU's maker has it.
cd "$(dirname "$0")/.." || exit 1
skip() {
	echo "1..0 # SKIP $*"
	exit 0
}
box=$(scripts/busybox32.sh 2>&1) || skip "no i386 busybox: $box"
[ "$("$box" echo yes 2>/dev/null)" = yes ] ||
	skip "this machine does not run 32-bit programs, so it cannot give the answers to compare with"
echo 'int main(void) { return 0; }' | gcc -m32 -static -x c -o /dev/null - 2>/dev/null ||
	skip "gcc -m32 -static does not link: libc6-dev-i386 is missing"
BITS=32 BUSYBOX=$box exec tests/programs.t
