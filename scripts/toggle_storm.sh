#!/bin/bash
# SPDX-License-Identifier: MIT
# Isolation switched on and off COUNT times on four CPUs under load and NMIs; after each 500 `kaiser audit`
# looks at the guest from outside.
#	scripts/toggle_storm.sh COUNT
# Exit: 0 if the guest's tests passed and every look was clean.
set -u
count=${1:?COUNT}
build=${BUILD:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
looks=0 unclean=0

scripts/initramfs.sh -o "$dir/initrd" -i "$build/user/toggle.musl" || exit 2
while IFS= read -r line; do
	echo "$line"
	case $line in
	*"sample "*": look")
		looks=$((looks + 1))
		if "$build/kaiser" audit --qmp "$dir/qmp" --gdb "$dir/gdb" >"$dir/report" 2>&1; then
			echo "# audit: $(tail -n 1 "$dir/report")"
		else
			unclean=$((unclean + 1))
			sed 's/^/# audit: /' "$dir/report"
		fi
		;;
	esac
done < <(
	scripts/qemu.sh -N -s 4 -i "$dir/initrd" -t $((600 + count)) -l "$dir/log" -p '^1\.\.[0-9]+$' \
		-a "pti=on debug_nmi_iret $count look" -- -qmp "unix:$dir/qmp,server=on,wait=off" \
		-gdb "unix:$dir/gdb,server=on,wait=off"
	echo $? >"$dir/code"
)
code=$(cat "$dir/code")
bad=$(grep -cE '^not ok|[Pp]anic' "$dir/log")
echo "toggle_storm.sh: $count switches, $looks looks from outside, $unclean not clean, $bad failures, qemu.sh $code"
[ "$code" = 0 ] && [ "$bad" = 0 ] && [ "$unclean" = 0 ] && [ "$looks" = $((count / 500)) ]
