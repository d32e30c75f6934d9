#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the initramfs of `make run`: busybox, the tasks, and the host's answers to them.
#   scripts/demo.sh OUT
set -eu
out=$1
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/demo/expected" "$work/packed"
for task in $(sh "$here/user/demo/tasks.sh" list); do
	mkdir "$work/$task"
	(cd "$work/$task" && sh "$here/user/demo/tasks.sh" "$task") >"$work/tree/demo/expected/$task"
done
(cd "$work/packed" && cp "$here"/user/demo/*.sh "$here/LICENSE" . && mkdir deep &&
	seq 1 5000 | sed 's/.*/line &/' >deep/lines &&
	find . -type f | LC_ALL=C sort | xargs sha256sum >"$work/sums" &&
	tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner . | gzip -9n >"$work/archive")
"$here/scripts/initramfs.sh" -o "$out" -b -i "$here/user/demo/init.sh" -d "$work/tree" \
	demo/tasks.sh="$here/user/demo/tasks.sh" demo/host.tar.gz="$work/archive" \
	demo/host.sums="$work/sums"
