#!/bin/bash
# SPDX-License-Identifier: MIT
# A sweep of NMIs in Bochs, which takes an NMI between any two instructions and models what
# QEMU does not: its debugger stops at the path's start, goes K steps, gives the NMI, goes on to the
# path's end; K grows. Of the two breakpoints only the one that is wanted next is on: an event that
# returns to the other's place would stop there twice, and all that follows would be a step off.
# Last, nested: a first NMI in the head, whose handler ends the blocking by an IRET.
# At the path's end registers, flags, selectors, CR0, CR3, CR4, EFER and bases must be the same each time.
# FULL=1 also sweeps more paths, as many steps as Bochs' trace has. DEEP=N puts that first NMI at every Nth step
# of the system call's too (DEEP=1: half an hour). COUNT=1 holds each sweep against Bochs' trace: each address of
# the entry code and of user mode in it must have had its NMI, and QEMU's log has as many instructions. BOCHS=REGEX.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

# shellcheck source=tests/bochs_sweep.sh
. tests/bochs_sweep.sh

gate=$(second "$(address "$build/kaiser.elf" kaiser_entry_nmi)")
held >"$tmp/held"

# Rounds, NMIs, NMIs that were taken at once or held by an STI, the last instruction of an exit that one
# of them came at, ends of the path seen, how many of those had other state than the first, which no NMI disturbed;
# addresses of the entry code and of user mode in $tmp/trace. Those that had no NMI taken there: $tmp/missed.
judge() { # the path's end
	: >"$tmp/missed"
	awk -v gate="$gate" -v end="$1" -v ours="^($ours)" -v missed="$tmp/missed" '
		FILENAME ~ /held$/ { held[$2] = 1; next }
		FILENAME ~ /trace$/ { if ($1 && $2 ~ ours) wanted[$2] = 1; next }
		$1 == "state" && $2 == end { if (!ends++) usual = $0; odd += $0 != usual }
		$1 == "event" { nmis++; at = insn; where = addr; want = 1 }
		$1 == "break" && $2 == 1 { rounds++ }
		$1 == "stop" {
			if (want) { if ($2 == gate) { taken++; seen[at] = 1; hit[where] = 1 } else if (where in held) taken++
				want = 0 }
			addr = $2
			insn = $3
		}
		END {
			for (w in wanted) {
				points++
				if (!(w in hit))
					print w >missed
			}
			printf "%d %d %d %s %d %d %d\n", rounds, nmis, taken,
				("sysret" in seen || "sysretq" in seen) ? "sysret" : "iret" in seen || "iretq" in seen ? "iret" : "none",
				ends, odd, points
		}' "$tmp/held" "$tmp/trace" "$tmp/all"
}

# Instructions of the entry code and of user mode on the path, in Bochs' trace and in QEMU's log.
count() { # name, path, kernel's words
	local bochs qemu
	bochs=$(grep -cE "^[0-9]+ ($ours)" "$tmp/trace")
	bochs=$((bochs - 1)) # the end is none of them
	qemu=$("$build/kaiser" storm --kernel "$build/kaiser.elf" --program "$build/user/paths" \
		--paths tools/storm/kaiser.json --mode none --no-count --path "^$2\$" --config "^${3%% *}\$" |
		sed -n 's/.*none: \([0-9]*\) instructions.*/\1/p')
	if [ "$bochs" = "$qemu" ]; then
		result ok "$1: $bochs instructions in Bochs' trace, $qemu in QEMU's log"
	else
		result "not ok" "$1: $bochs instructions in Bochs' trace, $qemu in QEMU's log"
	fi
}

# One round for each line of $tmp/ways, which leads from the path's start to where the NMI is given.
rounds_by_ways() { # start, end
	local way
	{
		printf 'lb 0x%s\nlb 0x%s\nc\nc\n'"$state" "$1" "$2"
		while read -r way; do
			printf 'bpe 1\nbpd 2\nc\nbpd 1\n%b\ntake nmi\ns 1\nc\n'"$state" "$way"
		done <"$tmp/ways"
		echo q
	} >"$tmp/script"
	run_script
	cat "$tmp/facts" >>"$tmp/all"
	judge "$2" >"$tmp/judged"
}

sweep() { # name, path, steps or all, tail wanted, kernel's words, [first]
	local name=$1 path=$2 steps=$3 tail=$4 append=$5 first=${6:-} rounds nmis taken last each=1
	local start end ends odd points missed given boots k lead='' covered='' again=0
	[[ $name =~ ${BOCHS:-.} ]] || return
	path_image "$path" "$append"
	start=$(path_start "$path") end=$(path_end "$path")
	: >"$tmp/trace"
	if [ -z "$first" ] && { [ "$steps" = all ] || [ "${COUNT:-0}" = 1 ]; }; then
		trace_path "$start" "$end"
		if [ ! -s "$tmp/trace" ]; then
			result "not ok" "$name: the trace has no path"
			return
		fi
		[ "$steps" != all ] || steps=$(tail -n 1 "$tmp/trace" | cut -d' ' -f1)
	fi
	: >"$tmp/all"
	if [ -n "$first" ]; then
		each=2
		lead="s $first\ntake nmi\ns 1\n"
	fi
	for k in $(seq "$steps"); do
		printf '%s\n' "bpe 2\n${lead}s $k"
	done >"$tmp/ways"
	rounds_by_ways "$start" "$end"
	if [ -s "$tmp/missed" ] && quiet; then # rounds are not all as long: by breakpoints
		again=$(wc -l <"$tmp/missed")
		awk '{ printf "lb 0x%s\\nc\\nd %d\\nbpe 2\n", $1, NR + 2 }' "$tmp/missed" >"$tmp/ways"
		rounds_by_ways "$start" "$end"
	fi
	given=$((steps + again)) boots=$((1 + (again > 0)))
	read -r rounds nmis taken last ends odd points <"$tmp/judged"
	missed=$(wc -l <"$tmp/missed")
	# A nested NMI may come while the first still blocks it, and is then taken later.
	# Steps beyond the path's end stop there.
	if [ "$rounds" = $((given + boots)) ] && [ "$nmis" = $((given * each)) ] &&
		{ [ -n "$first" ] || [ "$taken" = "$given" ]; } && [ "$ends" = $((given + boots)) ] && [ "$odd" = 0 ] &&
		[ "$missed" = 0 ] && { [ "$tail" = any ] || [ "$last" = "$tail" ]; } &&
		quiet; then
		[ ! -s "$tmp/trace" ] || covered=" at all $points addresses;"
		result ok "$name: $nmis NMIs, $taken taken exactly there;$covered the same state at all $ends ends"
	else
		result "not ok" "$name"
		echo "# of $steps steps, $again points again: rounds $rounds, NMIs $nmis, taken there $taken, tail seen $last," \
			"ends $ends, $odd odd; $missed of $points addresses missed"
		tail -n 5 "$tmp/serial" | sed 's/^/# | /'
	fi
	# QEMU's IRET does not fault at a non-canonical RIP.
	if [ "${COUNT:-0}" = 1 ] && [ -z "$first" ] && [ "$path" != badrip_noncanonical ]; then
		count "$name" "$path" "$append"
	fi
}

for pti in on off; do
	sweep "syscall, pti=$pti" syscall 300 sysret "pti=$pti"
	sweep "syscall without a stack, pti=$pti" nostack 300 sysret "pti=$pti"
	sweep "INT 0x80, pti=$pti" int80 400 any "pti=$pti"
	sweep "SYSENTER, pti=$pti" sysenter 400 any "pti=$pti"
	sweep "page fault, pti=$pti" fault 1600 any "pti=$pti"
	sweep "breakpoint and signal, pti=$pti" breakpoint 3000 any "pti=$pti"
	sweep "nested in the head, pti=$pti" syscall 900 any "pti=$pti debug_nmi_iret" 3
	[ "${FULL:-0}" = 1 ] || continue
	sweep "IRET to a non-canonical RIP, pti=$pti" badrip_noncanonical all any "pti=$pti debug_frames"
	sweep "IRET with a null SS, pti=$pti" badss_null all any "pti=$pti"
	sweep "invalid opcode, pti=$pti" opcode all any "pti=$pti"
	sweep "hostile flags, pti=$pti" sysflags all any "pti=$pti"
	sweep "page fault in the kernel, pti=$pti" uaccess all any "pti=$pti"
done
if [ "${DEEP:-0}" -gt 0 ]; then
	for first in $(seq 1 "$DEEP" 256); do
		sweep "nested at step $first" syscall 900 any "pti=on debug_nmi_iret" "$first"
	done
fi
echo "1..$n"
