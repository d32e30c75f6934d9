#!/bin/bash
# SPDX-License-Identifier: MIT
# The flush model (tests/model/model.h), shortly: under sanitizers, then as fast as it goes
# (MODEL_STEPS), then on copies of the library with one seeded mistake each (SEED=REGEX picks some),
# each of which must be found, as its patch says, within SEED_STEPS steps from seed 1 on.
# `make model` does ten million steps.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

campaign() { # program, steps, seed, name, option...
	if timeout 120 "$1" --steps "$2" --seed "$3" "${@:5}" --out "$build/model/failure.txt" >"$tmp/out" 2>&1; then
		result ok "$4: $2 steps"
	else
		result "not ok" "$4: $2 steps"
	fi
	tail -n 40 "$tmp/out" | sed 's/^/# /'
}

campaign "$build/san/model/model" 100000 1000000 "under sanitizers"
campaign "$build/model/model" "${MODEL_STEPS:-1500000}" 1 "the library"
campaign "$build/model/model" 300000 1 "calls by interrupts, and CPUs that leave meanwhile" --interrupts

# The copy has the model's objects, so that only what the patch touches is built.
seeded() { # patch
	local name expect why options tree=$build/model/seeds/$1
	name=tests/model/seeds/$1.patch
	expect=$(sed -n 's/^Expect: //p' "$name")
	why=$(sed -n 's/^Mistake: //p' "$name")
	options=$(sed -n 's/^Options: //p' "$name")
	rm -rf "$tree" && mkdir -p "$tree/build/model" && cp -a kaiser "$tree"/ &&
		cp -a "$build/model/obj" "$tree/build/model"/
	if ! patch -s -p1 -d "$tree" <"$name" >"$tmp/out" 2>&1 ||
		! make -s BUILD="$tree/build" MODEL_OF="$tree/kaiser" "$tree/build/model/model" \
			>"$tmp/out" 2>&1; then
		result "not ok" "$1: cannot be built"
		sed 's/^/# /' "$tmp/out" | tail -n 20
		return
	fi
	# shellcheck disable=SC2086
	timeout 120 "$tree/build/model/model" --steps "${SEED_STEPS:-4000000}" --no-shrink $options \
		--out "$tree/failure.txt" >"$tmp/out" 2>&1
	if [ $? = 1 ] && grep '^FOUND' "$tmp/out" | grep -qE -- "$expect"; then
		result ok "$1: $why"
		sed -n 's/^FOUND in program \(.*\): .*: CPU .*/# found in program \1/p' "$tmp/out"
		rm -rf "$tree"
	else
		result "not ok" "$1: $why"
		echo "# wanted: FOUND ... $expect"
		head -n 5 "$tmp/out" | sed 's/^/# /'
	fi
}

for patch in tests/model/seeds/*.patch; do
	name=$(basename "$patch" .patch)
	[[ $name =~ ${SEED:-.} ]] && seeded "$name"
done
echo "1..$n"
