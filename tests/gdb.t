#!/bin/bash
# SPDX-License-Identifier: MIT
# The gdb commands, in gdb: a guest stopped at the first instruction of SYSCALL, under the user root, where
# no kernel variable can be read; then in the kernel. What they say is compared with what must hold.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
kernel=$build/debug/kaiser.elf
n=0
tmp=$(mktemp -d)
qemu=''
# shellcheck disable=SC2317
cleanup() {
	[ -n "$qemu" ] && kill "$qemu" 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

if ! command -v gdb >/dev/null || ! gdb -nx -batch -ex 'python print(1)' >/dev/null 2>&1; then
	echo "1..0 # SKIP no gdb with Python"
	exit 0
fi

says() { # pattern, text: a line of gdb's answer
	n=$((n + 1))
	if grep -Eq -- "$1" "$tmp/out"; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		echo "# no line matches $1"
		sed 's/^/# | /' "$tmp/out" | tail -n 60
	fi
}

scripts/gdbinit.sh "$kernel" "$tmp/window.elf" | grep -v '^target ' >"$tmp/init" || exit 1
qemu-system-x86_64 -accel tcg -kernel "$kernel" -initrd "$build/tests/busy.cpio.gz" \
	-append "console=ttyS0 nokaslr pti=on" -cpu max,vendor=GenuineIntel -smp 2 -m 128M -display none \
	-nic none -monitor none -serial null -no-reboot -S -gdb "unix:$tmp/gdb,server=on,wait=off" 2>/dev/null &
qemu=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -S "$tmp/gdb" ] && break
	sleep 0.3
done
place() { # label: where it lies in the window of a kernel without KASLR
	nm "$kernel" | awk -v label="$1" '$3 == "kaiser_template" { t = $1 } $3 == label { l = $1 }
		END { if (l == "") print "no label " label >"/dev/stderr"; print "0x" l " - 0x" t " + 0xffffffffc0001000" }'
}
timeout 120 gdb -nx -batch -x "$tmp/init" -ex "target remote $tmp/gdb" \
	-ex "hbreak *($(place kaiser_entry_syscall64))" -ex continue -ex 'echo == user\n' \
	-ex kaiser-view -ex kaiser-roots -ex kaiser-window -ex 'kaiser-walk 0xffffffff81000000' \
	-ex 'delete' -ex "hbreak *($(place kaiser_syscall64_entry))" -ex continue \
	-ex 'echo == kernel\n' -ex kaiser-view -ex kaiser-trace \
	-ex 'kaiser-walk 0x10' -ex 'info symbol $pc' >"$tmp/all" 2>&1
sed -n '/^== user/,/^== kernel/p' "$tmp/all" >"$tmp/out"
[ -s "$tmp/out" ] || cp "$tmp/all" "$tmp/out"
says '^CPL 0, user root' "at SYSCALL's first instruction the user root is loaded"
says '^gate text \+0x[0-9a-f]+, user view' "... and the user view executed"
says "^GS base 0x[0-9a-f]+: user's" "... on the user's GS"
says '^cpu 0: exit CR3 0x[0-9a-f]+' "kaiser-roots reads the library's state under the user root"
says '^  slot [0-9]: kernel root 0x[0-9a-f]+, user root 0x[0-9a-f]+, space [0-9]+, loaded' "... and tells the loaded slot"
says '^  \+0x01000  0x[0-9a-f]+ r-xs +\| 0x[0-9a-f]+ r-xs, another frame' "kaiser-window: two views of the gate text"
says '^  \+0x02000  0x[0-9a-f]+ r-xs +\| -' "... and the kernel's alone"
n=$((n + 1))
pages=$(grep -Ec '^  \+0x[0-9a-f]+ .*\| 0x' "$tmp/out")
[ "$pages" = 4 ] && echo "ok $n - four pages are in the user root" || echo "not ok $n - $pages pages are in the user root, not four"
says '^  0xffffffff81000000: 0x[0-9a-f]+ r-xs' "kaiser-walk: kernel text is in the kernel root"
says '^  0xffffffff81000000: not mapped' "... and not in the user root"
sed -n '/^== kernel/,$p' "$tmp/all" >"$tmp/out"
says '^CPL 0, kernel root' "behind the head the kernel root is loaded"
says "^GS base 0x[0-9a-f]+: kernel's, cpu 0" "... on the kernel's GS"
says '^cpu 0 .*(vector 0x|system call).* from user +at 0x.*, CR3 0x[0-9a-f]+ -> 0x' "kaiser-trace tells transitions"
says '^  0x10: not mapped' "kaiser-walk of the null page"
says 'kaiser_syscall64_entry' "symbols hold in the window"
echo "1..$n"
