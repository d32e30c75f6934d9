# SPDX-License-Identifier: MIT
# For the tests that sweep the entry code in Bochs' debugger, which source it behind lib.sh. They
# stop at a path of user/sweep/paths.S, do something at each of its instructions, and read what the
# debugger printed.
# shellcheck shell=bash disable=SC2154,SC2034
seconds=300 # for a script
template=$((0x$(address "$build/kaiser.elf" kaiser_template)))

# An address of the gates' text in the image: where it runs, with nokaslr.
in_window() {
	printf 'ffffffffc%07x\n' $((0x1000 + 0x$1 - template))
}

in_image() {
	printf '%x\n' $((template + 0x$1 - 0xc0001000))
}

# An address of the kernel's text in the image: where that runs.
in_kernel() {
	echo "ffffffff81${1#??????????}"
}

# The second instruction of the gate there (an address of the image): the debugger takes an event and
# runs one instruction in one step.
second() {
	in_window "$(objdump -d "--start-address=0x$1" "--stop-address=$((0x$1 + 32))" "$build/kaiser.elf" |
		awk '/^ *[0-9a-f]+:\t/ && ++n == 2 { sub(":", "", $1); print $1 }')"
}

# Where an STI still holds an interrupt off, and an NMI in Bochs: the instruction after each, where it runs.
held() {
	objdump -d "$build/kaiser.elf" | awk '
		after { print "held ffffffff81" substr($1, 11, 6); after = 0 }
		$2 == "fb" && $3 == "sti" { after = 1 }'
}

# $tmp/paths, which goes round that path, and $tmp/iso, the kernel with it as /init.
path_image() { # path, kernel's words, [gcc's words]
	gcc -nostdlib -static -no-pie -DSELECTED=do_"$1" "${@:3}" -o "$tmp/paths" user/sweep/paths.S &&
		scripts/initramfs.sh -o "$tmp/initrd" -i "$tmp/paths" &&
		scripts/iso.sh -o "$tmp/iso" -k "${kernel:-$build/kaiser.elf}" -i "$tmp/initrd" -a "nokaslr $2" || exit 1
}

# Where that path begins and ends in $tmp/paths: the returns that fault share both.
path_start() {
	[[ $1 = bad* ]] && set -- bad
	address "$tmp/paths" "path_$1"
}

path_end() {
	[[ $1 = bad* ]] && set -- bad
	address "$tmp/paths" "path_${1}_end"
}

# What shows all of a state.
state='r\nsreg\ncreg\ngive bases\n'

# Runs $tmp/script; what was printed is in $tmp/facts, line by line as bochs_facts.awk says.
run_script() { # [options of bochs.sh]
	scripts/bochs.sh -t "$seconds" "$@" -P "$PWD/$build/tests/bochs_give.so" -d "$tmp/script" -o "$tmp/out" -l "$tmp/serial" "$tmp/iso" >/dev/null 2>&1
	awk -f tests/bochs_facts.awk "$tmp/out" >"$tmp/facts"
}

ours='0000|ffffffffc000' # how addresses of user mode and of the entry code begin

# The path as Bochs traces it: of five rounds the shortest of those that go through entry code and user mode as most
# do (a timer may come in between). To $tmp/trace: steps from its start, and the address there; the path's end
# is the last. What the IDT holds: $tmp/out.
trace_path() { # start, end, [options of bochs.sh]
	{
		printf 'lb 0x%s\nc\ninfo idt 0 255\nlb 0x%s\n' "$1" "$2"
		for _ in 1 2 3 4 5; do printf 'trace on\nc\ntrace off\nc\n'; done
		echo q
	} >"$tmp/script"
	run_script "${@:3}" -t 60
	awk -v end="$2" -v ours="^($ours)" '
		BEGIN { round = 0 }
		/^Tracing enabled/ { n = 0; way = "" }
		/^\(0\)\.\[/ && match($0, / 00[0-9a-f][0-9a-f]:[0-9a-f]+ /) {
			at[round, n] = a = substr($0, RSTART + 6, RLENGTH - 7)
			n++
			if (a ~ ours)
				way = way a
		}
		/^Tracing disabled/ && n { steps[round] = n; ways[round++] = way; often[way]++ }
		END {
			best = -1
			for (r = 0; r < round; r++) {
				o = often[ways[r]]
				if (best < 0 || o > often[ways[best]] || (o == often[ways[best]] && steps[r] < steps[best]))
					best = r
			}
			for (i = 0; best >= 0 && i < steps[best]; i++)
				print i, at[best, i]
			if (best >= 0)
				print steps[best], end
		}' "$tmp/out" >"$tmp/trace"
}

# The kernel said nothing of itself.
quiet() {
	! grep -qE 'fatal:|panic:' "$tmp/serial"
}
