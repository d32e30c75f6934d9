#!/bin/bash
# SPDX-License-Identifier: MIT
# Where the kernel, its window and its direct map lie, over many boots: never the same place twice,
# to speak of, and no place told by another. KASLR_BOOTS=N boots another number of times; the limits
# go with it.
set -u
cd "$(dirname "$0")/.." || exit 1
export kernel=${KERNEL_ELF:-${BUILD:-build}/kaiser.elf} initrd=${BUILD:-build}/tests/off.cpio.gz
boots=${KASLR_BOOTS:-200}
tmp=$(mktemp -d)
export tmp
trap 'rm -rf "$tmp"' EXIT

boot() { # name, arguments: one line "image window direct_map" in $tmp/name
	timeout 60 qemu-system-x86_64 -M microvm -accel tcg -cpu "max,vendor=GenuineIntel" -m 64M \
		-kernel "$kernel" -initrd "$initrd" -append "console=ttyS0 pti=on kaslr_show $2" \
		-no-reboot -display none -monitor none -nic none -serial stdio </dev/null 2>&1 |
		tr -d '\r' | sed -n 's/.*kaslr: image \([0-9a-f]*\) window \([0-9a-f]*\) direct_map \([0-9a-f]*\)$/\1 \2 \3/p' \
			>"$tmp/$1"
}
export -f boot

seq "$boots" | xargs -P 2 -I{} bash -c 'boot {} ""'
for i in a b c; do boot "fixed.$i" nokaslr; done
cat "$tmp"/[0-9]* >"$tmp/all"

n=0
result() { # status, text
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

lines=$(wc -l <"$tmp/all")
[ "$lines" = "$boots" ]
result $? "$boots boots, $lines told where things lie"

# Differences of 64-bit numbers, exactly, by the shell.
while read -r image window direct; do
	echo "image $image"
	echo "window $window"
	echo "direct_map $direct"
	printf 'window-image %x\n' $((0x$window - 0x$image))
	printf 'direct_map-image %x\n' $((0x$direct - 0x$image))
	printf 'direct_map-window %x\n' $((0x$direct - 0x$window))
done <"$tmp/all" >"$tmp/values"
for what in image window direct_map window-image direct_map-image direct_map-window; do
	read -r distinct most <<<"$(awk -v what="$what" '
		$1 == what && ++count[$2] { if (count[$2] == 1) d++; if (count[$2] > m) m = count[$2] }
		END { print d + 0, m + 0 }' "$tmp/values")"
	[ "$distinct" -ge $((boots / 2)) ] && [ "$most" -le 5 ]
	result $? "$what: $distinct distinct values, none more than $most times"
done

[ "$(cat "$tmp"/fixed.* | wc -l)" = 3 ] && [ "$(cat "$tmp"/fixed.* | sort -u | wc -l)" = 1 ]
result $? "nokaslr: the same places each time"
! grep -qxFf <(sort -u "$tmp"/fixed.*) "$tmp/all"
result $? "and none of the boots lies there"
echo "1..$n"
