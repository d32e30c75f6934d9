#!/bin/bash
# SPDX-License-Identifier: MIT
# kaiser storm in QEMU, reduced: an NMI at every instruction of the main paths, other events at a
# sample, nested ones in the NMI's head; with isolation and without. `make storm` does all of it.
# STORM=REGEX picks parts.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

storm() { # name, options...
	local name=$1 code
	shift
	[[ $name =~ ${STORM:-.} ]] || return
	"$build/kaiser" storm --kernel "$build/kaiser.elf" --program "$build/user/paths" \
		--paths tools/storm/kaiser.json --timeout 30000 "$@" >"$tmp/out" 2>&1
	code=$?
	if [ $code = 0 ] && grep -q ' 0 failures' "$tmp/out"; then
		result ok "$name: $(tail -n 1 "$tmp/out")"
	else
		result "not ok" "$name: exit code $code"
		grep -v 'reached$' "$tmp/out" | sed 's/^/# /'
	fi
}

storm "NMI at every instruction" --event nmi --path '^(syscall|timer|fault|opcode|nmi|badss_null)$'
storm "NMI at some of the others" --event nmi --mode linear --step 7 --no-count \
	--path '^(nostack|sys.*|int80|winstack|ipiflags|thread|exec|bad(cs_kernel|rip_noncanonical))$'
# On a page fault's way: the handlers leave another CR2.
storm "machine check, interrupt, breakpoint at some" --event mce,mce_nmi,nmi_iret,db,ipi --mode linear \
	--step 5 --no-count --path '^(syscall|fault|nmi|badcs_null)$'
# Step 3 of the system call is in the head, on the user root.
storm "NMI in NMI" --event 'nmi_iret>nmi_iret' --outer 3 --path '^syscall$' --no-count
# The NMI's way in and out, where the breakpoint's own way back is a jump.
storm "breakpoint in NMI" --event 'nmi>db' --outer 3 --path '^syscall$' --config on --no-count \
	--points 1-170
storm "machine check in a machine check's exit" --event 'mce>mce_again' --path '^syscall$' --no-count
storm "NMI at some of an LDT's and of ptrace" --event nmi --mode linear --step 11 --no-count \
	--path '^(ldtset|ldtss16|ptracestep|ptracebreak)$'
storm "machine check and NMI in NMI" --event 'nmi_iret>mce_nmi' --outer 3 --path '^syscall$' --no-count
storm "NMI after a machine check in an NMI's head" --event 'nmi>mce>nmi' --outer 3/2 --path '^syscall$' --config on \
	--mode linear --step 4 --no-count
echo "1..$n"
