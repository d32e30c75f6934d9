#!/bin/bash
# SPDX-License-Identifier: MIT
# Boots every line of tests/guest.list and passes on what its suite says, each test under the
# guest's name. A guest is right if its plan matches, nothing is "not ok", nothing panicked, and it
# powered off. GUEST=REGEX picks lines; GUEST_KERNEL, GUEST_APPEND, GUEST_LIST: others.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
kernel=${GUEST_KERNEL:-$build/kaiser.elf}
# shellcheck source=tests/lib.sh
. tests/lib.sh

# A CPU model bochs:NAME is one of Bochs', which boots from a CD image.
boot() {
	local words storm=''
	case ,$append, in *,NMI,*) storm=-N append=${append/,NMI/} ;; esac
	words="${append//,/ } ${GUEST_APPEND:-}"
	case $cpu in
	bochs:*)
		scripts/iso.sh -o "$tmp/iso" -k "$kernel" -i "$tmp/initrd" -a "$words" &&
			scripts/bochs.sh -i 20000000 -c "${cpu#bochs:}" -s "$cpus" -m "${mem%M}" -t "$seconds" \
				-l "$tmp/log" "$tmp/iso"
		;;
	*)
		scripts/qemu.sh -q $storm -k "$kernel" -i "$tmp/initrd" -s "$cpus" -m "$mem" -c "$cpu" \
			-t "$seconds" -a "$words" -l "$tmp/log"
		;;
	esac
}

while read -r name cpus mem cpu append suite seconds; do
	case $name in '' | \#*) continue ;; esac
	[[ $name =~ ${GUEST:-.} ]] || continue
	case $suite in
	*.glibc) program=$build/user/$suite ;;
	*) program=$build/user/$suite.musl ;;
	esac
	if ! scripts/initramfs.sh -o "$tmp/initrd" -i "$program" 2>"$tmp/err"; then
		result "not ok" "$name: cannot make the initramfs"
		sed 's/^/# /' "$tmp/err"
		continue
	fi
	boot >/dev/null 2>"$tmp/err"
	code=$?
	# The suite's lines may come after a line of the kernel's that had no end yet.
	awk -v guest="$name" -v base="$n" '
		match($0, /(not )?ok [0-9]+ - /) {
			line = substr($0, RSTART)
			bad = line ~ /^not /
			text = substr(line, RLENGTH + 1)
			split(substr(line, 1, RLENGTH), w, " ")
			if ((bad ? w[3] : w[2]) != ++seen)
				order = 1
			printf "%s %d - %s: %s\n", bad ? "not ok" : "ok", base + seen, guest, text
			next
		}
		/^# / && bad { print }
		/^1\.\.[0-9]+/ { plan = substr($0, 4) + 0 }
		END {
			if (order)
				print "# " guest ": test numbers out of order"
			print seen + 0, (plan == seen && seen > 0 && !order) >FILENAME ".sum"
		}' "$tmp/log"
	read -r seen planned <"$tmp/log.sum"
	n=$((n + seen))
	if [ $code = 0 ] && [ "$planned" = 1 ] && ! grep -qiE '^(panic|.*kernel panic)' "$tmp/log"; then
		result ok "$name: plan complete, powered off"
	else
		result "not ok" "$name: plan complete, powered off"
		sed 's/^/# /' "$tmp/err"
		[ "$planned" = 1 ] || echo "# the plan does not match $seen tests"
		tail -n 25 "$tmp/log" | sed 's/^/# | /'
	fi
done <"${GUEST_LIST:-tests/guest.list}"
echo "1..$n"
