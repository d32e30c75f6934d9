#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the unit tests, which are programs of this machine under ASan and UBSan. What they print in
# TAP is passed on under their name; all are judged by their exit code too.
set -u
cd "$(dirname "$0")/.." || exit 1
n=0
log=$(mktemp)
trap 'rm -f "$log" "$log.sum"' EXIT
for program in "${BUILD:-build}"/unit/test_*; do
	case $program in *.d | *'*') continue ;; esac
	name=$(basename "$program")
	[[ $name =~ ${UNIT:-.} ]] || continue
	CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
		timeout 120 "$program" >"$log" 2>&1
	code=$?
	awk -v name="$name" -v base="$n" '
		match($0, /^(not )?ok [0-9]+ - /) {
			bad = $0 ~ /^not /
			printf "%s %d - %s: %s\n", bad ? "not ok" : "ok", base + ++seen, name,
				substr($0, RLENGTH + 1)
		}
		END { print seen + 0 >FILENAME ".sum" }' "$log"
	read -r seen <"$log.sum"
	n=$((n + seen + 1))
	if [ $code = 0 ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name (exit code $code)"
		tail -n 40 "$log" | sed 's/^/# /'
	fi
done
for source in tests/unit/test_*.c; do
	grep -q '^/\* SRC: ' "$source" && continue
	n=$((n + 1))
	echo "not ok $n - $source has no SRC line to build it by"
done
[ $n -gt 0 ] && echo "1..$n" || echo "1..0 # SKIP no unit tests were built"
