#!/bin/bash
# SPDX-License-Identifier: MIT
# libkaiser alone: builds with gcc and clang from its own folder, with and without debugging, asks for
# nothing but the documented host symbols, has no writable state, and its headers stand alone.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib.sh
. tests/lib.sh

same() { # file expected
	diff "$2" "$1"
}

sort >"$tmp/documented" <<END
kaiser_on_debug
kaiser_on_interrupt
kaiser_on_nmi
kaiser_on_syscall
END
cp -a Makefile mk kaiser "$tmp/"
for cc in gcc clang; do
	for debug in 0 1; do
		dir=$cc-$debug
		check "$cc, DEBUG=$debug: builds alone" \
			make -s -C "$tmp" CC=$cc DEBUG=$debug BUILD="$dir" "$dir/libkaiser.a"
		ld -r -o "$tmp/$dir/all.o" --whole-archive "$tmp/$dir/libkaiser.a"
		# The four that any freestanding compiler may call: kaiser.h says so.
		nm -u "$tmp/$dir/all.o" | awk '{ print $2 }' |
			grep -vxE 'mem(cpy|move|set|cmp)' | sort >"$tmp/asked"
		check "$cc, DEBUG=$debug: nm -u shows the documented host symbols only" \
			same "$tmp/asked" "$tmp/documented"
		nm --defined-only -g "$tmp/$dir/all.o" | awk '$3 !~ /^kaiser_/ { print $3 }' >"$tmp/names"
		check "$cc, DEBUG=$debug: every global name begins with kaiser_" same "$tmp/names" /dev/null
		# Tables of constants that hold pointers are read-only after relocation.
		objdump -h "$tmp/$dir/all.o" | awk '
			$2 ~ /^\.(data|bss)/ && $2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0*$/ { print $2, $3 }
		' >"$tmp/state"
		check "$cc, DEBUG=$debug: no state of its own" same "$tmp/state" /dev/null
	done
done
# Every option of kaiser/options.h at another value.
cat >"$tmp/kaiser_hooks.h" <<'END'
.macro HOOK_ENTRY
	lfence
.endm
.macro HOOK_EXIT
	lfence
.endm
END
for cc in gcc clang; do
	i=0
	for options in -DKAISER_MAX_CPUS=1 -DKAISER_FLUSH_PAGES_MAX=0 "-DKAISER_HOOKS -I$tmp"; do
		i=$((i + 1))
		check "$cc, OPTIONS='${options%% -I*}': builds" make -s -C "$tmp" CC=$cc OPTIONS="$options" \
			BUILD="$cc-option-$i" "$cc-option-$i/libkaiser.a"
	done
done
# And each of them runs: examples/tinyhost on that library, its programs isolated.
boot() { # library's folder, options of library and host
	rm -rf "$tmp/tiny"
	cp -r examples/tinyhost "$tmp/tiny"
	cat >"$tmp/pkg-config" <<-END
		#!/bin/sh
		case \$1 in
		--cflags) echo "-I$tmp/kaiser/include $2" ;;
		--libs) echo "$tmp/$1/libkaiser.a" ;;
		*) echo "$tmp/kaiser" ;;
		esac
	END
	chmod +x "$tmp/pkg-config"
	[[ $2 = *MAX_CPUS=1* ]] && sed -i 's/MAX_CPUS = 8/MAX_CPUS = 1/' "$tmp/tiny/tiny.h"
	make -s -C "$tmp/tiny" PKG_CONFIG="$tmp/pkg-config" || return 1
	timeout 60 qemu-system-x86_64 -accel tcg -kernel "$tmp/tiny/tinyhost.elf" -cpu max,vendor=GenuineIntel \
		-smp "$3" -m 64M -append pti=on -display none -serial stdio -monitor none -nic none -no-reboot \
		-device isa-debug-exit,iobase=0xf4 </dev/null
	[ $? = 33 ]
}
check "with KAISER_DEBUG it runs" boot gcc-1 -DKAISER_DEBUG=1 2
check "with KAISER_MAX_CPUS=1 it runs" boot gcc-option-1 -DKAISER_MAX_CPUS=1 1
check "with KAISER_FLUSH_PAGES_MAX=0 it runs" boot gcc-option-2 -DKAISER_FLUSH_PAGES_MAX=0 2
check "with KAISER_HOOKS it runs" boot gcc-option-3 -DKAISER_HOOKS 2
for header in kaiser/include/kaiser/*.h; do
	name=$(basename "$header")
	[ "$name" = cr3.h ] && continue
	for lang in c11 c++17; do
		compiler="gcc -x c"
		[ $lang = c++17 ] && compiler="g++ -x c++"
		# shellcheck disable=SC2086
		check "$name stands alone as $lang" sh -c "printf '#include <kaiser/%s>\nextern int x;\n' $name |
			$compiler -std=$lang -ffreestanding -Wall -Wextra -Wpedantic -Werror \
			-Ikaiser/include -fsyntax-only -"
	done
done
# The four CR3 macros in a host's own entry code: encodings as the manual has them.
cat >"$tmp/m.S" <<'END'
#include <kaiser/cr3.h>
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rax
	SWITCH_TO_USER_CR3 scratch_reg=%rdi
	SAVE_AND_SWITCH_TO_KERNEL_CR3 scratch_reg=%rax save_reg=%r14
	RESTORE_CR3 scratch_reg=%rax save_reg=%r14
END
cat >"$tmp/want" <<'END'
mov %cr3,%rax
btr $0xc,%rax
jae
mov %rax,%cr3
mov %cr3,%rdi
bts $0xc,%rdi
mov %rdi,%cr3
mov %cr3,%r14
mov %r14,%rax
btr $0xc,%rax
jae
mov %rax,%cr3
mov %r14,%rax
bt $0xc,%rax
jae
mov %rax,%cr3
END
# The same for a host with PCID, and with the exit's value in memory.
{
	echo '#define KAISER_CR3_PCID 1'
	cat "$tmp/m.S"
	echo '	SWITCH_TO_USER_CR3 scratch_reg=%rdi exit_cr3=%gs:8'
} >"$tmp/pcid.S"
cat >"$tmp/want-pcid" <<'END'
mov %cr3,%rax
btr $0xc,%rax
jae
btr $0xb,%rax
bts $0x3f,%rax
mov %rax,%cr3
mov %cr3,%rdi
bts $0xc,%rdi
bts $0xb,%rdi
bts $0x3f,%rdi
mov %rdi,%cr3
mov %cr3,%r14
mov %r14,%rax
btr $0xc,%rax
jae
btr $0xb,%rax
bts $0x3f,%rax
mov %rax,%cr3
mov %r14,%rax
bt $0xc,%rax
jae
bts $0x3f,%rax
mov %rax,%cr3
mov %gs:0x8,%rdi
btsq $0x3f,%gs:0x8
mov %rdi,%cr3
END
cp "$tmp/want" "$tmp/want-m"
for cc in gcc clang; do
	for m in m pcid; do
		check "$cc, $m.S: the CR3 macros assemble by themselves" \
			$cc -Ikaiser/include -c "$tmp/$m.S" -o "$tmp/m.o"
		objdump -d --no-show-raw-insn "$tmp/m.o" | awk '/^ +[0-9a-f]+:/ {
			print ($2 == "jae" ? "jae" : $2 " " $3) }' >"$tmp/got"
		check "$cc, $m.S: the CR3 macros are what their comments say" same "$tmp/got" "$tmp/want-$m"
	done
done
echo "1..$n"
