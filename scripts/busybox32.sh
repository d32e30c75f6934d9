#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches Debian's busybox-static of i386 into build/peers/i386, without installing it and without
# telling dpkg of another architecture, and prints its path. What is there already is kept.
set -u
cd "$(dirname "$0")/.." || exit 2
dir=${BUILD:-build}/peers/i386
box=$dir/bin/busybox
[ -x "$box" ] && echo "$box" && exit 0
command -v dpkg-deb >/dev/null && command -v apt-get >/dev/null || {
	echo "busybox32.sh: needs apt-get and dpkg-deb" >&2
	exit 2
}
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/state/lists/partial" "$tmp/cache/archives/partial"
: >"$tmp/status"
# The machine's own sources and keys, but lists, cache and status of our own.
cat >"$tmp/conf" <<END
#clear APT::Architectures;
APT::Architecture "i386";
APT::Architectures { "i386"; };
APT::Sandbox::User "root";
Dir::State "$tmp/state";
Dir::State::status "$tmp/status";
Dir::Cache "$tmp/cache";
Acquire::Languages "none";
END
export APT_CONFIG="$tmp/conf"
# A list that is not needed may be missing.
apt-get -qq update >"$tmp/log" 2>&1
if ! (cd "$tmp" && apt-get -qq download busybox-static >>log 2>&1) ||
	! dpkg-deb -x "$tmp"/busybox-static_*_i386.deb "$tmp/x"; then
	echo "busybox32.sh: cannot be fetched: $(tail -n 1 "$tmp/log")" >&2
	exit 2
fi
mkdir -p "$dir/bin" && mv "$tmp/x/bin/busybox" "$box" || exit 2
echo "$box"
