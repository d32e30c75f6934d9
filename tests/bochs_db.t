#!/bin/bash
# SPDX-License-Identifier: MIT
# Breakpoints in Bochs, whose debug registers, RF and MOV SS are real: the program arms one at each
# instruction of the entry code in turn (but where a #DB is handled, which no kernel can stand), goes
# one round and so on. The debugger looks at each #DB where it was taken, and at each path's end
# whether all registers and selectors are as ever. No fewer addresses must have been hit than
# `kaiser storm` counts on the path.
# BOCHS=REGEX picks paths.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

template=$((0x$(address "$build/kaiser.elf" kaiser_template)))
window() { # address in the image: where it runs, with nokaslr
	printf 'ffffffffc%07x\n' $((0x1000 + 0x$1 - template))
}
gate=$(window "$(address "$build/kaiser.elf" kaiser_entry_db)")
# The whole of it, NMIs and machine checks aside, which do not come here.
objdump -d -j .kaiser.text "$build/kaiser.elf" | awk '
	/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); next }
	/^ *[0-9a-f]+:\t/ && !/\tint3/ &&
		name !~ /_(db|mc|df|nmi)(_|$)|^kaiser_nmi|^kaiser_mc/ { sub(":", "", $1); print $1 }' |
	while read -r a; do window "$a"; done >"$tmp/wanted"
sed 's/^/.quad 0x/' "$tmp/wanted" >"$tmp/breaks"

# Of what the debugger printed: addresses hit, ends seen, and how many of those had other registers.
judge() { # the path's end
	awk -v gate="$gate" -v end="$1" '
		FILENAME ~ /wanted$/ { wanted[$1] = 1; next }
		/\| STACK/ { match($0, /\[0x[0-9a-f]+:0x[0-9a-f]+\]/)
			frame = substr($0, RSTART + 1, RLENGTH - 2); gsub(/0x|:/, "", frame); next }
		/^rax: / { block = $2; inside = 1; next }
		inside && /^r[a-z0-9]+ *: / { block = block " " $NF
			if ($1 == "rip:") { rip = $NF; gsub("_", "", rip) } next }
		inside && /^eflags/ { block = block " " $2; next }
		inside && /^[c-g]s:0x/ { block = block " " $1; if ($1 !~ /^gs/) next
			inside = 0
			if (rip == end) { ends++; seen[block]++ }
			if (rip == gate && frame in wanted) hit[frame] = 1 }
		END { for (f in hit) hits++
			for (b in seen) if (seen[b] > most) most = seen[b]
			print hits + 0, ends + 0, ends - most }' "$tmp/wanted" "$tmp/out"
}

sweep() { # path, pti=
	local end hits ends odd points
	[[ $1 =~ ${BOCHS:-.} ]] || return
	gcc -nostdlib -static -no-pie -DSELECTED=do_"$1" "-DBREAKS=\"$tmp/breaks\"" -o "$tmp/paths" \
		user/sweep/paths.S && scripts/initramfs.sh -o "$tmp/initrd" -i "$tmp/paths" &&
		scripts/iso.sh -o "$tmp/iso" -k "$build/kaiser.elf" -i "$tmp/initrd" \
			-a "nokaslr $2 debug_breakpoints" || exit 1
	end=$(address "$tmp/paths" "path_$1_end")
	{
		printf 'lb 0x%s\nc\nd 1\nlb 0x%s\nlb 0x%s\n' "$(address "$tmp/paths" again)" "$end" "$gate"
		for _ in $(seq $(($(wc -l <"$tmp/wanted") * 3 / 2))); do
			printf 'c\nprint-stack 1\nr\nsreg\n'
		done
		echo q
	} >"$tmp/script"
	scripts/bochs.sh -t 300 -d "$tmp/script" -o "$tmp/out" -l "$tmp/serial" "$tmp/iso" >/dev/null 2>&1
	read -r hits ends odd < <(judge "$end")
	points=$("$build/kaiser" storm --kernel "$build/kaiser.elf" --program "$build/user/paths" \
		--paths tools/storm/kaiser.json --event db --mode none --no-count --path "^$1\$" --config "^$2\$" |
		sed -n 's/.*(\([0-9]*\) of the entry code.*/\1/p')
	if [ "$hits" -ge "${points:-9999}" ] && [ "$ends" -ge "$(wc -l <"$tmp/wanted")" ] && [ "$odd" = 0 ] &&
		! grep -qE 'fatal:|panic:' "$tmp/serial"; then
		result ok "$1, $2: #DB at $hits addresses, $points on the path; the same registers at all $ends ends"
	else
		result "not ok" "$1, $2"
		echo "# of $(wc -l <"$tmp/wanted") addresses $hits hit, $points on the path; $ends ends, $odd odd"
		tail -n 5 "$tmp/serial" | sed 's/^/# | /'
	fi
}

for pti in pti=on pti=off; do
	for path in syscall int80 sysenter fault; do
		sweep $path $pti
	done
done
echo "1..$n"
