#!/bin/bash
# SPDX-License-Identifier: MIT
# The flush model fed by a Bochs trace of the real kernel (tests/trace/follow.h): work on two CPUs with
# PCID and INVPCID, and with PCID alone; kernels with a seeded mistake, which must be found; and what a
# system call and a switch of processes cost. TRACE_INSNS: instructions of the first. `make trace`
# follows 25 million.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

check() { # text, whether
	if [ "$2" = 0 ]; then
		result ok "$1"
	else
		result "not ok" "$1"
	fi
}

follow() { # arguments of run.sh
	tests/trace/run.sh "$@" >"$tmp/out" 2>&1
	code=$?
	tail -n 8 "$tmp/out" | cut -c1-250 | sed 's/^/# /'
}

# At least that many of what is in the sums.
some() { # pattern with the number in \(\), at least
	[ "$(sed -n "s/.*$1.*/\\1/p" "$tmp/out" | head -n 1)" -ge "$2" ] 2>/dev/null
}

follow -c tigerlake -n "${TRACE_INSNS:-1500000}"
check "work on two CPUs with PCID and INVPCID: no stale use" "$code"
some 'with NOFLUSH \([0-9]*\)' 500 && some 'INVLPG \([0-9]*\)' 50 && some 'INVPCID \([0-9]*\)' 50 &&
	some 'IPIs \([0-9]*\)' 10 && some 'taken back \([0-9]*\)' 50 && some 'on \([0-9]\) CPUs' 2
check "  and there was work to follow" $?
some 'writes of entries \([0-9]*\)' 1
check "  and no page-table entry changed unseen" $((! $?))

follow -c corei7_sandy_bridge_2600k -n 700000
check "work on two CPUs with PCID alone: no stale use" "$code"
some 'with NOFLUSH \([0-9]*\)' 200 && ! some 'INVPCID \([0-9]*\)' 1
check "  with NOFLUSH and without INVPCID" $?

for name in user-pcid-forgotten noflush-on-recycled-slot; do
	tree=$build/trace/seeds/$name
	if scripts/patched_kernel.sh "$tree" "$build" "tests/model/seeds/$name.patch" >"$tmp/out" 2>&1; then
		follow -k "$tree/build/kaiser.elf" -n 1500000
		[ "$code" = 1 ]
		check "$name: found in the real kernel" $?
	else
		result "not ok" "$name: cannot be built"
		tail -n 20 "$tmp/out" | sed 's/^/# | /'
	fi
	rm -rf "$tree"
done

follow -i "$build/trace/count" -s 1 -n 1000000
grep '^MARK' "$tmp/out" | sort -u >"$tmp/marks"
# The least of several, since a tick of the clock may come between.
least() { # mark
	awk -v mark="$1" '$2 == mark && (!n || $6 < n) { n = $6; f = $8 } END { print n + 0, f + 0 }' "$tmp/marks"
}
costs() { # text, mark, CR3 writes and flushing ones
	local is
	is=$(least "$2")
	[ "$is" = "$3" ]
	check "$1 ($is)" $?
}
costs "a system call: two CR3 writes, none of them flushes" 10 "2 0"
# Both processes write and read: four times in and out, and a switch each.
costs "a byte to another process and back: ten CR3 writes, two of them switches, no flush" 12 "10 0"
echo "1..$n"
