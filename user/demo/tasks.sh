# SPDX-License-Identifier: MIT
# The work of `make run`, one shell function a task, each printing its answer. The build host runs
# them with its own shell and tools, the guest with busybox on KAISER, and the answers must agree.
#   sh tasks.sh list | sh tasks.sh NAME      in an empty directory it may write to
LC_ALL=C
export LC_ALL

# A table of 3,000 lines from a linear congruential generator: number, name, amount.
table() {
	awk 'BEGIN {
		split("ada bea cyd dot eve fay gus hal ida joe", who, " ")
		x = 20171110
		for (i = 1; i <= 3000; i++) {
			x = (x * 1103 + 12345) % 1048576
			printf "%d %s%d %d\n", i, who[x % 10 + 1], int(x / 16) % 7, x
		}
	}'
}

task_sort() {
	table | sort -k3,3nr -k1,1n | head -n 12
	table | sort -k2,2 -k3,3n | cut -d' ' -f2 | uniq -c | awk '{ print $1, $2 }' | sort -rn | head
}

task_awk() {
	table | awk '{ n[$2]++; sum[$2] += $3 }
		END { for (k in n) printf "%s %d %.3f\n", k, n[k], sum[k] / n[k] }' | sort
}

task_sed() {
	table | sed -n -e '5,9p' -e '/^1[0-9]*7 /s/\([a-z]*\)\([0-9]\) \(.*\)/\3 \2 \1/p' | head -n 40
	table | sed -e 's/[aeiou]/<&>/g' -e '/9$/!d' | tail -n 20
}

task_grep() {
	table | grep -c 'eve'
	table | grep -E '(ada|joe)[0-3] .*77' | head -n 20
	table | grep -v '[02468]$' | grep -n 'gus6' | tail -n 5
}

task_sha256sum() {
	table | sha256sum
	table >all
	i=0
	while [ $i -lt 6 ]; do
		tr "a-z" "b-za" <all
		i=$((i + 1))
	done >big
	sha256sum <big
	wc -c <big | tr -d ' '
	md5sum <big
}

task_tar() {
	mkdir -p tree/a/b tree/c
	table >all
	i=0
	while [ $i -lt 60 ]; do
		sed -n "$((i * 50 + 1)),$((i * 50 + 50))p" all >"tree/a/f$i"
		i=$((i + 1))
	done
	mv tree/a/f1? tree/a/b
	ln -s ../a/f5 tree/c/link
	ln tree/a/f7 tree/c/hard
	mkdir out
	tar cf - tree | gzip -c >t.tgz
	gunzip -c t.tgz | tar xf - -C out
	(cd out && find tree -type f | sort | while read -r f; do sha256sum "$f"; done) | sha256sum
	readlink out/tree/c/link
	cat out/tree/c/link | wc -l | tr -d ' '
	rm -rf tree out
	ls
}

task_gzip() {
	table >plain
	gzip -c plain >g1
	gzip -1 -c plain >g9
	gzip -dc g1 | cmp - plain && gunzip -c g9 | cmp - plain && echo same
	gzip -c /dev/null | gzip -dc | wc -c | tr -d ' '
	# damage must be noticed
	head -c 2000 g1 >cut
	gzip -dc cut >/dev/null 2>&1 || echo damage noticed
}

task_jobs() {
	for i in 1 2 3 4 5 6 7 8; do
		(table | sort -n -k3 | sed -n "$((i * 100))p" >"job$i") &
	done
	wait
	cat job1 job2 job3 job4 job5 job6 job7 job8
	sleep 30 &
	victim=$!
	kill -9 $victim
	wait $victim 2>/dev/null
	echo "killed: $?"
	(exit 7) &
	wait $!
	echo "left with: $?"
}

task_signals() {
	trap 'echo caught USR1' USR1
	kill -USR1 $$
	trap 'echo leaving' EXIT
	sh -c 'kill -TERM $$' 2>/dev/null
	echo "status $?"
	(trap '' TERM; kill -TERM "$(exec sh -c 'echo $PPID')"; echo ignored)
}

task_heredoc() {
	word=isolation
	cat <<END
page table $word: $((6 * 7))
$(echo "substituted $(echo twice)")
END
	cat <<'END'
no $word expands here: $((6 * 7))
END
	while read -r a b; do
		echo "$b-$a"
	done <<END
one two
three four
END
	table | (
		read -r first
		echo "$first"
		wc -l | tr -d ' '
	)
}

task_forks() {
	i=0
	while [ $i -lt 1000 ]; do
		/bin/true || echo "fork $i failed"
		i=$((i + 1))
	done
	echo $i
}

task_files() {
	mkfifo pipe
	table >pipe &
	sha256sum <pipe
	wait
	echo first >f
	echo second >>f
	cp f g
	mv g h
	cat f h
	[ f -nt /nonexistent ] && echo newer
	test -x /bin/sh && echo executable
	ln -s f s && readlink s && cat s
	chmod 640 f && ls -l f | cut -c1-10
	dd if=/dev/zero bs=1024 count=300 2>/dev/null | wc -c | tr -d ' '
	dd if=f of=d bs=1 skip=2 seek=1000 count=3 2>/dev/null && od -An -c d | tail -n 1 | tr -d ' '
	find . -type f | sort | xargs ls
	rm -f pipe f h s d
	ls | wc -l | tr -d ' '
}

# Ten stages, and one whose reader leaves early: the writer must die of SIGPIPE, not hang.
task_pipes() {
	table | cat | cat | cat | cat | cat | cat | cat | cat | cat | sha256sum
	yes kaiser | head -n 3
	seq 1 20000 | awk '{ s += $1 } END { print s }'
	table | tee copy | wc -l | tr -d ' '
	cmp copy - <<END || echo differs
not the table
END
	echo "$(table | tail -n 1)"
}

case $1 in
list) echo sort awk sed grep sha256sum tar gzip jobs signals heredoc forks files pipes ;;
*) "task_$1" ;;
esac
