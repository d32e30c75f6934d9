#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a GRUB CD image that boots a kernel at once, with the serial line as GRUB's console.
#   scripts/iso.sh [-L] -o OUT -k KERNEL [-i INITRD] [-a APPEND]
#   multiboot2; -L: the Linux boot protocol, for peers
set -eu

out='' kernel='' initrd='' append='' load=multiboot2 module=module2
while getopts Lo:k:i:a: opt; do
	case $opt in
	L) load=linux module=initrd ;;
	o) out=$OPTARG ;; k) kernel=$OPTARG ;; i) initrd=$OPTARG ;; a) append=$OPTARG ;;
	*) exit 2 ;;
	esac
done
if [ -z "$out" ] || [ -z "$kernel" ]; then
	echo "usage: iso.sh [-L] -o OUT -k KERNEL ..." >&2
	exit 2
fi
tree=$(mktemp -d)
log=$(mktemp) # not in the tree: grub-mkrescue packs that while it logs
trap 'rm -rf "$tree" "$log"' EXIT
mkdir -p "$tree/boot/grub" "$(dirname "$out")"
cp "$kernel" "$tree/boot/kernel"
[ -n "$initrd" ] && cp "$initrd" "$tree/boot/initrd"
{
	echo 'serial --unit=0 --speed=115200'
	echo 'terminal_input serial console; terminal_output serial'
	echo "$load /boot/kernel console=ttyS0 $append"
	[ -n "$initrd" ] && echo "$module /boot/initrd"
	echo 'boot'
} >"$tree/boot/grub/grub.cfg"
modules='normal serial terminal iso9660 linux multiboot2 boot'
if ! grub-mkrescue -d /usr/lib/grub/i386-pc --install-modules="$modules" --locales= --themes= \
	--fonts= -o "$out" "$tree" >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
