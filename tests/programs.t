#!/bin/bash
# SPDX-License-Identifier: MIT
# Unmodified programs give the same answers here as on the build host's kernel: Debian's busybox
# does everything in tests/programs/*.sh, with bash-static and zsh-static where they are installed,
# and a C program with glibc and with musl. PROGRAMS=REGEX picks tests.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(cd "${BUILD:-build}" && pwd) || exit 1
kernel=${GUEST_KERNEL:-$build/kaiser.elf}
here=$PWD/tests/programs
work=$(mktemp -d) || exit 1
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/tree" "$work/tree/t" "$work/tree/bin"
bail() { echo "Bail out! $*"; exit 1; }

bits=${BITS:-64} # 32: tests/ia32.t
libcs='glibc:gcc musl:musl-gcc'
[ "$bits" = 32 ] && libcs=glibc:gcc
for libc in $libcs; do
	${libc#*:} "-m$bits" -std=gnu11 -O1 -w -static -pthread "$here/libc.c" \
		-o "$work/tree/bin/libc.${libc%:*}" -lm || bail "libc.c does not compile with ${libc#*:}"
done
box=$(readlink -f "${BUSYBOX:-$(command -v busybox)}")
for applet in $("$box" --list); do ln -s "$box" "$work/bin/$applet"; done
cp "$here"/*.sh "$work/tree/t"

# Both sides run the scripts from the same place, so that messages agree.
host() { # shell, script...
	shell=$1
	shift
	# A shell cannot trap what was ignored when it began, as SIGINT is behind `&`.
	/usr/bin/env --default-signal PATH="$work/bin" PICK="${PROGRAMS:-}" SH="$shell" LIBC="$work/tree/bin" \
		sh "$here/run.sh" "$work/work" "$work/tree/expected" "${@/#/$here/}"
}
mkdir -p "$work/tree/expected"
host sh text.sh files.sh shell.sh system.sh libc.sh
if [ "$bits" = 32 ]; then
	ln -s "$(command -v busybox)" "$work/bin/busybox64"
	cp "$(command -v busybox)" "$work/tree/bin/busybox64"
	host sh bits.sh
fi
for shell in bash-static zsh-static; do
	[ "$bits" = 64 ] || continue
	if found=$(command -v "$shell"); then
		ln -s "$found" "$work/bin/$shell"
		cp "$found" "$work/tree/bin/"
		host "$shell" "${shell%-static}.sh"
	fi
done
count=$(find "$work/tree/expected" -type f | wc -l)
[ "$count" -gt 0 ] || bail "no test is called like that"
scripts/initramfs.sh -o "$work/initrd" -b -i "$here/init.sh" -d "$work/tree" || bail "no initramfs"

n=0
hows=("2 pti=on max,vendor=GenuineIntel" "1 pti=off max")
# What such programs do on a CPU of no known maker: INT 0x80.
[ "$bits" = 32 ] && hows+=("4 pti=on max,vendor=SomebodyElse")
echo "1..$((${#hows[@]} * count))"
for how in "${hows[@]}"; do
	read -r cpus pti cpu <<<"$how"
	timeout 400 scripts/qemu.sh -q -k "$kernel" -i "$work/initrd" -s "$cpus" -c "$cpu" -t 300 -l "$work/log" \
		-a "$pti PICK=${PROGRAMS:-.}" -p '^all tests done$' 2>"$work/err"
	code=$?
	seen=$(grep -cE '^(not )?ok - ' "$work/log")
	awk -v n="$n" -v how="$pti, $cpus CPUs" '/^(not )?ok - / { sub(/ok - /, "ok " ++n " - " how ": "); print }
		/^# / { print }' "$work/log"
	n=$((n + count))
	if [ $code != 0 ] || [ "$seen" != "$count" ]; then
		echo "Bail out! $pti, $cpus CPUs: $seen of $count answers, qemu.sh says $code"
		sed 's/^/# /' "$work/err"
		tail -n 15 "$work/log" | sed 's/^/# /'
		exit 1
	fi
done
