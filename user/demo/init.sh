#!/bin/sh
# SPDX-License-Identifier: MIT
# /init of `make run`: does the tasks, compares each with the host's answer, shows the isolation
# report and powers off. "peer" on the command line: another kernel, which has no /proc/kaiser.
PATH=/bin
export PATH
mount -t proc proc /proc 2>/dev/null
mount -t devtmpfs dev /dev 2>/dev/null

echo "busybox: $(busybox | head -n 1)"
echo "kernel:  $(uname -srm)"
bad=
for task in $(sh /demo/tasks.sh list); do
	mkdir -p /tmp/$task
	cd /tmp/$task || bad="$bad mkdir"
	sh /demo/tasks.sh $task >/tmp/$task.out 2>/tmp/$task.err
	if cmp /tmp/$task.out /demo/expected/$task >/dev/null 2>&1; then
		echo "  $task: agrees with the host ($(sha256sum <"/tmp/$task.out" | cut -c1-12))"
	else
		echo "  $task: DIFFERS"
		diff /demo/expected/$task /tmp/$task.out | head -n 20
		head -n 5 /tmp/$task.err
		bad="$bad $task"
	fi
	cd /
	rm -rf /tmp/$task /tmp/$task.out /tmp/$task.err
done

# What the host packed, this system must unpack to the same bytes.
mkdir -p /tmp/packed
cd /tmp/packed && gunzip -c /demo/host.tar.gz | tar xf - && sha256sum -c /demo/host.sums >/dev/null 2>&1
if [ $? = 0 ]; then
	echo "  host's archive: unpacks to the same sums"
else
	echo "  host's archive: DIFFERS"
	bad="$bad archive"
fi
cd /

echo
if [ -r /proc/kaiser ]; then
	cat /proc/kaiser || bad="$bad report"
elif grep -qw peer /proc/cmdline; then
	echo "(no isolation report: a peer kernel)"
else
	echo "no /proc/kaiser"
	bad="$bad report"
fi
echo
if [ -z "$bad" ]; then
	echo "DEMO: PASS"
else
	echo "DEMO: FAIL:$bad"
fi
sync
poweroff -f
