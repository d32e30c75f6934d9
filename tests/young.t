#!/bin/bash
# SPDX-License-Identifier: MIT
# kaiser audit, pointed at a young kernel with no symbols on one CPU (tests/young): clean as it is;
# each mistake of young kernels is found by the check named for it. YOUNG=REGEX picks some.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

# mistake | options | exit code | checks with findings, in the report's order, or the one line | why
cases='
clean||0||the kernel as it is
clean|--samples 6|0||over several moments of two processes
one-root|--samples 12|1|isolated allowlist wx pointers kaslr residue self_map|M1: both CR3 values are one root
far-root||1|pointers|roots that are no pair: the kernel is seen to switch; its root lies in visible data
ist-unmapped||1|sufficient|M3: the stack of the NMI is not mapped
no-descriptors||2|the guest has ended: guest-reset, as after a triple fault|M3: GDT and TSS are not mapped: a triple fault
split-idt||1|allowlist sufficient|M3: the IDT goes on in a page that is not mapped
short-idt||1|sufficient|M3: an IDT with too few gates
whole-slot||1|allowlist wx pointers kaslr self_map|M4: a whole slot of the kernel half
kernel-stack||1|allowlist pointers|M4: kernel stacks
direct-map||1|isolated allowlist pointers kaslr self_map direct_map|M4: memory itself
identity||1|isolated allowlist wx sync pointers self_map direct_map|M4: the boot loader'"'"'s identity map
user-bit||1|allowlist wx user_bit same_va_same_pa pointers kaslr self_map|M5: the user bit on a slot of the kernel
rwx||1|allowlist wx|M5: a page both writable and executable
global-kernel||1|global|M5: global pages of the kernel'"'"'s root
other-frame||1|same_va_same_pa|M5: the roots map different data at one address
no-ist||1|sufficient|M6: NMI and machine check without a stack of their own
one-ist||1|sufficient|M7: one stack for all of them
unsynced||1|sync|M13: an entry of the top level in one root only
image-entry||1|kaslr|M14: entry text at its place in the image
pointer||1|pointers|M14: a kernel pointer in visible data, at an odd offset
root-in-data||1|pointers|M14: the address of a root in visible data
residue|--samples 40|1|residue|M16: registers of the other process
recursive||1|self_map|a recursive entry
reserved||1|tables|a reserved bit in an entry
reserved-size||1|tables|a large page where there can be none
beyond||1|tables|a table beyond physical memory
loop||1|self_map|a table that leads to one above it
many||1|isolated tables allowlist|one table mapped 2^18 times
no-poison||0||user mode executable in the kernel root: a warning
no-user-mode|--timeout 3|2|no CPU was in user mode|a kernel that never gets there
'

audit() { # mistake, options...
	local mistake=$1
	shift
	timeout 60 "$build/san/kaiser" audit --json --timeout 30 "$@" --run -- qemu-system-x86_64 \
		-accel tcg -cpu max -m 128M -no-reboot -display none -monitor none -nic none -serial null \
		-kernel "$build/tests/young.bin" -append "mistake=$mistake" >"$tmp/out" 2>"$tmp/err" </dev/null
}
found() {
	perl -MJSON::PP -e 'local $/; my $r = decode_json(<STDIN>);
		print join " ", map {$_->{name}} grep {$_->{state} eq "found"} @{$r->{checks}}' <"$tmp/out"
}

while IFS='|' read -r mistake options code wanted why; do
	[ -n "$mistake" ] && [[ $mistake =~ ${YOUNG:-.} ]] || continue
	n=$((n + 1))
	# shellcheck disable=SC2086
	audit "$mistake" $options
	got=$?
	case $code in
	2) said=$(cat "$tmp/err") good=$([[ $(wc -l <"$tmp/err") = 1 && $said == *"$wanted"* ]] && echo 1) ;;
	*) said=$(found) good=$([ "$said" = "$wanted" ] && [ ! -s "$tmp/err" ] && echo 1) ;;
	esac
	if [ $got = "$code" ] && [ "$good" ]; then
		echo "ok $n - $mistake: $why (${said:-nothing})"
		continue
	fi
	echo "not ok $n - $mistake: $why"
	echo "# exit $got, wanted $code; said '$said', wanted '$wanted'"
	tail -n 5 "$tmp/err" | sed 's/^/# /'
	failed=1
done <<<"$cases"
echo "1..$n"
exit $failed
