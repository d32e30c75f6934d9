#!/bin/bash
# SPDX-License-Identifier: MIT
# Interrupts and machine checks in Bochs, by commands that bochs_give.c adds to its debugger: a trace
# tells which instructions a path has; then the program goes the path again and again, and each time the
# event is given at the next instruction of the entry code and of user mode, and at some of C code. What
# must hold:
#	an interrupt is taken exactly there if interrupts are on, and not there if they are off;
#	a machine check is taken exactly there, always; an NMI behind it at its gate's first instruction;
#	every instruction of the entry code in the trace had its event;
#	at the path's end registers, flags, selectors, CR0, CR3, CR4, EFER and bases are as without it.
# FULL=1 takes more paths and every instruction of C code. BOCHS=REGEX picks.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh
# shellcheck source=tests/bochs_sweep.sh
. tests/bochs_sweep.sh

every=16
[ "${FULL:-0}" = 1 ] && every=1 || seconds=60
declare -A commands=([timer]='give irq 20' [ipi]='give irq f0' [mce]='give mce' [mce_nmi]='give mce\ntake nmi')
declare -A vectors=([timer]=20 [ipi]=f0 [mce]=12 [mce_nmi]=2)
declare -A printed=([timer]=IRQ20 [ipi]=IRQf0 [mce]=MCE [mce_nmi]=MCENMI)
held >"$tmp/held"

# The points of the path: $tmp/points, as $tmp/trace; and each vector's gate.
find_points() { # start, end
	trace_path "$1" "$2" "${model[@]}"
	awk -v every="$every" -v ours="^($ours)" '$1 && ($2 ~ ours || $1 % every == 0)' "$tmp/trace" >"$tmp/points"
	sed -n 's/^IDT\[0x\([0-9a-f]*\)\].*target=0x[0-9a-f]*:\([0-9a-f]*\).*/\1 \2/p' "$tmp/out" >"$tmp/gates"
}

# Of an event: given, taken there, wrongly taken or not taken, addresses wanted, ends, ends with other state than
# without event. Points that had none are left in $tmp/missed.
judge() { # event, gate, end
	awk -v event="${printed[$1]}" -v gate="$2" -v end="$3" -v name="$1" -v missed="$tmp/missed" -v ours="^($ours)" '
		FILENAME ~ /held$/ { held[$2] = 1; next }
		FILENAME ~ /points$/ { at[$1] = $2; if ($2 ~ ours) wanted[$2] = 1; next }
		$1 == "flags" { rip = $2; open = $3 == "on" }
		$1 == "event" { given_now = (pending++ ? given_now : "") $2; next }
		$1 == "stop" && pending {
			pending = 0
			if (given_now != event)
				next
			given++
			hit[rip] = 1
			there = $2 == gate
			taken += there
			if (event ~ /^MCE/ ? !there : there != (open && !(rip in held)))
				wrong++
		}
		$1 == "boot" { given_now = "" }
		$1 == "state" && $2 == end {
			if (!usual)
				usual = $0
			if (given_now == event) {
				ends++
				odd += $0 != usual
			}
		}
		END {
			for (k in at) if (at[k] in wanted && !(at[k] in hit)) print name, k, at[k] >>missed
			for (w in wanted) points++
			print given + 0, taken + 0, wrong + 0, points + 0, ends + 0, odd + 0
		}' "$tmp/held" "$tmp/points" "$tmp/all"
}

# All events at all points. A tick within the steps, or a round of another length, puts the event elsewhere: what was
# missed is tried again, by a breakpoint at its address.
sweep() { # start, end
	local event k at how try number
	for event in $events; do
		sed "s/^/$event /" "$tmp/points"
	done >"$tmp/todo"
	: >"$tmp/all"
	: >"$tmp/tried"
	for try in 1 2; do
		[ -s "$tmp/todo" ] || break
		number=2
		{
			printf 'lb 0x%s\nlb 0x%s\nc\nc\n'"$state" "$1" "$2"
			while read -r event k at; do
				how="s $k"
				[ $try = 1 ] || how="lb 0x$at\nc\nd $((++number))"
				printf 'bpe 1\nbpd 2\nc\nbpd 1\n%b\nbpe 2\nr\n%b\ns 1\nc\n'"$state" "$how" \
					"${commands[$event]}"
			done <"$tmp/todo"
			echo q
		} >"$tmp/script"
		run_script "${model[@]}"
		cat "$tmp/todo" >>"$tmp/tried"
		{
			echo boot
			cat "$tmp/facts"
		} >>"$tmp/all"
		: >"$tmp/missed"
		for event in $events; do
			judge "$event" "$(gate "$event")" "$2" >"$tmp/judged.$event"
		done
		quiet || break
		cp "$tmp/missed" "$tmp/todo"
	done
}

gate() { # event: the second instruction of its gate
	second "$(in_image "$(awk -v v="${vectors[$1]}" '$1 == v { print substr($2, 9) }' "$tmp/gates")")"
}

report() { # path, pti
	local event given taken wrong points ends odd tried missed
	for event in $events; do
		read -r given taken wrong points ends odd <"$tmp/judged.$event"
		tried=$(grep -c "^$event " "$tmp/tried") missed=$(grep -c "^$event " "$tmp/missed")
		if [ "$given" = "$tried" ] && [ "$taken" -gt 0 ] && [ "$wrong" = 0 ] && [ "$points" -gt 0 ] &&
			[ "$missed" = 0 ] && [ "$ends" = "$tried" ] && [ "$odd" = 0 ] && quiet; then
			result ok "$event, $1, $2: $given given, $taken taken exactly there; all $points addresses; $ends ends alike"
		else
			result "not ok" "$event, $1, $2"
			echo "# of $tried events $given given, $taken taken there, $wrong wrongly; $missed points missed of" \
				"$points addresses; $ends ends, $odd odd"
			tail -n 5 "$tmp/serial" | sed 's/^/# | /'
		fi
	done
}

events="timer ipi mce mce_nmi"
paths="syscall int80 sysenter fault"
[ "${FULL:-0}" = 1 ] && paths="$paths nostack syscall32 sysflags uaccess user userflags breakpoint opcode protection sigreturn
	badcs_null badcs_kernel badcs_data badcs_limit badcs_tss badcs_ldt badss_null badss_rpl badss_kernel badss_code
	badss_limit badss_ldt badrip_noncanonical badrip_kernel"
for pti in pti=on pti=off; do
	for path in $paths; do
		[[ "$path, $pti" =~ ${BOCHS:-.} ]] || continue
		model=()
		[ "$path" = syscall32 ] && model=(-c ryzen) # Intel's have no SYSCALL in 32-bit code
		append="$pti debug_mce_continue"
		[[ $path = badrip* ]] && append="$append debug_frames"
		path_image "$path" "$append"
		start=$(path_start "$path") end=$(path_end "$path")
		find_points "$start" "$end"
		if [ ! -s "$tmp/points" ]; then
			result "not ok" "$path, $pti: the trace has no path"
			continue
		fi
		sweep "$start" "$end"
		report "$path" "$pti"
	done
done
echo "1..$n"
