# SPDX-License-Identifier: MIT
# The shell's language and the processes it makes.
t_expand() { x=hello.tar.gz; echo "${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x} ${x:1:3} ${x/l/L} ${x//l/L} ${y:-def} ${y:=set} $y ${z+alt}"; set -- a 'b c' d; echo $# "$*" "$2"; for i; do echo "<$i>"; done; shift; echo $1; IFS=,; set -- 1,2,3; echo $*; echo "$((0x10 + 010 + 7 % 3 * 2 ** 3)) $((1 << 40)) $((-7 / 2)) $((5 > 3 && 2 < 1)) $((x = 5, x++ + ++x))"; }
t_loops() { i=0; while :; do i=$((i + 1)); [ $i = 3 ] && continue; [ $i -gt 5 ] && break; echo $i; done; until [ $i = 0 ]; do i=$((i - 1)); done; echo $i; for f in a b; do for g in 1 2; do [ $g = 2 ] && continue 2; echo $f$g; done; done; case abc in a*) echo glob ;; esac; case x in y | x) echo alt ;; *) echo no ;; esac; }
t_functions() { f() { local v=in; echo "$v $1 $#"; return 3; }; v=out; f a b; echo $? $v; g() { [ $1 = 0 ] || g $(($1 - 1)); echo -n $1; }; g 9; echo; eval 'echo evaluated $v'; . /dev/stdin <<END
echo sourced
END
	alias ll='echo aliased'; type cd | head -n 1; command -v f; unset -f f; f 2>/dev/null; echo $?; }
t_heredoc() { a=1; cat <<A; cat <<'B'; cat <<-C
$a $(echo sub) $((a + 1)) \$a
A
$a $(echo sub)
B
	tabs gone
	C
	seq 1 3000 >big; x=$(cat big); cat <<D | md5sum
$x
D
	echo "$(cat <<E
inner "$a"
E
)"; }
t_status() { true; echo $?; false; echo $?; (exit 42); echo $?; sh -c 'kill -9 $$'; echo $?; sh -c 'kill -SEGV $$'; echo $?; nosuchcommand 2>/dev/null; echo $?; /etc 2>/dev/null; echo $?; ! true; echo $?; true && false || echo or; set -e; (false; echo not here); echo $?; }
t_errexit() { (set -e; false; echo no) && echo yes; (set -u; echo $undefined_thing) 2>/dev/null; echo $?; (set -o pipefail; false | true); echo $?; set -f; echo *; (set -x; : traced) 2>&1; readonly r=1; (r=2) 2>/dev/null; echo $?; }
t_pipes() { yes | head -n 2; seq 1 100000 | head -n 1; seq 1 100000 | tail -n 1; echo a | { read -r x; echo "got $x"; }; (sleep 0.1; echo late) | cat; true | false; echo $?; seq 1 5 | while read -r n; do echo -n "$n "; done; echo; cat /dev/zero | head -c 1000000 | wc -c; dd if=/dev/zero bs=65536 count=40 2>/dev/null | (sleep 0.1; wc -c); (trap '' PIPE; yes 2>/dev/null | head -n 1); echo x | cat | cat | cat | cat | cat | cat; }
t_subst() { echo "$(echo a; echo b)" | wc -l; x=$(exit 5); echo $?; echo $(seq 1 9); echo `echo back`; x=$(seq 1 50000); echo ${#x}; y=$(printf 'a\n\n\n'); echo "[$y]"; echo "$(echo "$(echo "$(echo deep)")")"; }
t_trap() { trap 'echo usr1' USR1; trap 'echo usr2' USR2; kill -USR1 $$; kill -USR2 $$; trap - USR1; (trap 'echo sub exit' EXIT; exit 3); echo $?; sh -c 'trap "echo term; exit 7" TERM; kill $$; sleep 5; echo no'; echo $?; sh -c 'trap "" TERM; kill $$; echo survived'; trap; sh -c 'trap "echo int" INT; kill -INT $$'; trap 'echo bye' EXIT; }
t_jobs() { sleep 5 & p=$!; kill $p; wait $p; echo $?; (sleep 0.1; exit 9) & wait $!; echo $?; for i in 1 2 3 4 5; do (exit $i) & done; wait; echo all; sleep 0.1 & sleep 0.2 & jobs | wc -l; wait; wait 99999 2>/dev/null; echo $?; sleep 9 & kill -STOP $!; kill -CONT $!; kill -KILL $!; wait $!; echo $?; (sh -c 'sleep 0.1; echo orphan' &); sleep 0.5; }
t_timeout() { timeout 0.2 sleep 5; echo $?; timeout 5 true; echo $?; timeout -s KILL 0.2 sleep 5; echo $?; usleep 1000; sleep 0.01; time true 2>&1 | grep -c .; (time -f '%x' false) 2>&1 | tail -n 1; }
t_env() { FOO=bar env | grep '^FOO'; env -i A=1 "$(which env)"; export E=exported; sh -c 'echo $E'; unset E; sh -c 'echo [$E]'; (cd /; echo $PWD); x=1 y=2 sh -c 'echo $x$y'; big=$(seq 1 20000); BIG=$big sh -c 'echo ${#BIG}'; BIG=$big$big env true; echo $?; }
t_args() { sh -c 'echo $0 $@' name a b; sh -s x y <<'END'
echo "$# $2"
END
	set -- $(seq 1 5000); echo $#; sh -c 'echo $#' sh "$@"; getopt -o ab: -- -a -b c d; while getopts x:y o -x 1 -y; do echo "$o $OPTARG"; done; printf '#!/bin/sh\necho "script $1 $#"\n' >s; chmod +x s; ./s one two; printf 'echo no head\n' >t; chmod +x t; ./t; }
t_read() { printf 'a b c\nd\\\ne\n' | { read -r x y; echo "$y|$x"; read z; echo "$z"; }; echo abc | { read -n 2 x; echo $x; }; IFS=: read -r a b c <<END
1:2:3:4
END
	echo $c; read x </dev/null; echo $?; (sleep 1 | { read -t 0.1 x; echo $?; }) | grep -vc '^0'; }
t_nohup() { nohup echo kept 2>/dev/null; setsid sh -c 'echo session'; renice -n 4 $$ >/dev/null; echo $?; ps -o nice,comm | awk '$2 == "ps" { print $1 }'; taskset 1 true; echo $?; setpriv true; echo $?; }
t_ulimit() { (ulimit -n 20; ulimit -n; sh -c 'exec 9>x; echo ok'; sh -c 'exec 30>x' 2>/dev/null; echo $?); (ulimit -c 0; ulimit -c); (ulimit -s 1024; ulimit -s; sh -c 'echo small'); }
t_recursion() { sh -c 'f() { [ $1 = 0 ] || (f $(($1 - 1))); }; f 25; echo nested'; i=0; while [ $i -lt 150 ]; do x=$(echo $i | cat | cat); i=$((i + 1)); done; echo $x; seq 1 100 | xargs -n 1 -P 8 sh -c 'echo $0' | sort -n | md5sum; for i in 1 2 3 4 5 6 7 8; do (seq 1 3000 | sort -rn | md5sum) & done | sort | uniq -c; }
t_killing() { sh -c 'sleep 30 & echo $! >pid; wait' & sleep 0.3; kill "$(cat pid)"; wait; echo ended; sleep 30 & a=$!; sleep 30 & kill $a $!; wait $a; echo $?; kill -0 $$; echo $?; kill -0 99999 2>/dev/null; echo $?; kill -l 9; setsid sh -c 'kill -TERM 0; sleep 1'; echo $?; }
t_stop() { exec 2>/dev/null; state() { sleep 0.1; ps -o pid,stat | awk -v p=$p '$1 == p { print substr($2, 1, 1) }'; }; sleep 9 & p=$!; state; kill -STOP $p; state; kill -CONT $p; state; kill -STOP $p; state; kill -TERM $p; state; kill -CONT $p; wait $p; echo $?; state; }
t_watch() { timeout 0.4 watch -n 0.1 -t echo tick </dev/null | grep -c tick | sed 's/[1-9].*/some/'; which sh >/dev/null && echo which; tty </dev/null; test -t 0 </dev/null; echo $?; stty </dev/null 2>/dev/null; echo $?; true | tty; }
