# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of kaiser audit share. Sourced, with $build set; makes $tmp and clears it up.
kernel=${KERNEL_ELF:-$build/kaiser.elf} initrd=$build/tests/busy.cpio.gz
tool=$build/san/kaiser count=$build/tests/count
tmp=$(mktemp -d)
guest=''
# shellcheck disable=SC2317
cleanup() {
	[ -n "$guest" ] && kill "$guest" 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
n=0
failed=0
result() { # status, text
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	echo "not ok $n - $2"
	failed=1
	tail -n 12 "$tmp/out" "$tmp/err" "$tmp/qemu" 2>/dev/null | sed 's/^/# /'
}
audit() { # its code is left in $code, what it prints in $tmp/out and $tmp/err
	timeout "${limit:-90}" "$tool" audit "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	code=$?
}
qemu() { # CPUS RAMFILE|- APPEND [KERNEL [MEMORY]]: the command, in $qemu
	qemu=(qemu-system-x86_64 -accel tcg -cpu "${model:-max,vendor=GenuineIntel}" -smp "$1" -m "${5:-256M}"
		-no-reboot -display none -monitor none -nic none -serial "${serial:-null}"
		-kernel "${4:-$kernel}" -initrd "$initrd" -append "console=ttyS0 $3")
	if [ "$2" = - ]; then
		qemu+=(-M pc)
	else
		rm -f "$2"
		qemu+=(-M "pc,memory-backend=ram"
			-object "memory-backend-file,id=ram,share=on,size=${5:-256M},mem-path=$2")
	fi
}
json() { # Perl expression on the report $r
	perl -MJSON::PP -e 'local $/; my $r = decode_json(<STDIN>); print eval($ARGV[0]) // ""' \
		"$1" <"$tmp/out"
}
qmp() { # SOCKET COMMAND...: answers, one a line
	perl -MIO::Socket::UNIX -MJSON::PP -e '
		my $s = IO::Socket::UNIX->new(Peer => shift) or exit 1;
		my $greeting = <$s>;
		for my $c (qq({"execute":"qmp_capabilities"}), @ARGV) {
			print $s "$c\n"; $s->flush;
			while (my $l = <$s>) { if ($l !~ /"event"/) { print $l; last } }
		}' "$@"
}
start_guest() { # of $qemu, with its two sockets, behind the test's back
	timeout "${limit:-90}" "${qemu[@]}" -qmp "unix:$tmp/qmp,server=on,wait=off" \
		-gdb "unix:$tmp/gdb,server=on,wait=off" >"$tmp/qemu" 2>&1 &
	guest=$!
	for _ in $(seq 300); do [ -S "$tmp/qmp" ] && [ -S "$tmp/gdb" ] && break; sleep 0.1; done
}
end_guest() {
	{ kill "$guest" && wait "$guest"; } 2>/dev/null
	guest=''
	rm -f "$tmp/qmp" "$tmp/gdb"
}
# Stops the guest at a moment at which every CPU is in user mode.
freeze_guest() { # CPUS
	local try
	for try in $(seq 400); do
		[ "$(qmp "$tmp/qmp" '{"execute":"stop"}' \
			'{"execute":"human-monitor-command","arguments":{"command-line":"info registers -a"}}' |
			grep -o 'CPL=3' | wc -l)" = "$1" ] && return 0
		qmp "$tmp/qmp" '{"execute":"cont"}' >/dev/null
		sleep 0.0$((try % 7 + 1))
	done
	return 1
}
done_testing() {
	echo "1..$n"
	exit $failed
}
