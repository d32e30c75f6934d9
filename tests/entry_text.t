#!/bin/bash
# SPDX-License-Identifier: MIT
# What docs/security.md says of the entry code's instructions, over its disassembly (entry_text.pl has the
# rules): no RET and no indirect branch, VERW before user mode, LFENCE where a branch decided a SWAPGS,
# cleared registers and an aligned stack at calls of C. And that each of them would be missed: every
# such line in turn is left out of a copy, or a bad one put in.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib.sh
. tests/lib.sh

kstack=$(($(printf '#include <kaiser/layout.h>\nKAISER_GS_PRIVATE + KAISER_PRIV_KSTACK\n' |
	gcc -Ikaiser/include -E -P -D__ASSEMBLER__ -x assembler-with-cpp - | tail -n 1)))

look() { # compiler, folder, options...
	local cc=$1 dir=$2
	shift 2
	$cc -Ikaiser/include -I"$dir" "$@" -c "$dir/template.S" -o "$dir/t.o" || return 2
	# clang leaves jumps to global labels to the linker.
	ld --unresolved-symbols=ignore-all -e 0 -z max-page-size=4096 -o "$dir/t.elf" "$dir/t.o" || return 2
	objdump -d --no-show-raw-insn -j .kaiser.text "$dir/t.elf" | perl tests/entry_text.pl $kstack
}

for cc in gcc clang; do
	for debug in "" -DKAISER_DEBUG=1; do
		cp -r kaiser/entry "$tmp/$cc$debug"
		check "$cc $debug: the entry code is as docs/security.md says" look $cc "$tmp/$cc$debug" $debug
		tail -n 1 "$tmp/out" | sed 's/^/# /'
	done
done

# A line of a macro stands for all uses of it.
seed() { # rule, what, sed command, pattern of a line, files...
	local rule=$1 what=$2 command=$3 pattern=$4 place file line seeds=0 missed=
	shift 4
	# Behind kaiser_lost_db's label C has run already.
	for place in $(cd kaiser/entry && awk -v p="$pattern" '
		FNR == 1 || /^$/ { lost = 0 } /^kaiser_lost_db:/ { lost = 1 }
		$0 ~ p && !(lost && /CLEAR_REGS/) { print FILENAME ":" FNR }' "$@"); do
		file=${place%:*} line=${place#*:} seeds=$((seeds + 1))
		rm -rf "$tmp/seed" && cp -r kaiser/entry "$tmp/seed"
		sed -i "$line$command" "$tmp/seed/$file"
		look gcc "$tmp/seed" >"$tmp/out" 2>&1
		[ $? = 1 ] && grep -q "^$rule: " "$tmp/out" || missed="$missed $place"
	done
	if [ $seeds != 0 ] && [ -z "$missed" ]; then
		result ok "$what: all $seeds are seen"
	else
		result "not ok" "$what: $seeds seeds, missed:$missed"
	fi
}

code="heads.inc syscall.inc user.inc paranoid.inc nmi_head.inc nmi.inc tails.inc"
# shellcheck disable=SC2086
{
	seed verw "an exit without VERW" d '^\tCLEAR_CPU_BUFFERS$' $code
	seed lfence "a SWAPGS that a branch decided without LFENCE" d '^\tlfence' $code
	seed clear "a call of C without CLEAR_REGS" d '^\tCLEAR_REGS$' $code
	seed clear "CLEAR_REGS without one of the registers" d '^\txorl\t%e(ax|bp), %e(ax|bp)|^\txorl\t%r(8|15)d' macros.inc
	seed ret "a RET behind a gate" 'i ret' '^\t(movq\t%rsp, %gs:KAISER_SCRATCH_SP|pushq\t%r14)$|^kaiser_nmi_saved:' $code
	seed ret "an indirect branch behind a gate" 'i jmp *%rcx' '^\tswapgs$|^kaiser_head:' heads.inc syscall.inc
	seed align "a call that leaves the stack 8 off" 's/KAISER_CALL/CALL_C\t/' '^\tKAISER_CALL kaiser_from_user' $code
	seed reach "code without a way to it" 'a ud2' '^\tjmp\tkaiser_(user_entry|exit_iret)$' heads.inc user.inc
}
echo "1..$n"
