#!/bin/bash
# SPDX-License-Identifier: MIT
# What operations cost in CR3 writes and flushes: runs count.c under the trace and prints, for each, the
# run with the fewest CR3 writes (in others a tick of the clock came between), and its kernel
# instructions; a REP instruction counts as often as it goes round.
#	counts.sh [options of run.sh]
set -u
cd "$(dirname "$0")/../.." || exit 1
tests/trace/run.sh -i "${BUILD:-build}/trace/count" -n 60000000 -t 1800 "$@" | awk '
	BEGIN {
		split("system call|fault|byte to another process and back (2 switches)|" \
			"byte round 8 processes (8 switches)|munmap of 1 page|munmap of 33 pages|" \
			"munmap of 10,000 pages|fork|exec|exit and wait|" \
			"munmap of 1 page, a thread on the other CPU", name, "|")
	}
	$1 == "MARK" {
		i = $2 - 9
		if (!(i in cr3) || $6 < cr3[i] || ($6 == cr3[i] && $8 < kept[i])) {
			cr3[i] = $6; kept[i] = $8
			rest[i] = sprintf("%6d %6d %6d %10d", $10, $12, $14, $16)
		}
	}
	$1 != "MARK" { print "# " $0 }
	END {
		printf "%-46s %6s %6s %6s %6s %6s %10s\n", "", "CR3", "flush", "INVLPG", "INVPCID", "IPI", "insns"
		for (i = 1; i <= 11; i++)
			if (i in cr3)
				printf "%-46s %6d %6d %s\n", name[i], cr3[i], kept[i], rest[i]
	}'
