#!/bin/bash
# SPDX-License-Identifier: MIT
# kaiser storm as a command: which points each mode and shard takes, the JSON, the command that a failure
# prints to replay it, the bar on a terminal, and what it says to each kind of wrong use. Where points must
# be told apart they are made to fail, by a file of paths that forbids what the kernel says when it boots.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh
PATH=$(realpath "$build"):$PATH # a replay begins with `kaiser`

sed 's/"forbid": .*],$/"forbid": ["isolation on"],/' tools/storm/kaiser.json >"$tmp/failing.json"
# A path that does not come to its end.
sed 's/{"name": "syscall", /&"end": "do_exec", /' tools/storm/kaiser.json >"$tmp/endless.json"

storm() { # options...
	kaiser storm --kernel "$build/kaiser.elf" --program "$build/user/paths" --timeout 60000 --no-count \
		--config '^pti=on$' --path '^syscall$' "$@"
}

# A part of the JSON on stdin, by a Perl expression in $_; fails if that is no JSON.
json() { # expression
	perl -MJSON::PP -0777 -ne '$_ = JSON::PP->new->decode($_); print join(" ", '"$1"'), "\n"'
}

# ---- names ----
names() { # of the file of paths, as --list has them
	perl -MJSON::PP -0777 -ne '$_ = JSON::PP->new->decode($_);
		print "config $_\n" for sort keys %{$_->{configurations}};
		print "event $_\n" for sort keys %{$_->{events}};
		print "path $_->{name}\n" for sort { $a->{name} cmp $b->{name} } @{$_->{paths}}' tools/storm/kaiser.json
}
check "--list names each configuration, event and path" diff <(names | LC_ALL=C sort) \
	<(kaiser storm --list --paths tools/storm/kaiser.json | awk '{ print $1, $2 }' | LC_ALL=C sort)

# ---- modes ----
for mode in none log linear; do
	storm --mode $mode --step 20 --json >"$tmp/json" 2>"$tmp/err"
	code=$?
	read -r all points reached total < <(json '$_->{paths}[0]{instructions}, $_->{paths}[0]{points}, $_->{paths}[0]{reached}, $_->{points}' <"$tmp/json")
	case $mode in
	none) want=0 ;;
	log) for ((want = 0; (1 << want) <= ${all:-0}; want++)); do :; done ;; # 0, 1, 3, 7...
	linear) want=$(((${all:-0} + 19) / 20)) ;;
	esac
	if [ $code = 0 ] && [ "${all:-0}" -gt 20 ] && [ "$points,$reached,$total" = "$want,$want,$want" ]; then
		result ok "--mode $mode: $want points of $all"
	else
		result "not ok" "--mode $mode: $points points of $all, $reached reached, $total in all, not $want; exit code $code"
		tail -n 5 "$tmp/err" | sed 's/^/# /'
	fi
done

# ---- shards ----
for i in 1 2 3; do
	storm --paths "$tmp/failing.json" --mode linear --step 15 --shard $i/3 --max-failures 100 --json >"$tmp/json"
	json 'map $_->{point}, @{$_->{failures}}' <"$tmp/json" >"$tmp/shard$i"
done
got=$(cat "$tmp"/shard? | tr ' ' '\n' | sort -n | tr '\n' ' ')
if [ "$got" = "$(seq -s ' ' 0 15 $((all - 1))) " ] && ! grep -qx '' "$tmp"/shard?; then
	result ok "three shards have each point once: $(cat "$tmp"/shard? | paste -sd/)"
else
	result "not ok" "three shards have each point once: $(cat "$tmp"/shard? | paste -sd/), of $all"
fi

# ---- failures ----
timeout=60000
replays() { # name, the failing command...
	local name=$1 line code
	shift
	"$@" >"$tmp/out" 2>&1
	code=$?
	sed -i 's/; it is at [^;]*//' "$tmp/out" # where an endless loop was stopped
	line=$(grep '^FAIL' "$tmp/out" | head -n 1)
	if [ $code = 1 ] && [ -n "$line" ] && [[ $line == *'; again: '* ]] &&
		{ eval "${line##*; again: } --timeout $timeout --no-count" >"$tmp/again" 2>&1; [ $? = 1 ]; } &&
		sed -i 's/; it is at [^;]*//' "$tmp/again" &&
		[ "$(grep -c '^FAIL' "$tmp/again")" = 1 ] && grep -qxF "$line" "$tmp/again"; then
		result ok "$name fails, and again by the command that it prints"
	else
		result "not ok" "$name fails, and again by the command that it prints (exit code $code)"
		echo "# $line"
		tail -n 5 "$tmp/again" | sed 's/^/# /'
	fi
}

replays "a point" storm --paths "$tmp/failing.json" --points 3,9-10
points=$(sed -n 's/^FAIL.* at point \([0-9]*\),.*/\1/p' "$tmp/out" | paste -sd,)
[ "$points" = 3,9,10 ] && result ok "--points 3,9-10 takes these" || result "not ok" "--points 3,9-10 takes $points"
replays "a nested one" storm --paths "$tmp/failing.json" --event 'nmi_iret>nmi_iret>mce' --outer 3/7 --points 5
timeout=1000 # it does not come
replays "a path without an event" storm --paths "$tmp/endless.json" --event mce,nmi --timeout 1000
timeout=60000
replay=$(storm --paths "$tmp/endless.json" --event mce --timeout 1000 --json | json '$_->{failures}[0]{replay}')
if eval "$replay --timeout 1000" 2>&1 | grep -q '^FAIL pti=on, syscall, undisturbed: .*it does not come'; then
	result ok "... and by the command in the JSON"
else
	result "not ok" "... and by the command in the JSON: $replay"
fi

# A mistake of the entry code.
tree=$tmp/tree
scripts/patched_kernel.sh "$tree" "$build" tests/storm_seeds/cr3-by-cs.patch >/dev/null 2>&1
replays "a seeded mistake" storm --kernel "$tree/build/kaiser.elf" --paths tools/storm/kaiser.json --points 2 --max-failures 1

# ---- the bar ----
script -qec "$(declare -f storm); build=$build; storm --mode linear --step 16" /dev/null >"$tmp/tty" 2>&1 </dev/null
storm --mode linear --step 16 >"$tmp/plain" 2>&1
if grep -qP '\r\x1b\[K#+\.+ \d+/\d+ syscall' "$tmp/tty" && ! grep -q $'[\r\x1b]' "$tmp/plain"; then
	result ok "a bar, on a terminal only"
else
	result "not ok" "a bar, on a terminal only"
	head -c 400 "$tmp/tty" | cat -v | sed 's/^/# /'
fi

# ---- wrong use ----
: >"$tmp/bad"
wrong() { # what must be said, options...
	local want=$1
	shift
	kaiser storm "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	local code=$?
	[ $code = 2 ] && grep -qF "kaiser storm: $want" "$tmp/err" && [ "$(wc -l <"$tmp/err")" = 1 ] && return
	echo "# $*: exit code $code, not 2 and: $want: $(head -n 1 "$tmp/err")" >>"$tmp/bad"
}
k="--kernel $build/kaiser.elf"
echo '{"kernel": {' >"$tmp/cut.json"
sed 's/"trigger": "timer"/"trigger": "tick"/' tools/storm/kaiser.json >"$tmp/trigger.json"
sed 's/"anchor": /"ancor": /' tools/storm/kaiser.json >"$tmp/key.json"
wrong 'which kernel? Name it by --kernel'
wrong "what is this? syscall" $k syscall
for o in --mode=all --mode=linear:0 --mode=none:3 --step=0 --step=x --step=-1 --points= --points=x --points=3- --points=5-3 --points=3x4 \
	--points=0-70000 --outer=x --shard=0/2 --shard=3/2 --shard=1 --shard=x/2 --shard=1/0 --max-failures=0 --max-failures=x \
	--timeout=x --timeout=9999999; do
	wrong "this value cannot be: ${o#*=}" $k "$o"
done
wrong "that is no regular expression" $k --path '('
wrong "that is no regular expression" $k --config '['
wrong "nothing of that name: --list tells what there is" $k --path '^syscal$'
wrong "nothing of that name: --list tells what there is" $k --config '^pti$'
wrong "there is no event 'smi'; --list names them" $k --event nmi,smi
wrong "there is no event 'smi'; --list names them" $k --event 'nmi>smi'
wrong "a breakpoint can only be the innermost event" $k --event 'db>nmi'
wrong "events nest to depth 3 at most" $k --event 'nmi>nmi>nmi>nmi'
wrong "too many events" $k --event "$(printf 'nmi,%.0s' {1..17})"
wrong "no event" $k --event ,
wrong "/nowhere/kaiser.elf: " --kernel /nowhere/kaiser.elf
wrong "/nowhere/paths: " $k --program /nowhere/paths
wrong "/bin/true has no symbol again" $k --program /bin/true --path '^syscall$'
wrong "unable to open /nowhere/paths.json: " $k --paths /nowhere/paths.json
wrong "$tmp/cut.json:" $k --paths "$tmp/cut.json"
wrong "$tmp/trigger.json: no such event: tick" $k --paths "$tmp/trigger.json"
wrong "$tmp/key.json: " $k --paths "$tmp/key.json"
wrong "qemu-system-x86_64: -nonsense: invalid option" $k --path '^syscall$' -- -nonsense
kaiser storm --nonsense 2>"$tmp/err"
[ $? = 2 ] && grep -q "see .kaiser storm --help" "$tmp/err" || echo "# --nonsense: $(cat "$tmp/err")" >>"$tmp/bad"
if [ -s "$tmp/bad" ]; then
	result "not ok" "exit code 2 and one line for each wrong use"
	cat "$tmp/bad"
else
	result ok "exit code 2 and one line for each wrong use"
fi
echo "1..$n"
