#!/bin/bash
# SPDX-License-Identifier: MIT
# An NMI in a panic's transition trace: Bochs gives one to a debug kernel in user mode, at the first
# instruction of SYSCALL's gate, behind its SWAPGS, behind its CR3 write, in C code; `unknown_nmi_panic` makes it a
# panic; and the last line of the trace must say where it came, on which root and GS base. Both configurations.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh
# shellcheck source=tests/bochs_sweep.sh
. tests/bochs_sweep.sh
kernel=$build/debug/kaiser.elf
seconds=60

kernel_root='[02468ace]' # bit 12 of a CR3, in its digit
fails=$(in_kernel "$(address "$kernel" machine_fail)")
entry_page=ffffffffc0025000
for pti in on off; do
	user_root='[13579bdf]'
	[ $pti = on ] || user_root=$kernel_root
	path_image syscall "pti=$pti unknown_nmi_panic"
	start=$(address "$tmp/paths" path_syscall)
	while read -r steps mode ip root gs; do
		printf 'lb 0x%s\nlb 0x%s\nc\nbpd 1\ns %s\nr\ntake nmi\nc\nq\n' "$start" "$fails" "$steps" >"$tmp/script"
		run_script
		at=$(sed -n 's/^flags \([0-9a-f]*\) .*/\1/p' "$tmp/facts")
		line=$(grep -a '^kaiser: .* cr3 ' "$tmp/serial" | tail -n 1)
		wanted="^kaiser: vector 02 from $mode +ip $at cr3 [0-9a-f]{8}${root}[0-9a-f]{3} -> [0-9a-f]{8}${kernel_root}[0-9a-f]{3} gs $gs\$"
		if [[ $at =~ ^$ip ]] && [[ $line =~ $wanted ]] && grep -aqE "^panic: NMI at 00(33|10):$at" "$tmp/serial"; then
			result ok "pti=$pti, $steps instructions on: ${line#kaiser: }"
		else
			result "not ok" "pti=$pti, $steps instructions on, from $mode"
			printf '# at %s the last line is "%s", wanted "%s"\n' "$at" "$line" "$wanted"
			tail -n 5 "$tmp/serial" | sed 's/^/# | /'
		fi
	done <<-END
		0   user    $start       $user_root    0000000000000000
		1   kernel  ffffffffc00  $user_root    0000000000000000
		3   kernel  ffffffffc00  $user_root    $entry_page
		30  kernel  ffffffffc00  $kernel_root  $entry_page
		60  kernel  ffffffff81   $kernel_root  $entry_page
	END
done
echo "1..$n"
