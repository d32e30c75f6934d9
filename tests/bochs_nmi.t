#!/bin/bash
# SPDX-License-Identifier: MIT
# A sweep of NMIs in Bochs, which takes an NMI between any two instructions and models what
# QEMU does not: its debugger stops at the path's start, goes K steps, gives the NMI, goes on; K
# grows. Last, nested: a first NMI in the head, whose handler ends the blocking by an IRET.
# DEEP=N also puts that first NMI at every Nth step of the system call's path (DEEP=1: ten minutes).
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
n=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

result() { # ok|not ok, text
	n=$((n + 1))
	echo "$1 $n - $2"
}

address() { # file symbol
	nm "$1" | awk -v s="$2" '$3 == s { print $1 }'
}

template=$(address "$build/kaiser.elf" kaiser_template)
# With nokaslr the gate text is at c0001000. The debugger shows the instruction after the gate's first.
gate=$(printf 'ffffffffc%07x' $((0x1000 + 0x$(address "$build/kaiser.elf" kaiser_entry_nmi) - 0x$template + 4)))

# Where an STI still holds an NMI off in Bochs: the instruction after each, at run-time addresses.
objdump -d "$build/kaiser.elf" | awk '
	after { print "ffffffff81" substr($1, 11, 6); after = 0 }
	$2 == "fb" && $3 == "sti" { after = 1 }' >"$tmp/shadow"

# What the debugger printed: rounds, NMIs, NMIs that were taken at once or held by an STI,
# and the last instruction of
# an exit that one of them came at.
judge() {
	awk -v gate="$gate" '
		FILENAME ~ /shadow$/ { held[$1] = 1; next }
		/^Delivering NMI/ { nmis++; at = insn; where = addr; want = 1; next }
		/^\(0\) Breakpoint/ { rounds++ }
		/^\(0\) \[/ {
			if (want) { if (index($0, ":" gate)) { taken++; seen[at] = 1 } else if (where in held) taken++
				want = 0 }
			addr = $3 ~ /:/ ? substr($3, 6) : ""
			insn = $4 == "ctxt):" ? $5 : $6
			sub(/;.*/, "", insn)
		}
		END {
			printf "%d %d %d %s\n", rounds, nmis, taken,
				("sysret" in seen || "sysretq" in seen) ? "sysret" : "iret" in seen || "iretq" in seen ? "iret" : "none"
		}' "$tmp/shadow" "$tmp/out"
}

sweep() { # name, path, steps, tail wanted, kernel's words, [first]
	local name=$1 path=$2 steps=$3 tail=$4 append=$5 first=${6:-} rounds nmis taken last each=1
	gcc -nostdlib -static -no-pie -DSELECTED=do_"$path" -o "$tmp/paths" user/sweep/paths.S &&
		scripts/initramfs.sh -o "$tmp/initrd" -i "$tmp/paths" || exit 1
	scripts/iso.sh -o "$tmp/iso" -k "$build/kaiser.elf" -i "$tmp/initrd" -a "nokaslr $append" ||
		exit 1
	{
		echo "lb 0x$(address "$tmp/paths" "path_$path")"
		echo c
		for k in $(seq 1 "$steps"); do
			if [ -n "$first" ]; then
				printf 's %s\ntake nmi\ns 1\n' "$first"
			fi
			printf 's %s\ntake nmi\ns 1\nc\n' "$k"
		done
		echo q
	} >"$tmp/script"
	[ -n "$first" ] && each=2
	scripts/bochs.sh -t 300 -d "$tmp/script" -o "$tmp/out" -l "$tmp/serial" "$tmp/iso" \
		>/dev/null 2>&1
	read -r rounds nmis taken last < <(judge)
	# A nested NMI may come while the first still blocks it, and is then taken later.
	# One that came at the path's start itself is met by the breakpoint once more.
	if [ "$rounds" -gt "$steps" ] && [ "$nmis" = $((steps * each)) ] &&
		{ [ -n "$first" ] || [ "$taken" = "$steps" ]; } &&
		{ [ "$tail" = any ] || [ "$last" = "$tail" ]; } &&
		! grep -qE 'fatal:|panic:' "$tmp/serial"; then
		result ok "$name: $nmis NMIs, $taken taken exactly there"
	else
		result "not ok" "$name"
		echo "# of $steps steps: rounds $rounds, NMIs $nmis, taken there $taken, tail seen $last"
		tail -n 5 "$tmp/serial" | sed 's/^/# | /'
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
done
if [ "${DEEP:-0}" -gt 0 ]; then
	for first in $(seq 1 "$DEEP" 256); do
		sweep "nested at step $first" syscall 900 any "pti=on debug_nmi_iret" "$first"
	done
fi
echo "1..$n"
