#!/bin/bash
# SPDX-License-Identifier: MIT
# A stack of an event that overflows is a double fault, and the panic names the stack
# (kaiser_hole_name()). tests/overflow.patch makes one overflow as the command line says.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
tree=$build/overflow
# shellcheck source=tests/lib.sh
. tests/lib.sh
trap 'rm -rf "$tmp" "$tree"' EXIT

scripts/patched_kernel.sh "$tree" "$build/debug" tests/overflow.patch DEBUG=1 >"$tmp/err" 2>&1 || {
	sed 's/^/# /' "$tmp/err"
	echo "Bail out! the patch does not build"
	exit 1
}
printf 'int main(void) { return 0; }\n' >"$tmp/init.c"
${HOSTCC:-gcc} -static -O1 -o "$tmp/init" "$tmp/init.c" &&
	scripts/initramfs.sh -o "$tmp/initrd" -i "$tmp/init" || exit 1

boots() { # what, words, pattern
	scripts/qemu.sh -q -M microvm -k "$tree/build/kaiser.elf" -i "$tmp/initrd" -s 2 -m 64M -t 60 -a "$2" \
		-l "$tmp/log" 2>"$tmp/err"
	if grep -qE "$3" "$tmp/log"; then
		result ok "$2: $1"
	else
		result "not ok" "$2: $1"
		tail -n 12 "$tmp/log" | sed 's/^/# | /'
	fi
}

boots "runs to its end" pti=on 'init exited with status 0'
for pti in on off; do
	while read -r word name; do
		boots "the $name overflows, by name" "pti=$pti overflow_$word" \
			"^panic: overflow of the $name: CPU [0-9]+, task [0-9]+, sp [0-9a-f]{16}, at "
	done <<-END
		entry entry stack
		nmi NMI stack
		debug #DB stack
		check #MC stack
	END
done
echo "1..$n"
