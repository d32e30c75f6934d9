#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs a guest once, passes its serial output through, and judges how it ended.
#   scripts/qemu.sh [options] [-- more QEMU arguments]
#   -k KERNEL  -i INITRD  -a APPEND     what to boot (default build/kaiser.elf)
#   -I ISO                              boot a CD image instead
#   -s CPUS  -m MEM  -c CPU  -M MACHINE (2, 256M, max,vendor=GenuineIntel, pc)
#   -t SECONDS                          time limit (120)
#   -p PATTERN                          a line of the guest that must match, as an egrep pattern
#   -l LOG                              keep the serial output there
#   -q                                  do not pass it through
#   -N                                  a storm of NMIs on every CPU once init runs, until it prints
#                                       a plan (1..N); QEMU takes them between any two instructions
# A guest that reboots or takes a triple fault leaves QEMU with exit code 0 too; only the SHUTDOWN
# event on QMP tells a power-off from those.
# Exit: 0 powered off and PATTERN seen; 1 powered off without it; 2 could not run; 3 out of time;
# 4 the guest's panic (isa-debug-exit); 5 reset or triple fault.
set -u

kernel=${BUILD:-build}/kaiser.elf initrd='' append='' iso='' cpus=2 mem=256M
cpu=max,vendor=GenuineIntel machine=pc limit=120 pattern='' log='' quiet=0 storm=0
while getopts k:i:a:I:s:m:c:M:t:p:l:qN opt; do
	case $opt in
	k) kernel=$OPTARG ;; i) initrd=$OPTARG ;; a) append=$OPTARG ;; I) iso=$OPTARG ;;
	s) cpus=$OPTARG ;; m) mem=$OPTARG ;; c) cpu=$OPTARG ;; M) machine=$OPTARG ;;
	t) limit=$OPTARG ;; p) pattern=$OPTARG ;; l) log=$OPTARG ;; q) quiet=1 ;; N) storm=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# Commands that come while it shuts down can lock QEMU 7.2 up, so a suite waits between its plan and
# the power-off.
[ $storm = 1 ] && append+=' KTAP_LINGER=1'

say() { echo "qemu.sh: $*" >&2; }

command -v qemu-system-x86_64 >/dev/null || { say "qemu-system-x86_64 is not installed"; exit 2; }
for f in ${iso:-"$kernel"} ${initrd:+"$initrd"}; do
	[ -r "$f" ] || { say "cannot read $f"; exit 2; }
done
dir=$(mktemp -d) || exit 2
qemu='' reader='' stormer=''
# shellcheck disable=SC2317
cleanup() {
	[ -n "$qemu" ] && kill "$qemu" 2>/dev/null
	[ -n "$reader" ] && kill "$reader" 2>/dev/null
	[ -n "$stormer" ] && kill "$stormer" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 2' INT TERM HUP
[ -n "$log" ] || log=$dir/serial
: >"$log" && : >"$dir/stdout" || exit 2

if [ -n "$iso" ]; then
	boot=(-cdrom "$iso" -boot d)
else
	boot=(-kernel "$kernel" -append "console=ttyS0 $append")
	[ -n "$initrd" ] && boot+=(-initrd "$initrd")
fi
accel=$("$(dirname "$0")/accel.sh")
single=()
if [ $storm = 1 ]; then
	# One instruction a block, so that NMIs come anywhere. QEMU 9 has another name for it.
	accel=tcg
	if qemu-system-x86_64 -help | grep -q '^-singlestep'; then
		single=(-singlestep)
	else
		accel+=,one-insn-per-tb=on
	fi
fi
mkfifo "$dir/qmp.in" "$dir/qmp.out"
exec 8<>"$dir/qmp.in" 9<>"$dir/qmp.out"
echo '{"execute":"qmp_capabilities"}' >&8
cat "$dir/qmp.out" >"$dir/events" 8>&- 9>&- &
reader=$!

timeout -k 5 "$limit" qemu-system-x86_64 -M "$machine" -accel "$accel" "${single[@]}" \
	-cpu "$cpu" -smp "$cpus" -m "$mem" -no-reboot -display none -monitor none -nic none \
	-device isa-debug-exit,iobase=0xf4 -serial stdio \
	-chardev "pipe,id=qmp,path=$dir/qmp" -mon chardev=qmp,mode=control \
	"${boot[@]}" "$@" </dev/null 8>&- 9>&- >"$dir/stdout" 2>"$dir/stderr" &
qemu=$!
if [ $storm = 1 ]; then
	while sleep 0.02; do
		grep -q 'init: starting' "$dir/stdout" || continue
		grep -q '^1\.\.[0-9]' "$dir/stdout" && break
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			echo '{"execute":"inject-nmi"}' >&8
		done
	done 9>&- &
	stormer=$!
fi
if [ $quiet = 1 ]; then
	wait "$qemu"
	code=$?
else
	tail -f -n +1 --pid="$qemu" -s 0.1 "$dir/stdout" 2>/dev/null | sed -u 's,\r,,g' &
	shown=$!
	wait "$qemu"
	code=$?
	wait "$shown"
fi
qemu=''
if [ -n "$stormer" ]; then
	kill "$stormer" 2>/dev/null
	wait "$stormer" 2>/dev/null
	stormer=''
fi
exec 8>&- 9>&-
wait "$reader"
reader=''
sed 's/\r//g; s/\x1b\[[0-9;]*[A-Za-z]//g' "$dir/stdout" >"$log"
if [ $storm = 1 ]; then
	nmis=$(($(grep -c '"return"' "$dir/events") - 1))
	say "$nmis NMIs sent"
	[ "$nmis" -ge 50 ] || { say "that is no storm"; exit 2; }
fi
reason=$(grep '"event": "SHUTDOWN"' "$dir/events" |
	sed -n 's/.*"reason": "\([a-z-]*\)".*/\1/p' | tail -n 1)

case $code in
124 | 137)
	say "out of time after $limit s"
	exit 3
	;;
0) ;;
*)
	if [ -s "$dir/stderr" ] && [ ! -s "$dir/stdout" ]; then
		cat "$dir/stderr" >&2
		exit 2
	fi
	say "the guest panicked (exit code $code)"
	exit 4
	;;
esac
case $reason in
guest-shutdown) ;;
guest-reset)
	say "the guest reset itself or took a triple fault"
	exit 5
	;;
*)
	say "QEMU ended without a power-off (${reason:-no reason given})"
	exit 5
	;;
esac
if [ -n "$pattern" ] && ! grep -Eq -- "$pattern" "$log"; then
	say "no line matches '$pattern'"
	exit 1
fi
exit 0
