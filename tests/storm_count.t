#!/bin/bash
# SPDX-License-Identifier: MIT
# The points of kaiser storm are all instructions of a path's: over all paths, with isolation and without,
# QEMU's log, which the points come from, and a plugin's trace of a free run must name the same
# instructions in the same order. And that it would be seen: in front of QEMU stands a script that has
# the log, then the trace, leave one instruction out.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(realpath "${BUILD:-build}")
# shellcheck source=tests/lib.sh
. tests/lib.sh

count() { # options...
	"$build/kaiser" storm --kernel "$build/kaiser.elf" --program "$build/user/paths" \
		--paths tools/storm/kaiser.json --timeout 60000 --mode none "$@" >"$tmp/out" 2>&1
}

paths=$(grep -c '^ *{"name":' tools/storm/kaiser.json)
for pti in on off; do
	count --config "^pti=$pti\$"
	code=$?
	# Paths, those with two equal numbers, both sums.
	read -r told equal log trace < <(sed -nE 's/.*none: ([0-9]+) instructions .*, ([0-9]+) in the plugin.*/\1 \2/p' "$tmp/out" |
		awk '{ n++; same += $1 == $2; a += $1; b += $2 } END { print n + 0, same + 0, a + 0, b + 0 }')
	if [ $code = 0 ] && [ "$told" = "$paths" ] && [ "$equal" = "$paths" ] && [ "$log" -gt "$paths" ]; then
		result ok "pti=$pti: $told paths, $log instructions in the log, $trace in the plugin's trace, the same"
	else
		result "not ok" "pti=$pti: $equal of $paths paths agree, $log in the log, $trace in the trace; exit code $code"
		grep -E 'FAIL|kaiser storm:|DIFFER' "$tmp/out" | head -n 10 | sed 's/^/# /'
	fi
done

# Nothing is logged, or traced, of the one byte at $HOLE.
mkdir "$tmp/bin"
cat >"$tmp/bin/qemu-system-x86_64" <<'END'
#!/bin/bash
before=$(printf '%x' $((HOLE - 1))) after=$(printf '%x' $((HOLE + 1)))
for a; do
	case $LOSES,$a in
	log,0x*..0x*) a=${a/../..0x$before,0x$after..} ;;
	trace,*,range=*) a=${a/-ff/-${HOLE#0x},range=$after-ff} ;;
	esac
	args+=("$a")
done
exec /usr/bin/env PATH="${PATH#*:}" qemu-system-x86_64 "${args[@]}"
END
chmod +x "$tmp/bin/qemu-system-x86_64"
template=$(address "$build/kaiser.elf" kaiser_template)
gate=$(address "$build/kaiser.elf" kaiser_entry_syscall64)
HOLE=$(printf '0x%x' $((0xffffffffc0001000 + 0x$gate - 0x$template)))
export HOLE LOSES
for LOSES in log trace; do
	PATH=$tmp/bin:$PATH count --config '^pti=on$' --path '^syscall$'
	code=$?
	line=$(grep -m 1 '^FAIL' "$tmp/out")
	case $LOSES in
	log) want='instruction 1 is [a-z].* in the log, kaiser_entry_syscall64 .* in the plugin' ;;
	trace) want='instruction 1 is kaiser_entry_syscall64 .* in the log, .* in the plugin' ;;
	esac
	if [ $code = 1 ] && grep -qE "$want" <<<"$line" && grep -q 'THEY DIFFER' "$tmp/out"; then
		result ok "an instruction that the $LOSES loses is seen"
		echo "# ${line%; again*}"
	else
		result "not ok" "an instruction that the $LOSES loses is seen (exit code $code)"
		tail -n 20 "$tmp/out" | sed 's/^/# /'
	fi
done
echo "1..$n"
