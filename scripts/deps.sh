#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks what a group of targets needs and installs what is missing through apt-get.
#   scripts/deps.sh [-n] GROUP...        groups: build run iso tools bench test deb deb-test debug; -n only lists
# Quiet when nothing is missing. Where there is no apt-get the names are printed and it fails.
set -u

# check|package: a command, h:HEADER, f:FILE, or s:COMMAND for one that must be statically linked
table() {
	case $1 in
	build) echo 'gcc|gcc ld|binutils h:stdlib.h|libc6-dev' ;;
	run) table build && echo 'qemu-system-x86_64|qemu-system-x86 s:busybox|busybox-static
		cpio|cpio gzip|gzip' ;;
	iso) table build && echo 'grub-mkrescue|grub-common xorriso|xorriso mformat|mtools
		f:/usr/lib/grub/i386-pc/boot.img|grub-pc-bin bochs|bochs
		f:/usr/share/bochs/BIOS-bochs-latest|bochsbios
		f:/usr/share/vgabios/vgabios.stdvga.bin|vgabios' ;;
	tools) table build && echo 'h:jansson.h|libjansson-dev h:libelf.h|libelf-dev
		h:elfutils/libdwfl.h|libdw-dev' ;;
	bench) table build && echo 'musl-gcc|musl-tools cpio|cpio gzip|gzip' ;;
	test) table run && table iso && table tools && table fuzz && echo 'clang|clang prove|perl musl-gcc|musl-tools bash-static|bash-static
		f:/usr/include/asm|gcc-multilib f:/usr/lib32/libc.a|libc6-dev-i386 h:cmocka.h|libcmocka-dev h:Zydis/Zydis.h|libzydis-dev
		pkg-config|pkg-config groff|groff-base gdb|gdb' ;;
	fuzz) echo 'clang|clang f:/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a|libclang-rt-14-dev' ;;
	deb) echo 'dpkg-buildpackage|dpkg-dev dh|debhelper fakeroot|fakeroot lintian|lintian git|git' ;;
	deb-test) echo 'debootstrap|debootstrap' ;;
	debug) table run && echo 'gdb|gdb' ;;
	*) echo "deps.sh: no group '$1'" >&2 && return 1 ;;
	esac
}

present() {
	case $1 in
	h:*) [ -e "/usr/include/${1#h:}" ] || [ -e "/usr/include/x86_64-linux-gnu/${1#h:}" ] ;;
	f:*) [ -e "${1#f:}" ] ;;
	s:*) p=$(command -v "${1#s:}") && ! LC_ALL=C readelf -l "$p" 2>/dev/null | grep -q INTERP ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

list=0
[ "${1:-}" = -n ] && list=1 && shift
[ $# -gt 0 ] || { echo "usage: deps.sh [-n] build|run|iso|tools|bench|test|deb|deb-test|debug..." >&2; exit 2; }

missing=
for group; do
	items=$(table "$group") || exit 2
	for item in $items; do
		present "${item%%|*}" && continue
		case " $missing " in
		*" ${item##*|} "*) ;;
		*) missing="$missing ${item##*|}" ;;
		esac
	done
done
[ -n "$missing" ] || exit 0
[ $list = 1 ] && { echo "${missing# }" | tr ' ' '\n'; exit 1; }

if ! command -v apt-get >/dev/null 2>&1; then
	echo "Missing, and there is no apt-get here to install it. Debian's names:$missing" >&2
	exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null 2>&1 || { echo "Missing:$missing (no root, no sudo)" >&2; exit 1; }
	as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
install() {
	# shellcheck disable=SC2086
	$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>"$log"
}
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
echo "Installing:$missing" >&2
install && exit 0
$as_root apt-get update -qq >/dev/null 2>&1
install && exit 0
cat "$log" >&2
echo "Could not install:$missing" >&2
exit 1
