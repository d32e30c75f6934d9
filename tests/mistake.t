#!/bin/bash
# SPDX-License-Identifier: MIT
# `make kernel MISTAKE=NAME`: the kernel with that mistake, apart from the good one, which tells its mistake,
# follows the sources, and gets into no package. In a copy of the tree, since sources change.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh
tree=$tmp/tree
mkdir -p "$tree/tests" "$tree/build" && cp -a Makefile mk scripts kaiser kernel "$tree/" &&
	cp -a tests/storm_seeds tests/seeds "$tree/tests/" && cp -a "$build/obj" "$build/kaiser.elf" "$tree/build/" || exit 1
good=$(sha256sum <"$build/kaiser.elf")

kernel() { # name
	make -s -C "$tree" BUILD=build MISTAKE="$1" kernel 2>&1
}

elf() { # name
	echo "$tree/build/mistake/$1/kaiser.elf"
}

tells() { # name
	strings "$(elf "$1")" | grep -qx "#1 SMP KAISER, seeded mistake $1"
}

kernel rax-lost >"$tmp/1" &
kernel cr3-by-cs >"$tmp/2" &
wait
both() {
	cat "$tmp/1" "$tmp/2"
	tells rax-lost && tells cr3-by-cs && ! cmp -s "$(elf rax-lost)" "$(elf cr3-by-cs)"
}
check "two at once, each with its mistake" both
says() {
	cat "$tmp/2"
	grep -q '^build/mistake/cr3-by-cs/kaiser.elf has .*/storm_seeds/cr3-by-cs.patch:$' "$tmp/2" &&
		grep -qx "  $(sed -n 's/^Mistake: //p' tests/storm_seeds/cr3-by-cs.patch)" "$tmp/2"
}
check "make says where the kernel is and what the mistake is" says
untouched() {
	[ "$(sha256sum <"$tree/build/kaiser.elf")" = "$good" ] && ! strings "$tree/build/kaiser.elf" | grep -q 'seeded mistake'
}
check "build/kaiser.elf stays as it is" untouched

boots() {
	scripts/qemu.sh -q -M microvm -k "$(elf cr3-by-cs)" -i "$build/tests/off.cpio.gz" -s 1 -m 64M -t 30 -a pti=on \
		-l "$tmp/log" 2>&1
	grep -x '#1 SMP KAISER, seeded mistake cr3-by-cs' "$tmp/log"
}
check "the kernel says so as it boots" boots

fresh() {
	make -q -C "$tree" BUILD=build MISTAKE=rax-lost build/mistake/rax-lost/kaiser.elf
}
stale() {
	fresh
	[ $? = 1 ]
}
check "nothing to do once it is built" fresh
for f in kernel/main.c kaiser/entry/nmi.inc kernel/kernel.ld Makefile tests/storm_seeds/rax-lost.patch; do
	touch "$tree/$f"
	check "  but after a change of $f there is" stale
	touch -r "$f" "$tree/$f"
done
check "  and none when it is as before" fresh
rm "$tree/kernel/include/sweep.h"
check "  and after one is gone" stale
cp -a kernel/include/sweep.h "$tree/kernel/include/"
sed -i 's/"init: starting %s/"init: now starting %s/' "$tree/kernel/main.c"
follows() {
	kernel rax-lost && strings "$(elf rax-lost)" | grep -q 'init: now starting' && tells rax-lost
}
check "the changed source is in the next one" follows
echo '#error nobody builds this' >>"$tree/kaiser/entry/tails.inc"
fails() {
	! kernel rax-lost && strings "$(elf rax-lost)" | grep -q 'init: now starting'
}
check "what cannot be built leaves the last kernel, and fails" fails

# With -n: should one not refuse, it must not install or clean.
refuses() { # text in the message, words for make
	make -n "${@:2}" >"$tmp/out2" 2>&1
	local code=$?
	cat "$tmp/out2"
	[ $code = 2 ] && grep -q -- "$1" "$tmp/out2"
}
for name in no-such-one % ../seeds/fifth-page 'rax-lost gs-by-cpl'; do
	check "MISTAKE='$name': there is none; names, exit code 2" \
		refuses 'there is no such seeded mistake.* cr3-by-cs .* wipe-of-latched' BUILD="$build" MISTAKE="$name" kernel
done
others="install install-product install-files product dist deb test storm-seeds clean"
# shellcheck disable=SC2086
check "no kernel with a mistake for: $others" \
	refuses "make $others does not take a kernel with a mistake" BUILD="$build" MISTAKE=rax-lost $others
check "nor with KERNEL=, another one" refuses 'are two kernels' BUILD="$build" MISTAKE=rax-lost KERNEL=vmlinuz run
every() {
	make -s mistakes | sed 's/: .*//' >"$tmp/names"
	find tests/storm_seeds tests/seeds tests/model/seeds tests/fuzz -name '*.patch' -printf '%f\n' |
		sed 's/\.patch$//' | LC_ALL=C sort | diff - <(LC_ALL=C sort "$tmp/names")
}
check "make mistakes tells of each, once" every
echo "1..$n"
