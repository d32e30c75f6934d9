#!/bin/bash
# SPDX-License-Identifier: MIT
# kaiser bench: two runs give the same numbers; what the kernel may cost at most (tests/bench.limits);
# four CPUs; the peer, if it has been fetched. BENCH=REGEX picks operations of the limits.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
n=0 bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

check() { # text, command...
	local text=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/why" 2>&1; then
		echo "ok $n - $text"
	else
		echo "not ok $n - $text"
		sed 's/^/# /' "$tmp/why" | head -n 20
	fi
}
bench() { # output, options...
	local to=$1
	shift
	"$build/kaiser" bench --kernel "$build/kaiser.elf" --json "$@" >"$to"
}
value() { # file, guest, operation, number
	perl -MJSON::PP -0777 -e '
		my ($guest, $op, $name) = @ARGV[1 .. 3];
		open my $f, "<", $ARGV[0] or die; my $j = decode_json(join "", <$f>);
		my $o = $j->{guests}[$guest]{operations}{$op} // {};
		print $o->{$name} // "none"' "$@"
}
at_most() { # file, guest, operation, number, limit
	local v
	v=$(value "$1" "$2" "$3" "$4")
	echo "$3: $4 is $v, the limit $5"
	[[ $v =~ ^[0-9]+$ ]] && [ "$v" -le "$5" ]
}

check "this kernel is measured, with isolation and without" bench "$tmp/a" --peer none --off
check "and again" bench "$tmp/b" --peer none --off
steady() { # the NMIs come in real time
	perl -MJSON::PP -0777 -e '
		for (@ARGV) {
			open my $f, "<", $_ or die; my $j = decode_json(join "", <$f>);
			delete @{$_->{operations}}{qw(nmi_user nmi_kernel)} for @{$j->{guests}};
			push @t, JSON::PP->new->canonical->pretty->encode($j);
		}
		exit 0 if $t[0] eq $t[1];
		my @x = split /\n/, $t[0]; my @y = split /\n/, $t[1];
		$x[$_] ne $y[$_] && print "$x[$_] then $y[$_]\n" for 0 .. $#x;
		exit 1' "$1" "$2"
}
check "with the same numbers" steady "$tmp/a" "$tmp/b"
while read -r guest op number limit; do
	case $guest in '' | \#*) continue ;; esac
	[[ $op =~ ${BENCH:-.} ]] || continue
	case $guest in on) which=0 ;; off) which=1 ;; *) continue ;; esac
	check "pti=$guest $op: $number at most $limit" at_most "$tmp/a" $which "$op" "$number" "$limit"
done <tests/bench.limits

more() { # number, limit: isolation on against off
	local on off
	on=$(value "$tmp/a" 0 getppid "$1") off=$(value "$tmp/a" 1 getppid "$1")
	echo "getppid: $1 $on with isolation, $off without"
	[ $((on - off)) -le "$2" ]
}
check "isolation costs getppid at most 12 instructions" more instructions 12

check "four CPUs" bench "$tmp/four" --peer none --cpus 4 --ops getppid,fork,pingpong_proc,shootdown
same_as_one() {
	local one four
	one=$(value "$tmp/a" 0 getppid instructions) four=$(value "$tmp/four" 0 getppid instructions)
	echo "getppid: $one on one CPU, $four on four"
	[ "$one" = "$four" ]
}
check "getppid costs the same there" same_as_one

if ! peer=$(scripts/peers.sh 6.12 2>"$tmp/err"); then
	n=$((n + 1))
	echo "ok $n - beside the peer # SKIP $(head -n 1 "$tmp/err")"
else
	check "beside the peer" bench "$tmp/peer" --peer "$peer" --svg "$tmp/svg" --ops \
		getppid,pipe_1,pipe_64k,fault_anon,fault_file,mmap_munmap,signal,fork,exec,thread,futex_wake,pingpong_proc,pingpong_thread,timer,shootdown
	third() { # operation, number
		local ours peers
		ours=$(value "$tmp/peer" 0 "$1" "$2") peers=$(value "$tmp/peer" 1 "$1" "$2")
		echo "$1: $2 $ours, the peer's $peers"
		[ $((ours * 3)) -le "$peers" ]
	}
	while read -r guest op number limit; do
		[ "$guest" = third ] && [[ $op =~ ${BENCH:-.} ]] || continue
		check "$op: $number at most a third of the peer's" third "$op" "$number"
	done <tests/bench.limits
	check "the picture shows them" grep -q 'one third' "$tmp/svg"
fi

fails() { # pattern, options: exit code 2 and one line that matches
	local pattern=$1
	shift
	"$build/san/kaiser" bench "$@" >"$tmp/out" 2>&1
	[ $? = 2 ] && [ "$(wc -l <"$tmp/out")" -le 2 ] && grep -q "$pattern" "$tmp/out" ||
		{ cat "$tmp/out"; false; }
}
check "an operation that does not exist is named" fails "no such operation" --ops getppid,nosuch
check "a kernel that cannot be read is named" fails "/nowhere cannot be read" --kernel /nowhere \
	--initrd "$build/bench.cpio.gz" --recorder "$build/kaiser-bench.so" --peer none
printf 'no kernel' >"$tmp/junk"
check "one that is none ends QEMU, and the tool says so" fails "QEMU ended" --kernel "$tmp/junk" \
	--initrd "$build/bench.cpio.gz" --recorder "$build/kaiser-bench.so" --peer none
echo '{"cycles": {}}' >"$tmp/costs"
check "constants that are none are refused" fails "missing or absurd" --costs "$tmp/costs" --peer none
lacks() { # pattern, options; of a command that nothing lies beside
	local pattern=$1
	shift
	cp "$build/kaiser" "$tmp/kaiser" && "$tmp/kaiser" bench "$@" >"$tmp/out" 2>&1
	[ $? = 2 ] && [ "$(wc -l <"$tmp/out")" = 1 ] && grep -q "$pattern" "$tmp/out" || { cat "$tmp/out"; false; }
}
check "alone, it asks which kernel" lacks 'which kernel? Name it by --kernel'
check "... and says where its own files come from" \
	lacks 'bench.cpio.gz cannot be read: .make bench.*make install' --kernel "$build/kaiser.elf"
echo "1..$n"
