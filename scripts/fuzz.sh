#!/bin/bash
# SPDX-License-Identifier: MIT
# Fuzzes the kernel from user mode (user/fuzz), in guests of at most CHUNK sequences each.
#   scripts/fuzz.sh [options]
#   -s SEED -f FIRST -n COUNT   sequences [FIRST, FIRST + COUNT) of SEED (1, 0, 20000)
#   -c CHUNK                    sequences a guest (500000)
#   -w WORKERS                  and CPUs of the guest (2)
#   -k KERNEL -a APPEND         (build/kaiser.elf, pti=on)
#   -b                          in Bochs, with one worker, instead of QEMU
#   -t SECONDS                  time limit of a guest (7200)
#   -v                          name each sequence before it runs
# A guest that does not come to its end is asked again, with one worker that names each sequence from
# the last place that was told: the last name is what stopped it, and is printed as a command.
# AVX is off in QEMU: version 7.2 aborts when it translates VPINSR with a 256-bit operand.
# Exit: 0 all ran and nothing was wrong, 1 not so, 2 could not run.
set -u
cd "$(dirname "$0")/.." || exit 2

build=${BUILD:-build}
seed=1 first=0 count=20000 chunk=500000 workers=2 kernel=$build/kaiser.elf append=pti=on bochs=0
limit=7200 verbose=''
while getopts s:f:n:c:w:k:a:t:bv opt; do
	case $opt in
	s) seed=$OPTARG ;; f) first=$OPTARG ;; n) count=$OPTARG ;; c) chunk=$OPTARG ;;
	w) workers=$OPTARG ;; k) kernel=$OPTARG ;; a) append=$OPTARG ;; t) limit=$OPTARG ;;
	b) bochs=1 workers=1 ;; v) verbose=FUZZ_VERBOSE=1 ;;
	*) sed -n '3,17s/^# *//p' "$0" >&2; exit 2 ;;
	esac
done
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
scripts/initramfs.sh -o "$tmp/initrd" -i "$build/user/fuzz" || exit 2

guest() { # first, count, workers, more words: leaves $tmp/log
	local words="$append FUZZ_SEED=$seed FUZZ_FIRST=$1 FUZZ_COUNT=$2 FUZZ_WORKERS=$3 ${4:-}"
	if [ $bochs = 1 ]; then
		scripts/iso.sh -o "$tmp/iso" -k "$kernel" -i "$tmp/initrd" -a "$words" >/dev/null &&
			scripts/bochs.sh -i 50000000 -t "$limit" -l "$tmp/log" "$tmp/iso" >/dev/null 2>"$tmp/err"
	else
		scripts/qemu.sh -q -k "$kernel" -i "$tmp/initrd" -s "$3" -c max,-avx,vendor=GenuineIntel \
			-t "$limit" -a "$words" -l "$tmp/log" 2>"$tmp/err"
	fi
}

good() {
	grep -aq '^1\.\.4' "$tmp/log" && ! grep -aq '^not ok' "$tmp/log"
}

# The sequence that stopped the last guest.
culprit() { # first, end
	local at told
	told=$(sed -n 's/^# [0-9]* sequences, at \([0-9]*\)$/\1/p' "$tmp/log" | tail -n 1)
	at=${told:-$1}
	guest "$at" $(($2 - at)) 1 FUZZ_VERBOSE=1
	sed -n 's/^# sequence \([0-9]*\)$/\1/p' "$tmp/log" | tail -n 1
}

end=$((first + count)) done=0
while [ "$first" -lt "$end" ]; do
	n=$((end - first < chunk ? end - first : chunk))
	guest "$first" "$n" "$workers" "$verbose"
	grep -aE '^(not )?ok |^# (SIG|traced)' "$tmp/log"
	[ -n "$verbose" ] && grep -a '^# sequence' "$tmp/log" | tail -n 1
	if ! good; then
		cat "$tmp/err" >&2
		grep -aE '^panic' "$tmp/log"
		grep -aq '^1\.\.4' "$tmp/log" && exit 1
		which=$(culprit "$first" $((first + n)))
		echo "replay: scripts/fuzz.sh -s $seed -f ${which:-$first} -n 1 -w 1 -a '$append'$([ $bochs = 1 ] && echo ' -b')"
		exit 1
	fi
	done=$((done + n))
	first=$((first + n))
	echo "fuzz: $done of $count sequences of seed $seed, the kernel stands"
done
