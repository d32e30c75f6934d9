#!/bin/bash
# SPDX-License-Identifier: MIT
# The user-mode fuzzer, for a few seconds: random instructions, registers and breakpoints around the
# ways into the kernel. And that it finds what it is there for: mistakes of tests/fuzz, each of which
# lets user mode stop the kernel, by the line that each names. `make fuzz` runs 10 million sequences.
# FUZZ=REGEX picks; FUZZ_SEED, FUZZ_COUNT: others.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

run() { # name, seed, count, more options
	local name=$1 seed=$2 count=$3
	shift 3
	[[ $name =~ ${FUZZ:-.} ]] || return
	if scripts/fuzz.sh -s "${FUZZ_SEED:-$seed}" -n "${FUZZ_COUNT:-$count}" -t 300 "$@" >"$tmp/out" 2>&1; then
		result ok "$name: $(grep -o '[0-9]* sequences$' "$tmp/out" | tail -n 1)"
	else
		result "not ok" "$name"
		sed 's/^/# /' "$tmp/out"
	fi
}

run "pti on, 2 CPUs" 1 15000
run "pti off, 1 CPU" 2 8000 -w 1 -a pti=off
run "pti on, 4 CPUs" 3 4000 -w 4
for patch in tests/fuzz/*.patch; do
	name=$(basename "$patch" .patch)
	[[ $name =~ ${FUZZ:-.} ]] || continue
	expect=$(sed -n 's/^Expect: //p' "$patch")
	tree=$build/fuzz-$name
	if ! scripts/patched_kernel.sh "$tree" "$build" "$patch" >"$tmp/out" 2>&1; then
		result "not ok" "$name: cannot be built"
		tail -n 20 "$tmp/out" | sed 's/^/# | /'
		continue
	fi
	scripts/fuzz.sh -s 1 -n 60000 -t 120 -k "$tree/build/kaiser.elf" >"$tmp/out" 2>&1
	# What it says must be true: that one sequence alone stops the kernel.
	replay=$(sed -n 's/^replay: //p' "$tmp/out")
	if grep -qE "^panic.*$expect" "$tmp/out" && [ -n "$replay" ] &&
		! eval "$replay -t 60 -k $tree/build/kaiser.elf" >"$tmp/again" 2>&1 &&
		grep -qE "^panic.*$expect" "$tmp/again"; then
		result ok "$name: found, and replayed by ${replay#scripts/}"
	else
		result "not ok" "$name: $(sed -n 's/^Mistake: //p' "$patch")"
		cat "$tmp/out" "$tmp/again" 2>/dev/null | tail -n 30 | sed 's/^/# | /'
	fi
	rm -rf "$tree"
done
echo "1..$n"
