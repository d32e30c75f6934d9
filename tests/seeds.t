#!/bin/bash
# SPDX-License-Identifier: MIT
# Each seeded mistake of tests/seeds must be caught, at once and by name. SEED=REGEX picks some.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
seeds=$build/seeds
# shellcheck source=tests/lib.sh
. tests/lib.sh

boot() { # kernel
	scripts/qemu.sh -q -M microvm -k "$1" -i "$tmp/initrd" -s 2 -m 64M -t 30 -a pti=on \
		-l "$tmp/log" 2>"$tmp/err"
}

printf 'int main(void) { return 0; }\n' >"$tmp/init.c"
${HOSTCC:-gcc} -static -O1 -o "$tmp/init" "$tmp/init.c" &&
	scripts/initramfs.sh -o "$tmp/initrd" -i "$tmp/init" || exit 1

boot "$build/debug/kaiser.elf"
if grep -q 'init exited with status 0' "$tmp/log"; then
	result ok "no mistake: init runs to its end"
else
	result "not ok" "no mistake: init runs to its end"
	tail -n 20 "$tmp/log" | sed 's/^/# | /'
fi
for patch in tests/seeds/*.patch; do
	name=$(basename "$patch" .patch)
	[[ $name =~ ${SEED:-.} ]] || continue
	expect=$(sed -n 's/^Expect: //p' "$patch")
	why=$(sed -n 's/^Mistake: //p' "$patch")
	tree=$seeds/$name
	if ! scripts/patched_kernel.sh "$tree" "$build/debug" "$patch" DEBUG=1 >"$tmp/err" 2>&1; then
		result "not ok" "$name: cannot be built"
		tail -n 20 "$tmp/err" | sed 's/^/# | /'
		continue
	fi
	boot "$tree/build/kaiser.elf"
	# Not what the kernel calls itself. A panic names functions and tells the live root.
	if grep -v '^#1 SMP KAISER' "$tmp/log" | grep -qE "$expect" && grep -q '^panic: ' "$tmp/log" &&
		grep -qE '^live root: CR3 0x[0-9a-f]+, a (user|kernel) root' "$tmp/log" &&
		grep -qE '^  \+0x[0-9a-f]+ [a-z_][a-z0-9_.]*\+0x[0-9a-f]+' "$tmp/log"; then
		result ok "$name: $why"
	else
		result "not ok" "$name: $why"
		echo "# wanted a panic, its functions, the live root, and a line like: $expect"
		tail -n 20 "$tmp/log" | sed 's/^/# | /'
	fi
	rm -rf "$tree"
done
echo "1..$n"
