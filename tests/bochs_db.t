#!/bin/bash
# SPDX-License-Identifier: MIT
# Breakpoints in Bochs, whose debug registers, RF and MOV SS are real: the program arms one at each
# instruction of the entry code in turn (but where a #DB is handled, which no kernel can stand), goes
# one round and so on. The debugger looks at each #DB where it was taken, and at each path's end
# whether registers, flags, selectors, CR0, CR3, CR4, EFER and bases are as ever. No fewer addresses must have been hit than
# `kaiser storm` counts on the path.
# Then what no switch is needed for (CVE-2018-8897): a traced program reads SS from a word that its tracer
# watches, and enters the kernel at once. The CPU holds the #DB back until then, so it comes at the gate's
# first instruction, on the user's GS and root. Bochs forgets it at an INT: there the debugger gives it.
# Each round must end as the one that nobody watched.
# BOCHS=REGEX picks paths.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

# shellcheck source=tests/bochs_sweep.sh
. tests/bochs_sweep.sh

gate=$(in_window "$(address "$build/kaiser.elf" kaiser_entry_db)")
# The whole of it, NMIs and machine checks aside, which do not come here.
objdump -d -j .kaiser.text "$build/kaiser.elf" | awk '
	/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); next }
	/^ *[0-9a-f]+:\t/ && !/\tint3/ &&
		name !~ /_(db|mc|df|nmi)(_|$)|^kaiser_nmi|^kaiser_mc/ { sub(":", "", $1); print $1 }' |
	while read -r a; do in_window "$a"; done >"$tmp/wanted"
sed 's/^/.quad 0x/' "$tmp/wanted" >"$tmp/breaks"

# Addresses hit, ends seen, and how many of those had other state than the first.
judge() { # the path's end
	awk -v gate="$gate" -v end="$1" '
		FILENAME ~ /wanted$/ { wanted[$1] = 1; next }
		$1 == "stack" { frame = $2 }
		$1 == "state" && $2 == end { if (!ends++) usual = $0; odd += $0 != usual }
		$1 == "state" && $2 == gate && frame in wanted { hit[frame] = 1 }
		END { for (f in hit) hits++
			print hits + 0, ends + 0, odd + 0 }' "$tmp/wanted" "$tmp/facts"
}

sweep() { # path, pti=
	local end hits ends odd points
	[[ $1 =~ ${BOCHS:-.} ]] || return
	path_image "$1" "$2 debug_breakpoints" "-DBREAKS=\"$tmp/breaks\""
	end=$(address "$tmp/paths" "path_$1_end")
	{
		printf 'lb 0x%s\nc\nd 1\nlb 0x%s\nlb 0x%s\n' "$(address "$tmp/paths" again)" "$end" "$gate"
		for _ in $(seq $(($(wc -l <"$tmp/wanted") * 3 / 2))); do
			printf 'c\nprint-stack 1\n'"$state"
		done
		echo q
	} >"$tmp/script"
	run_script
	read -r hits ends odd < <(judge "$end")
	points=$("$build/kaiser" storm --kernel "$build/kaiser.elf" --program "$build/user/paths" \
		--paths tools/storm/kaiser.json --event db --mode none --no-count --path "^$1\$" --config "^$2\$" |
		sed -n 's/.*(\([0-9]*\) of the entry code.*/\1/p')
	if [ "$hits" -ge "${points:-9999}" ] && [ "$ends" -ge "$(wc -l <"$tmp/wanted")" ] && [ "$odd" = 0 ] &&
		quiet; then
		result ok "$1, $2: #DB at $hits addresses, $points on the path; the same state at all $ends ends"
	else
		result "not ok" "$1, $2"
		echo "# of $(wc -l <"$tmp/wanted") addresses $hits hit, $points on the path; $ends ends, $odd odd"
		tail -n 5 "$tmp/serial" | sed 's/^/# | /'
	fi
}

# #DBs that came at that place of CPL 0, on that kind of root, before SWAPGS; ends, ends that differ from the first.
judge_held() { # place (regex), root (regex), the path's end
	awk -v gate="$gate" -v place="$1" -v root="CR3=0x[0-9a-f]*$2[0-9a-f][0-9a-f][0-9a-f] " -v end="$3" '
		$1 == "stack" { ip = cs; cs = $2 }
		$1 == "state" && $2 == gate && ip ~ "^" place && cs ~ /0010$/ && $0 ~ root && $(NF - 1) ~ /^0*$/ { held++ }
		$1 == "state" && $2 == end { if (!ends++) usual = $0; odd += $0 != usual }
		END { print held + 0, ends + 0, odd + 0 }' "$tmp/facts"
}

held_back() { # the instruction behind MOV SS, where it leads (regex), pti=, vector if that is an INT
	local start end held ends odd rounds=10 at=$gate give='' root='[13579bdf]' place=$2
	[[ "MOV SS, $1, $3" =~ ${BOCHS:-.} ]] || return
	[ "$3" = pti=on ] || root='[02468ace]'
	path_image movss "$3" -DMOVSS "-DMOVSS_$1"
	start=$(address "$tmp/paths" path_movss) end=$(address "$tmp/paths" path_movss_end)
	if [ -n "$4" ]; then # the stub, by the IDT
		printf 'lb 0x%s\nc\ninfo idt 0x%s\nq\n' "$start" "$4" >"$tmp/script"
		run_script
		at=$(sed -n 's/^IDT.*target=0x[0-9a-f]*:\([0-9a-f]*\).*/\1/p' "$tmp/out" | head -n 1)
		place=$at give='give db\n'
	fi
	{
		printf 'lb 0x%s\nlb 0x%s\nlb 0x%s\nbpd 3\nc\nc\n'"$state" "$start" "$end" "$at"
		for _ in $(seq $rounds); do
			printf 'bpe 1\nbpd 2\nc\nbpd 1\nbpe 3\nc\nbpd 3\nbpe 2\n'"$give"'print-stack 2\n'"$state"'c\n'"$state"
		done
		echo q
	} >"$tmp/script"
	run_script
	read -r held ends odd < <(judge_held "$place" "$root" "$end")
	if [ "$held" = $rounds ] && [ "$ends" = $((rounds + 1)) ] && [ "$odd" = 0 ] && quiet; then
		result ok "MOV SS, $1, $3: #DB at $place $held times, on the user's GS; the same state at all $ends ends"
	else
		result "not ok" "MOV SS, $1, $3"
		echo "# #DB at $place $held times of $rounds; $ends ends, $odd odd"
		tail -n 5 "$tmp/serial" | sed 's/^/# | /'
	fi
}

for pti in pti=on pti=off; do
	for path in syscall int80 sysenter fault; do
		sweep $path $pti
	done
	held_back SYSCALL "$(in_window "$(address "$build/kaiser.elf" kaiser_entry_syscall64)")" $pti ''
	held_back SYSENTER "$(in_window "$(address "$build/kaiser.elf" kaiser_entry_sysenter)")" $pti ''
	held_back INT80 '' $pti 80
	held_back INT3 '' $pti 3
done
echo "1..$n"
