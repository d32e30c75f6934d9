#!/bin/bash
# SPDX-License-Identifier: MIT
# Boots a kernel in Bochs with its debugger's trace on and feeds that to build/trace/trace, which
# ends it after so many instructions. Nothing is stored.
#   run.sh [-k KERNEL] [-i INIT] [-c MODEL] [-s CPUS] [-n INSTRUCTIONS] [-a APPEND] [-t SECONDS]
# Exit: trace's: 0 no stale use, 1 some, 2 could not run.
set -u
build=${BUILD:-build}
kernel=$build/kaiser.elf init=$build/trace/work model=tigerlake cpus=2 n=2000000 append='' limit=300
while getopts k:i:c:s:n:a:t: opt; do
	case $opt in
	k) kernel=$OPTARG ;; i) init=$OPTARG ;; c) model=$OPTARG ;; s) cpus=$OPTARG ;;
	n) n=$OPTARG ;; a) append=$OPTARG ;; t) limit=$OPTARG ;;
	*) exit 2 ;;
	esac
done
tmp=$(mktemp -d)
bochs=''
# shellcheck disable=SC2317
cleanup() {
	[ -n "$bochs" ] && kill "$bochs" 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

# With nokaslr the kernel lies 16 MiB above where it is linked.
runtime() { # address, 16 digits
	printf '0xffffffff8%07x' $((0x${1:9} + 0x1000000))
}

nm -S "$kernel" | while read -r start size _ name; do
	case $name in
	kaiser_flush_range | kaiser_flush_page | kaiser_flush_space | kaiser_flush_kernel | \
		kaiser_flush_all | kaiser_space_set_top | kaiser_space_evict) kind=d ;;
	kaiser_space_switch) kind=s ;;
	kaiser_space_lazy) kind=l ;;
	lapic_icr) kind=i ;;
	*) continue ;;
	esac
	end=$(printf '%016x' $((0x${start:8} + 0x$size)))
	echo "$kind $(runtime "$start") $(runtime "ffffffff${end:8}")"
done >"$tmp/ranges"

# Where C writes CR3 or CR4, or invalidates: Bochs shows the registers there. The gates need none, and
# kaiser_kunmap() is for hosts without a map hook; no CPU of this kernel's leaves. A flush that was not seen would be a stale use.
sites() {
	objdump -d --no-show-raw-insn "$kernel" | awk '
		/^[0-9a-f]+ <.*>:$/ { f = $2 }
		/,%cr3$|,%cr4$|[ \t]invlpg|[ \t]invpcid/ {
			if (f ~ /^<(boot_|cpu_features|kaiser_(head|entry|tail|nmi|open|kunmap|cpu_leave))/) next
			sub(/:/, "", $1); print $1
		}'
}
start=$(nm "$kernel" | awk '$3 == "kaiser_exit_to_user" { print $1 }')
{
	echo "lb $(runtime "$start")"
	printf 'c\nd 1\ncreg\n' # from the first return to user mode on
	for a in $(sites); do echo "lb $(runtime "$a")"; done
	for ((i = cpus - 1; i >= 0; i--)); do
		printf 'set $cpu=%s\ntrace on\ntrace-mem on\n' "$i"
	done
	show=c
	for ((i = 0; i < cpus; i++)); do show+=$(printf '\nset $cpu=%s\nr' "$i"); done
	yes "$show" | head -n 4000000
} >"$tmp/script"
[ "$(sites | wc -l)" -le 15 ] || { echo "run.sh: more places than Bochs has breakpoints" >&2; exit 2; }

scripts/initramfs.sh -o "$tmp/initrd" -i "$init" &&
	scripts/iso.sh -o "$tmp/iso" -k "$kernel" -i "$tmp/initrd" -a "nokaslr pti=on $append" || exit 2
scripts/bochs.sh -T -P "$PWD/$build/trace/buffer.so" -c "$model" -s "$cpus" -q 1 -m 128 -i 20000000 \
	-t "$limit" -d "$tmp/script" -l "$tmp/serial" "$tmp/iso" 2>"$tmp/err" |
	"$build/trace/trace" "$tmp/ranges" "$n"
code=${PIPESTATUS[1]}
grep -E 'work: .*failed|panic' "$tmp/serial" && code=2
exit "$code"
