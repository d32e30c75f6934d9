#!/bin/sh
# SPDX-License-Identifier: MIT
# /init of tests/programs.t: runs what the host ran, says where the answers differ, powers off.
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev 2>/dev/null
answer() {
	if cmp "/tmp/out/$1" "/expected/$1" >/dev/null 2>&1; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		diff "/expected/$1" "/tmp/out/$1" | head -n 30 | sed 's/^/# /'
	fi
}
cd /t || poweroff -f
TELL=answer
for shell in sh bash-static zsh-static; do
	[ -x /bin/$shell ] || continue
	case $shell in
	sh)
		scripts='/t/text.sh /t/files.sh /t/shell.sh /t/system.sh /t/libc.sh'
		[ -x /bin/busybox64 ] && scripts="$scripts /t/bits.sh"
		;;
	*) scripts=/t/${shell%-static}.sh ;;
	esac
	SH=$shell
	set -- /tmp/work /tmp/out $scripts
	. /t/run.sh
done
echo "all tests done"
poweroff -f
