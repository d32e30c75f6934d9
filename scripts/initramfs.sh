#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds a gzipped newc initramfs, the same bytes from the same input: sorted, renumbered, time 0.
#   scripts/initramfs.sh -o OUT [-i INIT] [-b] [-d DIR]... [GUESTPATH=HOSTFILE]...
#   -i INIT  becomes /init     -b  with busybox and a link for each applet (BUSYBOX=path to choose)
#   -d DIR   everything below DIR goes to /
set -eu

usage() {
	echo "usage: initramfs.sh -o OUT [-i INIT] [-b] [-d DIR]... [GUESTPATH=HOSTFILE]..." >&2
	exit 2
}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
out=
mkdir -p "$root/dev" "$root/proc" "$root/tmp" "$root/etc"
while getopts o:i:bd: opt; do
	case $opt in
	o) out=$OPTARG ;;
	i) install -m 755 "$OPTARG" "$root/init" ;;
	b)
		box=${BUSYBOX:-$(command -v busybox)}
		mkdir -p "$root/bin" "$root/usr" "$root/root"
		install -m 755 "$box" "$root/bin/busybox"
		for applet in $("$box" --list); do
			[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
		done
		ln -s bin "$root/sbin"
		ln -s ../bin "$root/usr/bin"
		ln -s ../bin "$root/usr/sbin"
		printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
		printf 'root:x:0:\n' >"$root/etc/group"
		;;
	d) cp -R "$OPTARG/." "$root/" ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ -n "$out" ] || usage
for pair; do
	dest=$root/${pair%%=*}
	mkdir -p "$(dirname "$dest")"
	cp "${pair#*=}" "$dest"
done
chmod -R u+rwX,go+rX,go-w "$root"
chmod 1777 "$root/tmp"
find "$root" -exec touch -h -d @0 {} +
mkdir -p "$(dirname "$out")"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) |
	gzip -9 -n >"$out.tmp"
mv "$out.tmp" "$out"
