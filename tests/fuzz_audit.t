#!/bin/bash
# SPDX-License-Identifier: MIT
# What kaiser audit reads, changed at random under ASan and UBSan: a few seconds of libFuzzer for its
# walker and each parser, from the same seed each time. `make fuzz-audit` takes ten minutes.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0
fuzz() { # target, runs, inputs to begin with
	cp -r "$build/fuzz/$3.seeds" "$tmp/$1.in" && "$build/fuzz/$1" -seed=1 -runs="$2" -max_len=131072 -timeout=60 \
		-rss_limit_mb=2048 -verbosity=0 -close_fd_mask=3 -print_final_stats=1 -artifact_prefix="$tmp/$1." "$tmp/$1.in" \
		>"$tmp/$1.out" 2>&1
	echo $? >"$tmp/$1.code"
}
result() { # target, least number of inputs
	local ran
	n=$((n + 1))
	ran=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/$1.out")
	[ "$(cat "$tmp/$1.code")" = 0 ] && [ "${ran:-0}" -ge "$2" ] && echo "ok $n - $1: $ran inputs" && return
	failed=1
	echo "not ok $n - $1"
	tail -n 30 "$tmp/$1.out" | sed 's/^/# /'
	for f in "$tmp/$1".{crash,timeout,oom,leak}-*; do
		[ -e "$f" ] && cp "$f" "$build/fuzz/" && echo "# the input: $build/fuzz/$(basename "$f")"
	done
}

fuzz fuzz_sockets 60 fuzz_sockets & # which waits more than it works
fuzz fuzz_image 400 fuzz_image
fuzz fuzz_walk 800 fuzz_walk
fuzz fuzz_text 5000 fuzz_text
fuzz fuzz_json 5000 fuzz_json
wait
for target in fuzz_image:400 fuzz_walk:800 fuzz_text:5000 fuzz_json:5000 fuzz_sockets:60; do
	result "${target%:*}" "${target#*:}"
done

# What takes longest: its work, in reads of memory, not seconds.
n=$((n + 1))
"$build/san/kaiser" audit --when now --json --dump "$build/fuzz/fuzz_slow.seeds/addresses" >"$tmp/out"
code=$?
reads=$(sed -n 's/^ *"reads": \([0-9]*\).*/\1/p' "$tmp/out")
if [ $code = 1 ] && [ "${reads:-0}" -gt 1000000 ] && [ "$reads" -lt 12000000 ]; then
	echo "ok $n - memory of nothing but addresses: $reads reads"
else
	echo "not ok $n - memory of nothing but addresses: exit $code, ${reads:-no} reads"
	failed=1
fi
echo "1..$n"
exit $failed
