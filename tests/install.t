#!/bin/bash
# SPDX-License-Identifier: MIT
# The library as a product: `make install` below a DESTDIR, found by pkg-config; the kernel of
# docs/embedding.md, taken out of the document into an empty directory, built against that with gcc
# and clang, booted on 1 and 2 CPUs, and audited from outside; the other examples, each by its own check;
# kaiser bench and kaiser storm by what is installed for them alone; uninstall leaves nothing;
# kaiser/SOURCES alone builds the library.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# shellcheck source=tests/lib.sh
. tests/lib.sh

boot() { # kernel, cpus, append
	timeout 60 qemu-system-x86_64 -accel tcg -kernel "$1" -cpu max,vendor=GenuineIntel -smp "$2" -m 64M \
		-append "$3" -display none -serial stdio -monitor none -nic none -no-reboot \
		-device isa-debug-exit,iobase=0xf4 </dev/null
	[ $? = 33 ]
}

audit() { # kernel, cpus, append
	timeout 120 "$tmp/root/usr/bin/kaiser" audit --run -- qemu-system-x86_64 -accel tcg -kernel "$1" \
		-cpu max,vendor=GenuineIntel -smp "$2" -m 64M -append "$3" -display none -nic none
}

# ---- install ----
check "make install below a DESTDIR" \
	make -s BUILD="$build" install DESTDIR="$tmp/root" PREFIX=/usr
export PKG_CONFIG_PATH="$tmp/root/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
version=$(sed -n 's/^#define KAISER_VERSION_M[A-Z]* //p; s/^#define KAISER_VERSION_PATCH //p' \
	kaiser/include/kaiser/version.h | paste -sd.)
check "pkg-config knows version $version" test "$(pkg-config --modversion kaiser)" = "$version"
for header in kaiser/include/kaiser/*.h; do
	check "$(basename "$header") is installed" \
		cmp "$header" "$tmp/root/usr/include/kaiser/$(basename "$header")"
done
man_pages() {
	for page in "$tmp"/root/usr/share/man/man?/*; do
		LC_ALL=C.UTF-8 MANROFFSEQ='' groff -man -Tutf8 -ww "$page" 2>&1 >/dev/null | grep . && return 1
	done
	[ -e "$tmp/root/usr/share/man/man3/kaiser_init.3" ]
}
if command -v groff >/dev/null; then
	check "the manual pages are without faults" man_pages
else
	result ok "the manual pages are without faults # SKIP no groff"
fi
documented() {
	for f in $(sed -n 's/^[a-z][a-z0-9_ *]*\b\(kaiser_[a-z0-9_]*\)(.*/\1/p' kaiser/include/kaiser/{kaiser,verify}.h); do
		[ -e "$tmp/root/usr/share/man/man3/$f.3" ] || { echo "no manual page of $f"; return 1; }
	done
}
check "every function of the API has a manual page" documented

# ---- the kernel of the document ----
short() { # folder
	[ "$(cat "$1"/* | wc -l)" -le 600 ]
}
for cc in gcc clang; do
	mkdir "$tmp/tiny-$cc"
	check "docs/embedding.md gives the files of a kernel" \
		scripts/blocks.pl docs/embedding.md "$tmp/tiny-$cc"
	[ $cc = gcc ] && check "they are examples/tinyhost (else: scripts/blocks.pl --update docs/embedding.md examples/tinyhost)" \
		diff -r -x '*.o' -x '*.elf' "$tmp/tiny-$cc" examples/tinyhost
	[ $cc = gcc ] && check "they have at most 600 lines in all" short "$tmp/tiny-gcc"
	check "$cc builds it against the installed library" make -C "$tmp/tiny-$cc" CC=$cc
done
tiny=$tmp/tiny-gcc/tinyhost.elf
for cpus in 1 2; do
	check "it runs two hostile programs on $cpus CPUs, isolated" boot "$tiny" $cpus pti=on
	audit "$tiny" $cpus pti=on >"$tmp/verdict" 2>&1
	code=$?
	check "kaiser audit finds it clean on $cpus CPUs" sh -c "cat '$tmp/verdict'; exit $code"
	check "... with four pages" grep '^verdict: clean: 4 supervisor pages' "$tmp/verdict"
done
check "built by clang it runs as well" boot "$tmp/tiny-clang/tinyhost.elf" 2 pti=on
check "not isolated it runs as well" boot "$tiny" 2 pti=off
found_out() {
	audit "$tiny" 1 pti=off
	[ $? = 1 ]
}
check "... and kaiser audit finds it out" found_out

gdb_commands() { # the installed ones, on a kernel that is not ours, in one of its system calls
	local qemu
	qemu-system-x86_64 -accel tcg -kernel "$tiny" -cpu max,vendor=GenuineIntel -smp 2 -m 64M -append pti=on \
		-display none -serial null -monitor none -nic none -S -gdb "unix:$tmp/gdb,server=on,wait=off" &
	qemu=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do [ -S "$tmp/gdb" ] && break; sleep 0.3; done
	timeout 60 gdb -nx -batch -ex "file $tiny" -ex "target remote $tmp/gdb" \
		-ex "source $tmp/root/usr/share/kaiser/kaiser-gdb.py" -ex 'hbreak kaiser_on_syscall' -ex continue \
		-ex kaiser-view -ex kaiser-roots -ex kaiser-window -ex 'kaiser-walk &kaiser' >"$tmp/told" 2>&1
	kill "$qemu"
	wait "$qemu" 2>/dev/null
	cat "$tmp/told"
	grep -q "^GS base 0x[0-9a-f]*: kernel's, cpu" "$tmp/told" && grep -q ', loaded$' "$tmp/told" &&
		[ "$(grep -Ec '^  \+0x[0-9a-f]+ .*\| 0x' "$tmp/told")" = 4 ] &&
		grep -q '^  0x[0-9a-f]*: not mapped' "$tmp/told"
}
if command -v gdb >/dev/null; then
	check "the installed gdb commands know its roots and its window of four pages" gdb_commands
else
	result ok "the installed gdb commands # SKIP no gdb"
fi

# ---- the other examples ----
for dir in examples/*/; do
	name=$(basename "$dir")
	[ "$name" = tinyhost ] && continue
	cp -a "$dir" "$tmp/$name"
	if [ "$name" = rust ] && ! command -v rustc >/dev/null; then
		result ok "examples/$name # SKIP no rustc"
		continue
	fi
	check "examples/$name builds and its own check passes" make -C "$tmp/$name" check
done

# ---- the command's own files ----
installed() { # pattern, arguments of the command: run where no build tree is, on a kernel given by its path
	local pattern=$1
	shift
	cp "$build/kaiser.elf" "$tmp/kernel" || return 1
	(cd "$tmp" && root/usr/bin/kaiser "$@") >"$tmp/told" 2>&1 && grep -E "$pattern" "$tmp/told" || { cat "$tmp/told"; false; }
}
check "the installed kaiser bench measures a kernel" \
	installed '^getppid +[0-9]+' bench --kernel kernel --peer none --ops getppid
check "... by the installed constants too" installed '^getppid +[0-9]+' bench --kernel kernel --peer none \
	--ops getppid --costs "$tmp/root/usr/share/kaiser/costs.json"
check "the installed kaiser storm sweeps a path of it" installed ' 5 of 5 points reached' storm --kernel kernel \
	--config pti=on --path '^syscall$' --mode linear --step 20
check "... and knows the other file of paths" installed '^path +syscall' storm --paths linux-6.12 --list

# ---- the folder alone ----
check "kaiser/SOURCES lists every source" diff <(grep -v '^#' kaiser/SOURCES) \
	<(cd kaiser && ls src/*.c entry/*.S | LC_ALL=C sort)
copied() ( # compiler; in a shell of its own: it changes the folder
	rm -rf "$tmp/copied"
	cp -a kaiser "$tmp/copied" && cd "$tmp/copied" || exit 1
	for f in $(grep -v '^#' SOURCES); do
		"$1" -std=c11 -O2 -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
			-Iinclude -Isrc -c "$f" -o "$(echo "$f" | tr / _).o" || exit 1
	done
	# What a compiler may ask any freestanding program for.
	printf '%s\n' '#include <stddef.h>' \
		'void *memcpy(void *d, const void *s, size_t n) { char *p = d; const char *q = s; while (n--) *p++ = *q++; return d; }' \
		'void *memset(void *d, int c, size_t n) { char *p = d; while (n--) *p++ = (char)c; return d; }' >mem.c
	"$1" -O2 -ffreestanding -fno-builtin -mno-red-zone -mgeneral-regs-only -c mem.c || exit 1
	ar rcs libkaiser.a ./*.o
	# What pkg-config would say of a tree with the folder in it.
	cat >pkg-config <<-END
		#!/bin/sh
		case \$1 in
		--cflags) echo "-I$tmp/copied/include" ;;
		--libs) echo "$tmp/copied/libkaiser.a" ;;
		*) echo "$tmp/copied" ;;
		esac
	END
	chmod +x pkg-config
	make -s -C "$tmp/tiny-$1" clean
	make -s -C "$tmp/tiny-$1" CC="$1" PKG_CONFIG="$tmp/copied/pkg-config"
)
for cc in gcc clang; do
	check "the copied folder builds by that list with $cc and the documented flags, and a kernel links it" copied $cc
	check "... which runs, isolated" boot "$tmp/tiny-$cc/tinyhost.elf" 2 pti=on
done

# ---- uninstall ----
check "make uninstall" make -s BUILD="$build" uninstall DESTDIR="$tmp/root" PREFIX=/usr
left() {
	find "$tmp/root" -type f | grep . && return 1
	for d in share/doc/kaiser share/kaiser lib/kaiser include/kaiser; do
		[ ! -e "$tmp/root/usr/$d" ] || { echo "$d"; return 1; }
	done
}
check "... leaves no file" left
echo "1..$n"
