#!/bin/bash
# SPDX-License-Identifier: MIT
# The API as strangers get it: headers and library installed below a DESTDIR and found by pkg-config, no
# file of kaiser/ beside them. A guest (tests/installed/) calls every function and provokes every error
# that a machine under QEMU can show; unit tests built on the installed headers provoke those of other
# machines. Both lists are made from the headers, so that nothing new stays out of them.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib.sh
. tests/lib.sh
build=${BUILD:-build}

check "make install below a DESTDIR" make -s BUILD="$build" install DESTDIR="$tmp/root" PREFIX=/usr
export PKG_CONFIG_PATH="$tmp/root/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
include=$tmp/root/usr/include
api() {
	tests/installed/api.pl "$@"
}

# ---- the headers ----
check "every function in the headers is documented: purpose, context, errors" api documented "$include"
cp -a "$include" "$tmp/bare"
perl -0pi -e 's{/\* Takes a range of kaiser_extra_add\(\) out.*?\*/\n}{\n}s' "$tmp/bare/kaiser/kaiser.h"
! cmp -s "$include/kaiser/kaiser.h" "$tmp/bare/kaiser/kaiser.h" && ! api documented "$tmp/bare" >"$tmp/found"
check "... and one without a comment is found" grep 'kaiser_extra_remove: no comment' "$tmp/found"
api functions "$include" | awk '$1 == "extern" { print $2 }' | sort >"$tmp/declared"
nm -g --defined-only "$tmp/root/usr/lib/libkaiser.a" | awk 'NF == 3 { print $3 }' | sort -u >"$tmp/defined"
check "every function in them is in the library" diff "$tmp/declared" <(comm -12 "$tmp/declared" "$tmp/defined")
alone() { # header, compiler...
	local header=$1
	shift
	printf '#include <kaiser/%s>\nextern int x;\n' "$header" |
		"$@" -ffreestanding -Wall -Wextra -Wpedantic -Werror "-I$include" -fsyntax-only -
}
for header in kaiser layout options regs verify version; do
	check "$header.h stands alone as C11 and C++17" eval \
		"alone $header.h gcc -x c -std=c11 && alone $header.h g++ -x c++ -std=c++17"
done

# ---- the guest ----
mkdir "$tmp/api"
cp examples/tinyhost/{boot.S,machine.c,tiny.h,tiny.ld,Makefile} tests/installed/*.[chS] "$tmp/api"
# What the guest's own files call goes by way of noted.S. What the library calls does not.
count_calls() (
	cd "$tmp/api" && : >functions.inc && make -s api.c.o calls.c.o events.c.o || exit 1
	nm -u api.c.o calls.c.o events.c.o | awk '$1 == "U" { print $2 }' | sort -u |
		comm -12 - "$tmp/declared" >functions
	sed 's/.*/FUNCTION &/' functions >functions.inc
	sed 's/.*/& noted_&/' functions >rename
	for o in api calls events; do
		objcopy --redefine-syms=rename $o.c.o || exit 1
	done
	make -s
)
check "a guest that calls the API is built against them" count_calls
timeout 60 qemu-system-x86_64 -accel tcg -kernel "$tmp/api/tinyhost.elf" -cpu max,vendor=GenuineIntel -smp 2 \
	-m 64M -display none -serial stdio -monitor none -nic none -no-reboot \
	-device isa-debug-exit,iobase=0xf4 </dev/null >"$tmp/log" 2>"$tmp/qemu"
code=$?
while read -r line; do
	case $line in
	ok\ * | not\ ok\ *) result "${line%% [0-9]*}" "${line#*- }" ;;
	esac
done <"$tmp/log"
check "the guest came to its end" test $code = 33
[ $code = 33 ] || tail -n 5 "$tmp/log" "$tmp/qemu" | sed 's/^/# /'

# ---- the handlers that a host need not write ----
by_the_library() (
	cd "$tmp/api" && make -s clean && make -s CC='gcc -DLIBRARY_HANDLERS' || exit 1
	timeout 60 qemu-system-x86_64 -accel tcg -kernel tinyhost.elf -cpu max,vendor=GenuineIntel -smp 2 \
		-m 64M -display none -serial stdio -monitor none -nic none -no-reboot \
		-device isa-debug-exit,iobase=0xf4 </dev/null >"$tmp/df" 2>&1
	[ $? = 37 ] && grep '^double fault: NMI stack overflow' "$tmp/df"
)
check "without a handler of the host's a double fault is told by the library" by_the_library

# ---- what no machine under QEMU shows ----
units="tests/unit/test_bringup.c tests/unit/test_pcid.c"
on_installed() ( # a unit test
	tags() { sed -n "s|^/\* $1: \(.*\) \*/\$|\1|p" "$2"; }
	flags=$(tags CFLAGS "$1" | sed "s|-Ikaiser/include|-I$include|g")
	# shellcheck disable=SC2046,SC2086
	gcc -std=gnu11 -O1 $flags -Itests/unit "$1" $(tags SRC "$1") -o "$tmp/unit" $(tags LIBS "$1") && "$tmp/unit"
)
for unit in $units; do
	check "$(basename "$unit") on the installed headers" on_installed "$unit"
done

# ---- all of it ----
# shellcheck disable=SC2086
check "every function was called and every error met" api covered "$include" "$tmp/log" $units
grep -v '^# called kaiser_totals' "$tmp/log" | grep -v 'kaiser_set_tls: KAISER_E_ARG' >"$tmp/less"
# shellcheck disable=SC2086
api covered "$include" "$tmp/less" $units >"$tmp/found"
check "... and what was not would be found" diff "$tmp/found" - <<'END'
kaiser_set_tls is never brought to KAISER_E_ARG
kaiser_totals is never called
END
echo "1..$n"
