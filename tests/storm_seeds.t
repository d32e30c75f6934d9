#!/bin/bash
# SPDX-License-Identifier: MIT
# Each seeded mistake of the entry code in tests/storm_seeds, built by `make kernel MISTAKE=NAME`, must be
# found by `kaiser storm`, and named: a failure's line must match. What is no matter of events has another
# finder: `Run:`, a command for the kernel in $kernel. By default two of them; SEED=REGEX picks, SEED=. takes all.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

for patch in tests/storm_seeds/*.patch; do
	name=$(basename "$patch" .patch)
	[[ $name =~ ${SEED:-^(cr3-by-cs|wipe-of-latched)$} ]] || continue
	why=$(sed -n 's/^Mistake: //p' "$patch")
	expect=$(sed -n 's/^Expect: //p' "$patch")
	eval "options=($(sed -n 's/^Storm: //p' "$patch"))"
	kernel=$build/mistake/$name/kaiser.elf
	if ! make -s BUILD="$build" MISTAKE="$name" kernel >"$tmp/err" 2>&1; then
		result "not ok" "$name: cannot be built"
		tail -n 20 "$tmp/err" | sed 's/^/# | /'
		continue
	fi
	run=$(sed -n 's/^Run: //p' "$patch")
	if [ -n "$run" ]; then
		kernel=$kernel BUILD=$build sh -c "$run" >"$tmp/out" 2>&1
		code=1
	else
		"$build/kaiser" storm --kernel "$kernel" --program "$build/user/paths" \
			--paths tools/storm/kaiser.json --no-count --max-failures 2 --timeout 8000 \
			"${options[@]}" >"$tmp/out" 2>&1
		code=$?
	fi
	if [ $code = 1 ] && grep -qE "$expect" "$tmp/out"; then
		result ok "$name: $why"
		grep -m 1 -E "$expect" "$tmp/out" | sed 's/; again: .*//; s/^/# /'
	else
		result "not ok" "$name: $why"
		echo "# exit code $code; wanted a line like: $expect"
		grep -v ' user \| kernel ' "$tmp/out" | tail -n 20 | cut -c1-300 | sed 's/^/# | /'
	fi
done
echo "1..$n"
