#!/bin/bash
# SPDX-License-Identifier: MIT
# What kaiser audit costs, in reads of the guest's memory: against a plain walk that reads each table
# under the user roots once (tests/outside/walk.c), a page each. A guest of 16 GiB, sparse, with 8 CPUs
# costs next to no more than one of 1 GiB, and one that maps all of its memory costs more.
# shellcheck disable=SC2016
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
. tests/audit/lib.sh
MEMORY=${MEMORY:-16G}

cost() { # MEMORY, RAM BELOW 4 GIB, CPUS, COMMAND LINE: $code $pages $reads $fetched $walk $ratio
	local cr3 levels rest
	serial=file:$tmp/serial
	: >"$tmp/serial"
	qemu "$3" "$tmp/ram" "$4" "$kernel" "$1"
	limit=300 start_guest
	for _ in $(seq 600); do grep -q 'outside: ready' "$tmp/serial" && break; sleep 0.2; done
	code=none walk=0 ratio=none
	if freeze_guest "$3"; then
		audit --json --accept-unknown --qmp "$tmp/qmp" --when now
		while read -r cr3 levels; do
			read -r rest rest rest rest <<<"$("$count" "$tmp/ram" "$cr3" "$levels" "$2")"
			walk=$((walk + rest))
		done < <(json 'join "", map {"$_->{cr3} $_->{levels}\n"} @{$r->{cpus}}')
		pages=$(json '$r->{totals}{pages}') reads=$(json '$r->{memory}{reads}') fetched=$(json '$r->{memory}{pages}')
		[ "$walk" -gt 0 ] && ratio=$(printf '%d.%d' $((fetched / walk)) $((fetched * 10 / walk % 10)))
	else
		tail -n 3 "$tmp/serial" >"$tmp/err"
	fi
	end_guest
	rm -f "$tmp/ram"
	said="$pages pages; $reads reads, $fetched pages fetched, $ratio times the $walk tables of a plain walk"
}

# Pages are fetched by eight, so their number depends on where things lie: half as many again is not
# the sixteenfold of memory.
at_most() { # a number, so many percent, of another
	[ $(($1 * 100)) -le $(($2 * $3)) ]
}

cost 1G 0x40000000 8 pti=on
[ "$code" = 0 ] && [ "$pages" = 4 ] && at_most "$fetched" 500 "$walk"
result $? "1 GiB, 8 CPUs: $said"
small_reads=$reads small_fetched=$fetched
cost "$MEMORY" 0xc0000000 8 pti=on
[ "$code" = 0 ] && [ "$pages" = 4 ] && at_most "$reads" 150 "$small_reads" && at_most "$fetched" 150 "$small_fetched"
result $? "$MEMORY, 8 CPUs: $said"
cost 1G 0x40000000 8 pti=off
[ "$code" = 1 ] && at_most "$((small_fetched * 10))" 100 "$fetched"
result $? "1 GiB, 8 CPUs, pti=off: $said"
small_reads=$reads small_fetched=$fetched
cost "$MEMORY" 0xc0000000 8 pti=off
[ "$code" = 1 ] && [ "$pages" -gt 4000000 ] && at_most "$reads" 150 "$small_reads" &&
	at_most "$fetched" 150 "$small_fetched"
result $? "$MEMORY, 8 CPUs, pti=off: $said"
done_testing
