#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints gdb commands for a kernel booted with nokaslr.
#   scripts/gdbinit.sh KERNEL.elf WINDOW.elf
# The image runs at 0xffffffff81000000, linked at 0xffffffff80000000; its gate text runs once more
# in the window, at 0xffffffffc0001000, for which a file with the symbols of that section alone is
# written.
set -eu

kernel=$1 window=$2
linked=$(readelf -SW "$kernel" | awk '{ sub(/^ *\[ *[0-9]+\] */, "") } $1 == ".kaiser.text" { print $3 }')
[ -n "$linked" ] || { echo "gdbinit.sh: $kernel has no .kaiser.text" >&2; exit 1; }
names=$(mktemp)
trap 'rm -f "$names"' EXIT
readelf -sW "$kernel" | awk -v all="$(readelf -SW "$kernel")" '
	BEGIN { match(all, /\[ *[0-9]+\] \.kaiser\.text/); ndx = substr(all, RSTART + 1) + 0 }
	$1 ~ /^[0-9]+:$/ && $8 != "" { if ($7 == ndx) keep[$8] = 1; else drop[$8] = 1 }
	END { for (s in drop) if (!(s in keep)) print s }' >"$names"
objcopy --strip-debug --strip-symbols="$names" "$kernel" "$window"
cat <<END
set pagination off
set confirm off
symbol-file -o 0x1000000 $kernel
add-symbol-file $window -o $(printf '0x%x' $((0xc0001000 - 0x${linked#ffffffff})))
source scripts/kaiser-gdb.py
target remote :1234
END
