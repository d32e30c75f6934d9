#!/bin/bash
# SPDX-License-Identifier: MIT
# The flush model (tests/model/model.h), shortly: under sanitizers, then as fast as it goes. MODEL_STEPS:
# how many steps of the latter. `make model` does ten million.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
n=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

result() { # ok|not ok, text
	n=$((n + 1))
	echo "$1 $n - $2"
}

campaign() { # program, steps, seed, name
	if timeout 120 "$1" --steps "$2" --seed "$3" --out "$build/model/failure.txt" >"$tmp/out" 2>&1; then
		result ok "$4: $2 steps"
	else
		result "not ok" "$4: $2 steps"
	fi
	tail -n 40 "$tmp/out" | sed 's/^/# /'
}

campaign "$build/san/model/model" 100000 1000000 "under sanitizers"
campaign "$build/model/model" "${MODEL_STEPS:-1500000}" 1 "the library"
echo "1..$n"
