#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches Debian's kernels to compare with into build/peers, without installing them:
#   scripts/peers.sh [6.1|6.12]...      (6.1)
# and prints the path of each vmlinuz. What is there already is not fetched again.
set -u
cd "$(dirname "$0")/.." || exit 2
dir=${BUILD:-build}/peers
command -v dpkg >/dev/null && command -v apt-get >/dev/null || {
	echo "peers.sh: needs apt-get and dpkg" >&2
	exit 2
}
[ $# -gt 0 ] || set -- 6.1

fetch() { # meta package, folder
	depends() {
		apt-cache depends "$1" 2>/dev/null |
			sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
	}
	package=$(depends "$1")
	if [ -z "$package" ]; then
		as_root=
		[ "$(id -u)" = 0 ] || as_root=sudo
		$as_root apt-get update -qq >/dev/null 2>&1
		package=$(depends "$1")
	fi
	[ -n "$package" ] || { echo "peers.sh: apt knows no $1" >&2; return 2; }
	tmp=$(mktemp -d) || return 2
	if (cd "$tmp" && apt-get download -qq "$package" >log 2>&1 && dpkg -x "$package"_*.deb x) &&
		mkdir -p "$dir" && rm -rf "${dir:?}/$2" && mkdir "$dir/$2" &&
		mv "$tmp"/x/boot/vmlinuz-* "$tmp"/x/boot/config-* "$dir/$2/"; then
		rm -rf "$tmp"
		return 0
	fi
	echo "peers.sh: $package cannot be fetched: $(tail -n 1 "$tmp/log" 2>/dev/null)" >&2
	rm -rf "$tmp"
	return 2
}

for version; do
	case $version in
	6.1) meta=linux-image-cloud-amd64 ;;
	*) meta=linux-image-$version-cloud-amd64 ;;
	esac
	set -- "$dir/$version"/vmlinuz-*
	if [ ! -r "$1" ]; then
		fetch "$meta" "$version" || exit 2
		set -- "$dir/$version"/vmlinuz-*
	fi
	echo "$1"
done
