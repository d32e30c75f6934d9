#!/bin/bash
# SPDX-License-Identifier: MIT
# kaiser audit on this kernel and on Debian's Linux 6.1 and 6.12: the verdict, and that the ranges it
# lists are, one by one, those that a walker of its own (tests/outside/walk.c) finds under the root of
# each CPU of the same frozen guest. ALL=1 does more command lines (`make audit-peers`), RANGES=REGEX picks.
# shellcheck disable=SC2016
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
. tests/audit/lib.sh

# The report's ranges of one CPU, without what they are for: start, end, rights.
ranges_of() { # CPU
	json 'my ($s, $e, $w); my $o = "";
		for (sort {hex($a->{start}) <=> hex($b->{start})}
			grep {grep {$_ == '"$1"'} @{$_->{cpus}}} @{$r->{ranges}}) {
			if (defined $e && $e eq $_->{start} && $w eq $_->{rights}) { $e = $_->{end}; next }
			$o .= "$s $e $w\n" if defined $e;
			($s, $e, $w) = @$_{qw(start end rights)};
		}
		$o . (defined $e ? "$s $e $w\n" : "")'
}
# Of every CPU, against our own walk of RAM. The number of ranges is left in $ranges.
same_ranges() { # CPUS
	local cpu cr3 levels seen=0
	ranges=0
	while read -r cpu cr3 levels; do
		"$count" -r "$tmp/ram" "$cr3" "$levels" 0x10000000 >"$tmp/walk" || return 1
		ranges_of "$cpu" >"$tmp/said"
		if ! cmp -s "$tmp/walk" "$tmp/said"; then
			diff "$tmp/walk" "$tmp/said" | head -n 20 >>"$tmp/err"
			return 1
		fi
		ranges=$((ranges + $(wc -l <"$tmp/walk")))
		seen=$((seen + 1))
	done < <(json 'join "", map {"$_->{cpu} $_->{cr3} $_->{levels}\n"} @{$r->{cpus}}')
	[ $seen = "$1" ] && [ $ranges -gt 0 ]
}
frozen() { # name, kernel, command line, preset, exit code, checks with findings
	local found state=0
	[[ $1 =~ ${RANGES:-.} ]] || return
	serial=file:$tmp/serial
	: >"$tmp/serial"
	qemu 2 "$tmp/ram" "$3" "$2"
	limit=300 start_guest
	for _ in $(seq 600); do grep -q 'outside: ready' "$tmp/serial" && break; sleep 0.2; done
	: >"$tmp/out"
	if freeze_guest 2; then
		audit --json --preset "$4" --accept-unknown --qmp "$tmp/qmp" --when now
		found=$(json 'join " ", map {$_->{name}} grep {$_->{state} eq "found"} @{$r->{checks}}')
		# With the kernel in, all else follows from that and is said, but decides nothing.
		[[ $found == isolated* ]] && found=$(json '$r->{text} =~ /NOT ISOLATED \(isolated\)/ ? "isolated" : "?"')
		# Now and then an entry stack of Linux holds a kernel address.
		[ "$4" = linux ] && [ "$6" = "$leaks" ] && found=${found/ pointers/}
		[ "$code" = "$5" ] && [ "$found" = "$6" ] && same_ranges 2
		state=$?
		same="$ranges ranges as walked"
	else
		state=1
		tail -n 3 "$tmp/serial" >"$tmp/err"
	fi
	end_guest
	result $state "$1: $(json '$r->{text}'); $same"
}

leaks='allowlist kaslr foreign'
frozen 'KAISER, pti=on' "$kernel" pti=on kaiser 0 ''
frozen 'KAISER, pti=off' "$kernel" pti=off kaiser 1 isolated
for version in 6.1 6.12; do
	if ! linux=$(scripts/peers.sh $version 2>"$tmp/err"); then
		n=$((n + 1))
		echo "ok $n # SKIP no Linux $version to compare with: $(head -n 1 "$tmp/err")"
		continue
	fi
	frozen "Linux $version, pti=on" "$linux" pti=on linux 1 "$leaks"
	frozen "Linux $version, pti=off" "$linux" pti=off linux 1 isolated
	[ "${ALL:-}" ] || continue
	frozen "Linux $version, pti=on nokaslr" "$linux" 'pti=on nokaslr' linux 1 "$leaks"
	frozen "Linux $version, pti=on no5lvl" "$linux" 'pti=on no5lvl' linux 1 "$leaks"
	# Without pti= the CPU decides: Intel's, if it does not say RDCL_NO. Not forced, and without PCID,
	# Linux leaves all its text and constants in, and global.
	frozen "Linux $version as distributed, a CPU of Intel" "$linux" '' linux 1 \
		'allowlist global pointers kaslr foreign'
	model=max frozen "Linux $version as distributed, a CPU of AMD" "$linux" '' linux 1 isolated
done
done_testing
