#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the kernel with a patch, such as a seeded mistake, in a copy of the tree.
#	scripts/patched_kernel.sh DIR OBJECTS PATCH [WORDS FOR MAKE]
# DIR, which is made anew, holds the copy, and DIR/build/kaiser.elf, which tells the patch's name at boot
# and in uname's version. OBJECTS is the folder of an earlier build, so that only what the patch touches is
# compiled; where nothing was built yet, everything is. What changed since is compiled again, by its time.
set -eu
[ $# -ge 3 ] || { sed -n '4s/^#	/usage: /p' "$0" >&2; exit 2; }
dir=$1 objects=$2 patch=$3
shift 3

rm -rf "$dir"
mkdir -p "$dir/build" "$dir/mk"
cp -a Makefile kaiser kernel "$dir"/
cp -a mk/flags.mk mk/kernel.mk mk/ksyms.awk "$dir/mk/"
if [ -e "$objects/kaiser.elf" ]; then
	cp -a "$objects/obj" "$dir/build/"
	# An object that no link has used yet may still be in the writing.
	find "$dir/build/obj" -type f -newer "$objects/kaiser.elf" -delete
	find "$dir/build/obj" -name '*.d' -exec sed -i "s|$objects/|build/|g" {} +
fi
patch -s -p1 -d "$dir" <"$patch"
touch "$dir/kernel/include/utsname.h"
make -s -C "$dir" "$@" BUILD=build MISTAKE= UTS_PATCHED="$(basename "$patch" .patch)" kernel
