#!/bin/bash
# SPDX-License-Identifier: MIT
# Boots a CD image headless in Bochs and passes the serial output through.
#   scripts/bochs.sh [options] ISO
#   -c MODEL    CPU model (skylake... see `bochs -help cpu`; default corei7_skylake_x)
#   -s CPUS -m MIB (1, 128)   -i IPS (2000000: small makes the BIOS's waits short)
#   -t SECONDS  time limit (120)          -p PATTERN  a line that must match, an egrep pattern
#   -l LOG      keep the serial output    -d SCRIPT   debugger commands instead of "continue"
#   -L LOG      keep Bochs' own log       -o OUT      keep what the debugger printed
#   -T          what the debugger prints goes to standard output, as it comes, and nothing else does
#   -P FILE     preload that library into Bochs
#   -q N        instructions that one CPU runs before the next one's turn (Bochs' own choice)
# The guest ends by ACPI power-off, or by writing "Shutdown" to port 0x8900.
# Exit: 0 ended so, and PATTERN seen; 1 without it; 2 could not run; 3 out of time; 4 otherwise.
set -u

model=corei7_skylake_x cpus=1 mem=128 ips=2000000 limit=120 pattern='' log='' script='' own='' out=''
trace='' preload='' quantum=''
while getopts c:s:m:i:t:p:l:d:L:o:TP:q: opt; do
	case $opt in
	c) model=$OPTARG ;; s) cpus=$OPTARG ;; m) mem=$OPTARG ;; i) ips=$OPTARG ;;
	t) limit=$OPTARG ;; p) pattern=$OPTARG ;; l) log=$OPTARG ;; d) script=$OPTARG ;;
	L) own=$OPTARG ;; o) out=$OPTARG ;; T) trace=1 ;; P) preload=$OPTARG ;; q) quantum=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
if [ $# != 1 ] || [ ! -r "$1" ]; then
	echo "usage: bochs.sh [options] ISO" >&2
	exit 2
fi
command -v bochs >/dev/null || { echo "bochs.sh: bochs is not installed" >&2; exit 2; }

dir=$(mktemp -d) || exit 2
running='' shown=''
# shellcheck disable=SC2317
cleanup() {
	[ -n "$running" ] && kill "$running" 2>/dev/null
	[ -n "$shown" ] && kill "$shown" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 2' INT TERM HUP
[ -n "$own" ] || own=$dir/log
bios=/usr/share/bochs/BIOS-bochs-latest
vga=/usr/share/bochs/VGABIOS-lgpl-latest
[ -e "$vga" ] || vga=/usr/share/vgabios/vgabios.stdvga.bin
cat >"$dir/bochsrc" <<END
config_interface: textconfig
display_library: rfb, options="timeout=0"
cpu: model=$model, count=$cpus${quantum:+, quantum=$quantum}, ips=$ips, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=$mem, host=$mem
romimage: file=$bios
vgaromimage: file=$vga
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path="$1", status=inserted
boot: cdrom
clock: sync=none
com1: enabled=1, mode=file, dev="$dir/serial"
log: $own
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
port_e9_hack: enabled=0
speaker: enabled=0
sound: driver=dummy
END
[ -n "$script" ] || { script=$dir/script; echo c >"$script"; echo q >>"$script"; }
: >"$dir/serial"
: >"$dir/stdout"
[ -n "$trace" ] || exec 3>"$dir/stdout" 4>&1
[ -z "$trace" ] || exec 3>&1 4>/dev/null
timeout -k 5 "$limit" env ${preload:+"LD_PRELOAD=$preload"} bochs -q -f "$dir/bochsrc" -rc "$script" \
	</dev/null >&3 2>&3 4>&- &
running=$!
exec 3>&- 1>&4 4>&-
tail -f -n +1 --pid="$running" -s 0.1 "$dir/serial" 2>/dev/null | sed -u 's,\r,,g' &
shown=$!
wait "$running"
code=$?
[ -n "$out" ] && cp "$dir/stdout" "$out"
running=''
wait "$shown"
shown=''
[ -n "$log" ] || log=$dir/plain
sed 's/\r//g; s/\x1b\[[0-9;]*[A-Za-z]//g' "$dir/serial" >"$log"
if [ "$code" = 124 ] || [ "$code" = 137 ]; then
	echo "bochs.sh: out of time after $limit s" >&2
	exit 3
fi
if ! grep -Eq 'soft power off|hutdown requested|shutdown port' "$own" "$dir/stdout"; then
	echo "bochs.sh: ended without a power-off (exit code $code)" >&2
	grep -E 'PANIC|>>PANIC<<|3rd|exception' "$own" "$dir/stdout" | tail -n 5 >&2
	[ -s "$own" ] || tail -n 5 "$dir/stdout" >&2
	exit 4
fi
if [ -n "$pattern" ] && ! grep -Eq -- "$pattern" "$log"; then
	echo "bochs.sh: no line matches '$pattern'" >&2
	exit 1
fi
exit 0
