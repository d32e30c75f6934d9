#!/bin/bash
# SPDX-License-Identifier: MIT
# A sweep of NMIs in Bochs, which takes an NMI between any two instructions and models what
# QEMU does not: its debugger stops at the path's start, goes K steps, gives the NMI, goes on to the
# path's end; K grows. Of the two breakpoints only the one that is wanted next is on: an event that
# returns to the other's place would stop there twice, and all that follows would be a step off.
# Last, nested: a first NMI in the head, whose handler ends the blocking by an IRET.
# At the path's end registers, flags, selectors, CR0, CR3, CR4, EFER and bases must be the same each time.
# DEEP=N also sweeps more paths and puts that first NMI at every Nth step of the system call's
# (DEEP=1: half an hour). COUNT=1 counts each path's instructions in Bochs' trace as well. BOCHS=REGEX.
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
# of them came at, ends of the path seen, and how many of those had other state than the first, which no NMI disturbed.
judge() { # the path's end
	awk -v gate="$gate" -v end="$1" '
		FILENAME ~ /held$/ { held[$2] = 1; next }
		$1 == "state" && $2 == end { if (!ends++) usual = $0; odd += $0 != usual }
		$1 == "event" { nmis++; at = insn; where = addr; want = 1 }
		$1 == "break" && $2 == 1 { rounds++ }
		$1 == "stop" {
			if (want) { if ($2 == gate) { taken++; seen[at] = 1 } else if (where in held) taken++
				want = 0 }
			addr = $2
			insn = $3
		}
		END {
			printf "%d %d %d %s %d %d\n", rounds, nmis, taken,
				("sysret" in seen || "sysretq" in seen) ? "sysret" : "iret" in seen || "iretq" in seen ? "iret" : "none",
				ends, odd
		}' "$tmp/held" "$tmp/facts"
}

# Instructions of the entry code and of user mode on the path, in Bochs and in QEMU.
count() { # name, path, kernel's words
	local end bochs qemu
	end=$(address "$tmp/paths" "path_${2}_end")
	{
		printf 'lb 0x%s\nc\nlb 0x%s\n' "$(address "$tmp/paths" "path_$2")" "$end"
		for _ in 1 2 3 4 5; do printf 'trace on\nc\ntrace off\nc\n'; done
		echo q
	} >"$tmp/script"
	run_script
	# The shortest of five: a timer may come in between.
	bochs=$(awk '/^Tracing enabled/ { n = 0; on = 1 } /^Tracing disabled/ { if (on) print n; on = 0 }
		on && /^\(0\)\.\[/ && / (0033|0023):|:ffffffffc000[1-3]/ { n++ }' "$tmp/out" | sort -n | head -n 1)
	qemu=$("$build/kaiser" storm --kernel "$build/kaiser.elf" --program "$build/user/paths" \
		--paths tools/storm/kaiser.json --mode none --no-count --path "^$2\$" --config "^${3%% *}\$" |
		sed -n 's/.*none: \([0-9]*\) instructions.*/\1/p')
	if [ -n "$bochs" ] && [ "$bochs" = "$qemu" ]; then
		result ok "$1: $bochs instructions in Bochs' trace, $qemu in QEMU's log"
	else
		result "not ok" "$1: $bochs instructions in Bochs' trace, $qemu in QEMU's log"
	fi
}

sweep() { # name, path, steps, tail wanted, kernel's words, [first]
	local name=$1 path=$2 steps=$3 tail=$4 append=$5 first=${6:-} rounds nmis taken last each=1
	local start end ends odd symbol=$2
	[[ $name =~ ${BOCHS:-.} ]] || return
	[[ $path = bad* ]] && symbol=bad
	path_image "$path" "$append"
	start=$(address "$tmp/paths" "path_$symbol") end=$(address "$tmp/paths" "path_${symbol}_end")
	{
		printf 'lb 0x%s\nlb 0x%s\nc\nc\n'"$state" "$start" "$end"
		for k in $(seq 1 "$steps"); do
			printf 'bpe 1\nbpd 2\nc\nbpd 1\nbpe 2\n'
			if [ -n "$first" ]; then
				printf 's %s\ntake nmi\ns 1\n' "$first"
			fi
			printf 's %s\ntake nmi\ns 1\nc\n'"$state" "$k"
		done
		echo q
	} >"$tmp/script"
	[ -n "$first" ] && each=2
	run_script
	read -r rounds nmis taken last ends odd < <(judge "$end")
	# A nested NMI may come while the first still blocks it, and is then taken later.
	# Steps beyond the path's end stop there.
	if [ "$rounds" = $((steps + 1)) ] && [ "$nmis" = $((steps * each)) ] &&
		{ [ -n "$first" ] || [ "$taken" = "$steps" ]; } && [ "$ends" = $((steps + 1)) ] && [ "$odd" = 0 ] &&
		{ [ "$tail" = any ] || [ "$last" = "$tail" ]; } &&
		quiet; then
		result ok "$name: $nmis NMIs, $taken taken exactly there; the same state at all $ends ends"
	else
		result "not ok" "$name"
		echo "# of $steps steps: rounds $rounds, NMIs $nmis, taken there $taken, tail seen $last, ends $ends, $odd odd"
		tail -n 5 "$tmp/serial" | sed 's/^/# | /'
	fi
	if [ "${COUNT:-0}" = 1 ] && [ -z "$first" ]; then
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
	[ "${DEEP:-0}" -gt 0 ] || continue
	sweep "IRET to a non-canonical RIP, pti=$pti" badrip_noncanonical 5000 any "pti=$pti debug_frames"
	sweep "IRET with a null SS, pti=$pti" badss_null 5000 any "pti=$pti debug_frames"
	sweep "invalid opcode, pti=$pti" opcode 3000 any "pti=$pti"
	sweep "hostile flags, pti=$pti" sysflags 300 any "pti=$pti"
	sweep "page fault in the kernel, pti=$pti" uaccess 2500 any "pti=$pti"
done
if [ "${DEEP:-0}" -gt 0 ]; then
	for first in $(seq 1 "$DEEP" 256); do
		sweep "nested at step $first" syscall 900 any "pti=on debug_nmi_iret" "$first"
	done
fi
echo "1..$n"
