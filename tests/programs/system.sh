# SPDX-License-Identifier: MIT
# What programs ask the system: answers must have the right form, whatever the values.
form() { sed 's/[0-9][0-9]*/N/g' | sed 's/  */ /g'; }

t_ps() { ps | awk 'NR == 1 { print $1 }'; ps -o pid,ppid,comm,stat | awk '$3 == "ps" { print $3 }'; sleep 3 & i=0; until pidof sleep >/dev/null || [ $i = 100 ]; do usleep 20000; i=$((i + 1)); done; pidof sleep >/dev/null && echo pidof; kill $!; wait 2>/dev/null; ps -o args | grep -c '[p]s -o args'; ps -o pid,vsz,rss,nice,user | awk 'NR == 2 { print NF }'; }
t_top() { top -b -n 1 | awk '/^Mem:/ { print $1 } /PID/ { print $1, $2, $4 } / top -b -n 1/ { n = 1 } END { print n }'; uptime | grep -c 'load average'; free | awk '{ print $1 }' | head -n 2; free | awk 'NR == 2 { print ($2 > 1000), ($2 >= $3) }'; }
t_id() { [ "$(id -u)" = "$(id -ru)" ]; echo $?; id | grep -c uid=; whoami | grep -c .; id -G | grep -c 0; hostname | grep -c .; uname -s; uname -m; uname -a | awk '{ print NF > 4 }'; nproc | form; arch; hostid | wc -c; }
t_proc() { cat /proc/self/comm; cat /proc/self/cmdline | tr '\0' ' '; echo; readlink /proc/self/cwd | sed 's,.*/,,'; ls /proc/self/fd | grep -c '^[012]$'; awk '/^(Name|State|Uid|Threads):/ { print $1 }' /proc/self/status; awk '{ print (NF > 6) }' /proc/self/stat /proc/self/statm; grep -c '\[stack\]' /proc/self/maps; grep -c 'MemTotal' /proc/meminfo; grep -c '^cpu ' /proc/stat; awk '{ print NF }' /proc/uptime /proc/loadavg; grep -c processor /proc/cpuinfo | form; ls -d /proc/1 /proc/self /proc/mounts; awk '$2 == "/" { n = 1 } END { print n }' /proc/mounts; cat /proc/none 2>&1; cat /proc/sys/kernel/ostype; cat /proc/version | cut -c1-5; }
t_memory() { dd if=/dev/zero bs=16M count=1 2>/dev/null | wc -c; awk 'BEGIN { for (i = 0; i < 60000; i++) a[i] = i; print length(a) }'; sort -rn <<END | head -n 1
$(seq 1 20000)
END
	echo $?; }
t_dates() { a=$(date +%s); sleep 1; b=$(date +%s); echo $((b - a >= 1 && b - a <= 3)); date -u | awk '{ print NF }'; awk '{ print ($1 > 0) }' /proc/uptime; time -p true 2>&1 | awk '{ print $1 }'; }
t_dev() { for d in null zero full random urandom tty; do [ -c /dev/$d ] && echo $d; done; head -c 16 /dev/urandom | wc -c; [ "$(head -c 8 /dev/urandom | md5sum)" != "$(head -c 8 /dev/urandom | md5sum)" ] && echo random; cat /dev/null | wc -c; cp /dev/null e; wc -c <e; echo x >/dev/null; [ -e /dev/stdin ] && echo stdin; }
t_misc() { sysctl -n kernel.ostype; mkdir r; printf '#!/bin/sh\necho ran\n' >r/one; chmod +x r/one; run-parts r; echo $?; ipcalc -n 10.1.2.3/24; tsort 2>/dev/null; mt 2>/dev/null; echo "$?" | grep -c .; }
