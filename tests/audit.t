#!/bin/bash
# SPDX-License-Identifier: MIT
# kaiser audit, under ASan and UBSan: this kernel is clean with any number of CPUs and found out with
# pti=off; so is Debian's Linux, and the pages listed are as many as a walker of its own counts in
# the same memory; guests are let go; damaged input gives exit 2 and one line.
# shellcheck disable=SC2016
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
. tests/audit/lib.sh
last_is() { # code, pattern of the last line
	[ "$code" = "$1" ] && tail -n 1 "$tmp/out" | grep -Eq -- "$2" && [ ! -s "$tmp/err" ]
}
refused() { # exit 2 and one line, no more
	[ "$code" = 2 ] && [ ! -s "$tmp/out" ] && [ "$(wc -l <"$tmp/err")" = 1 ] &&
		grep -q '^kaiser audit: ' "$tmp/err"
}
# Whether every CPU of the report has, by our own walk of the file of RAM, the pages it says.
same_count() { # RAMFILE
	local most=0 cr3 levels pages rest seen=0
	while read -r cr3 levels; do
		read -r pages rest <<<"$("$count" "$1" "$cr3" "$levels" 0x10000000)"
		[ "${pages:-0}" -gt "$most" ] && most=$pages
		seen=$((seen + 1))
	done < <(json 'join "", map {"$_->{cr3} $_->{levels}\n"} @{$r->{cpus}}')
	counted=$most told=$(json '$r->{totals}{pages}')
	[ $seen -gt 0 ] && [ "$told" = "$most" ]
}
running() { qmp "$tmp/qmp" '{"execute":"query-status"}' | grep -q '"running": true'; }

# ---- the command ----
"$tool" nonsense >"$tmp/out" 2>"$tmp/err"
[ $? = 2 ] && [ "$(wc -l <"$tmp/err")" = 1 ]
result $? "an unknown subcommand: exit 2"
"$tool" --help >"$tmp/out" && grep -q audit "$tmp/out" && "$tool" audit --help | grep -q -- --run
result $? "help"

# ---- this kernel ----
for cpus in 1 2 8 4; do
	levels=5 word=''
	[ $cpus = 2 ] && levels=4 word=no5lvl
	qemu $cpus "$tmp/ram" "pti=on $word"
	audit --json --samples 2 --run -- "${qemu[@]}"
	[ "$code" = 0 ] && [ "$(json '$r->{verdict}')" = clean ] && same_count "$tmp/ram" &&
		[ "$told" = 4 ] && [ "$(json "scalar grep {\$_->{levels} == $levels} @{\$r->{cpus}}")" = $cpus ]
	result $? "KAISER, $cpus CPUs, $levels levels: clean, ${told:-no} pages, as many as an independent walk counts"
done
cp "$tmp/out" "$tmp/baseline"
[ "$(json 'join " ", map {"$_->{name}=$_->{state}"} grep {$_->{state} ne "ok"} @{$r->{checks}}')" = \
	'kaslr=not asked' ]
result $? "every check is ok, none unknown; kaslr was not asked for"
qemu 2 - pti=on
limit=300 audit --boots 3 --samples 6 --run -- "${qemu[@]}"
last_is 0 '^verdict: clean: 4 supervisor pages [^;]*$' && grep -q '^  kaslr  *ok' "$tmp/out" &&
	grep -q '^  residue  *ok' "$tmp/out"
result $? "over three boots and several processes: $(tail -n 1 "$tmp/out")"
initrd=$build/tests/busy32.cpio.gz
qemu 1 - pti=on
audit --run -- "${qemu[@]}"
last_is 0 '^verdict: clean: 4 supervisor pages' && grep -q '^cpu 0: .*32-bit code' "$tmp/out"
result $? "a 32-bit process: $(tail -n 1 "$tmp/out")"
initrd=$build/tests/ldt.cpio.gz
qemu 1 - pti=on
audit --run -- "${qemu[@]}"
last_is 0 '^verdict: clean: 5 supervisor pages' && grep -q ' 4K  r--  cpu 0  *needed: LDT$' "$tmp/out"
result $? "a process with an LDT, whose page is named: $(tail -n 1 "$tmp/out")"
if grep -q PR_SET_KAISER kernel/proc/prctl.c; then
	initrd=$build/tests/unisolated.cpio.gz
	qemu 1 - pti=on
	audit --preset kaiser --run -- "${qemu[@]}"
	last_is 1 '^verdict: NOT ISOLATED \(isolated\)' && grep -q 'a process that opted out' "$tmp/out"
	result $? "a process that is not isolated: $(tail -n 1 "$tmp/out")"
fi
initrd=$build/tests/busy.cpio.gz
qemu 1 - 'pti=on nokaslr'
limit=300 audit --boots 3 --run -- "${qemu[@]}"
last_is 0 '^verdict: clean' && grep -q 'the image lies at one address at all 3 boots' "$tmp/out"
result $? "nokaslr: nothing to tell, and that is said"
audit --boots 2 --run -- "${qemu[@]}"
refused
result $? "two boots may agree by chance: $(head -n 1 "$tmp/err")"
qemu 2 - pti=off
audit --run -- "${qemu[@]}"
last_is 1 '^verdict: NOT ISOLATED \(isolated\)'
result $? "KAISER, pti=off: $(tail -n 1 "$tmp/out")"
audit --baseline "$tmp/baseline" --run -- "${qemu[@]}"
last_is 1 '^verdict: grown since the baseline: .*findings of isolated'
result $? "and against the baseline of pti=on it has grown"
qemu 1 - pti=on
audit --baseline "$tmp/baseline" --run -- "${qemu[@]}"
last_is 0 '^verdict: no growth'
result $? "pti=on has not"

# ---- a guest that runs already ----
qemu 2 - pti=on
limit=300 start_guest
audit --qmp "$tmp/qmp" --samples 3
last_is 0 '^verdict: clean: 4 supervisor pages' && running
result $? "by --qmp: clean, and the guest goes on"
audit --gdb "$tmp/gdb"
last_is 2 '^verdict: undecided: .*sufficient' && grep -q 'CSTAR is not known' "$tmp/out" &&
	! grep -q 'LSTAR is not known' "$tmp/out" && running
result $? "by --gdb alone LSTAR is seen by where SYSCALL leads, CSTAR is not known: undecided"
audit --gdb "$tmp/gdb" --accept-unknown
last_is 0 '^verdict: clean' && running
result $? "and clean with --accept-unknown"
audit --qmp "$tmp/qmp" --svg "$tmp/svg" --html "$tmp/html"
[ "$code" = 0 ] && [ "$(grep -c '<g><title>.*CPU' "$tmp/svg")" = 6 ] &&
	[ "$(tail -n 1 "$tmp/svg")" = '</svg>' ] && grep -q '</svg>' "$tmp/html"
result $? "--svg and --html: each range in the picture"
audit --qmp "$tmp/qmp" --svg /nonexistent/x
[ "$code" = 2 ] && [ "$(wc -l <"$tmp/err")" = 1 ]
result $? "a picture that cannot be written: exit 2"
cat >"$tmp/rules" <<'JSON'
[{"name": "all of it", "start": "0xffff800000000000", "end": "0xfffffffffffff000", "rights": "rwx"}]
JSON
audit --qmp "$tmp/qmp" --allow "$tmp/rules" --json
[ "$code" = 0 ] && [ "$(json '$r->{totals}{pages}')" = 4 ]
result $? "--allow: an own rule, nothing hidden by it"
echo '[{"start": "0x1000", "end": "0x800"}]' >"$tmp/rules"
audit --qmp "$tmp/qmp" --allow "$tmp/rules"
refused
result $? "a rule that cannot be: $(head -n 1 "$tmp/err")"
audit --qmp "$tmp/qmp" --explain 0xffffffff80000000
grep -q '^kernel root' "$tmp/out" && grep -q 'PGD .*PRESENT' "$tmp/out"
result $? "--explain walks both roots"
for signal in TERM INT; do
	timeout -s $signal 0.7 "$tool" audit --qmp "$tmp/qmp" --samples 100000 >"$tmp/out" 2>"$tmp/err"
	running
	result $? "ended by SIG$signal: the guest goes on"
done
freeze_guest 2
audit --qmp "$tmp/qmp" --when now --accept-unknown
! running
result $? "a guest that was stopped stays so"
qmp "$tmp/qmp" "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$tmp/dump\"}}" \
	>/dev/null
end_guest

# ---- images ----
audit --dump "$tmp/dump" --accept-unknown
[ ! -s "$tmp/err" ] && grep -q '^pages: 4,' "$tmp/out" && [ "$code" != 1 ]
result $? "a dump: $(tail -n 1 "$tmp/out")"
cr3=$(sed -n 's/^cpu 0: .*user root \(0x[0-9a-f]*\),.*/\1/p' "$tmp/out")
audit --raw "$tmp/dump" --cr3 "${cr3:-0x1000}"
[ "$code" != 0 ]
result $? "the same as a raw file, which it is not: never clean"
bad=0
for size in 0 1 63 64 100 512 1000 2000 2104 4096 70000 1000000; do
	head -c $size "$tmp/dump" >"$tmp/cut"
	audit --dump "$tmp/cut"
	refused || bad=$((bad + 1))
done
[ $bad = 0 ]
result $? "a dump cut in 12 places: exit 2 and one line each ($bad not)"
bad=0
head -c 1048576 "$tmp/dump" >"$tmp/cut"
for page in $(seq 255 -1 0); do
	truncate -s $((page * 4096)) "$tmp/cut"
	audit --dump "$tmp/cut"
	refused || bad=$((bad + 1))
done
[ $bad = 0 ]
result $? "and at each page of its first MiB ($bad not)"
bad=0
for seed in $(seq 20); do
	head -c 400000 "$tmp/dump" >"$tmp/cut"
	perl -e 'srand(shift); open(my $f, "+<", shift); for (1..40) { seek($f, int(rand(3000)), 0);
		print $f chr(int(rand(256))) }' "$seed" "$tmp/cut"
	audit --dump "$tmp/cut" --when now
	[ "$code" = 1 ] || [ "$code" = 2 ] || bad=$((bad + 1))
	grep -q 'Sanitizer\|runtime error' "$tmp/err" && bad=$((bad + 1))
done
[ $bad = 0 ]
result $? "a dump with bytes changed: no crash, never clean ($bad bad)"
bad=0
for kind in random self zero; do
	case $kind in
	random) head -c 2000000 /dev/urandom >"$tmp/raw" ;;
	self) perl -e 'print pack("Q<", 0x1067) x 512 for 1..4' >"$tmp/raw" ;;
	zero) head -c 65536 /dev/zero >"$tmp/raw" ;;
	esac
	for root in 0 0x1000 0x3000 0xfffffffff000 0xffffffffffffffff; do
		for levels in '' --la57; do
			audit --raw "$tmp/raw" --cr3 $root $levels
			[ "$code" = 1 ] || [ "$code" = 2 ] || bad=$((bad + 1))
			grep -q 'Sanitizer\|runtime error' "$tmp/err" && bad=$((bad + 1))
		done
	done
done
[ $bad = 0 ]
result $? "raw memory that is noise, loops or nothing: no crash, never clean ($bad bad)"
rm -f "$tmp/dump" "$tmp/cut" "$tmp/raw"

# ---- what cannot run ----
for case in 'no source:' 'no socket:--qmp /nonexistent' 'no stub:--gdb /nonexistent' \
	'no dump:--dump /nonexistent' 'no CR3:--raw /dev/null' 'no command:--run -- /nonexistent' \
	'a command that ends:--run -- true' "no rules:--allow /nonexistent --dump $kernel" \
	"no symbols:--symbols /dev/null --dump $kernel" "an ELF that is no core:--dump $kernel" \
	'a wrong preset:--preset x --gdb y'; do
	# shellcheck disable=SC2086
	audit ${case#*:}
	refused
	result $? "${case%%:*}: $(head -n 1 "$tmp/err")"
done
for kind in close garbage; do
	rm -f "$tmp/s"
	perl -MIO::Socket::UNIX -e 'my $l = IO::Socket::UNIX->new(Local => shift, Listen => 5);
		for (1..2) { my $c = $l->accept; print $c "{\"return\": 7}\n\$x#00" x 9 if $ARGV[0] ne "close";
		close $c }' "$tmp/s" $kind &
	listener=$!
	for _ in $(seq 50); do [ -S "$tmp/s" ] && break; sleep 0.05; done
	audit --qmp "$tmp/s"
	refused
	result $? "QMP that answers by $kind: $(head -n 1 "$tmp/err")"
	audit --gdb "$tmp/s"
	refused
	result $? "a stub that answers by $kind: $(head -n 1 "$tmp/err")"
	{ kill $listener && wait $listener; } 2>/dev/null
done
audit --timeout 2 --run -- qemu-system-x86_64 -M microvm -accel tcg -display none -nic none
refused
result $? "a guest that never gets to user mode: $(head -n 1 "$tmp/err")"

# ---- Linux ----
if ! linux=$(scripts/peers.sh 6.1 2>"$tmp/err"); then
	echo "ok $((n + 1)) # SKIP no Linux to compare with: $(head -n 1 "$tmp/err")"
	echo "1..$((n + 1))"
	exit $failed
fi
qemu 2 "$tmp/ram" pti=on "$linux"
audit --json --preset linux --delay 2 --timeout 30 --run -- "${qemu[@]}"
[ "$code" = 1 ] && same_count "$tmp/ram" && [ "$told" -gt 512 ]
result $? "Linux, pti=on: findings, ${told:-no} pages, an independent walk counts ${counted:-none}"
[ "$(json 'join " ", grep {$_ ne "pointers"} map {$_->{name}} grep {$_->{state} eq "found"} @{$r->{checks}}')" = \
	"allowlist kaslr foreign" ]
result $? "it is isolated; what is found is in allowlist, kaslr and foreign alone"
"$tool" audit --diff "$tmp/baseline" "$tmp/out" >"$tmp/diff"
[ $? = 1 ] && grep -q '^allowlist: found, was ok' "$tmp/diff" &&
	grep -q '^pages: .*, was 4' "$tmp/diff" && grep -q '^+ 0x' "$tmp/diff"
result $? "--diff of this kernel and Linux: $(tail -n 1 "$tmp/diff")"
cp "$tmp/out" "$tmp/baseline"
"$tool" audit --diff "$tmp/baseline" "$tmp/out" >"$tmp/diff" && grep -qx 'no difference' "$tmp/diff"
result $? "--diff of a report and itself"
audit --diff "$tmp/baseline" /dev/null
refused
result $? "--diff with what is no report: $(head -n 1 "$tmp/err")"
# Now and then an entry stack of Linux holds a kernel address, which is growth of `pointers`.
for _ in 1 2 3; do
	audit --preset linux --delay 2 --timeout 30 --baseline "$tmp/baseline" --run -- "${qemu[@]}"
	grep -q '^verdict: grown .*: findings of pointers [0-9]*, was 0$' "$tmp/out" || break
done
last_is 0 '^verdict: no growth'
result $? "another boot has not grown against it"
done_testing
