# SPDX-License-Identifier: MIT
# Runs every t_NAME of the given scripts, each in a shell and an empty directory of its own, and
# leaves its output in OUT/NAME: on the build host to know the answers, on the guest to give them.
#   sh run.sh WORK OUT SCRIPT...
# PICK: a regular expression of names.
export LC_ALL=C HOME=/ TERM=dumb TZ=UTC
unset LANG ENV CDPATH LINES COLUMNS
umask 022
work=$1 out=$2
shift 2
mkdir -p "$work" "$out"
for script; do
	file=${script##*/}
	for t in $(sed -n 's/^t_\([a-z0-9_]*\)().*/\1/p' "$script"); do
		name=${file%.*}-$t
		[ -z "$PICK" ] || echo "$name" | grep -qE "$PICK" || continue
		mkdir -p "$work/w" && cd "$work/w" || exit 1
		timeout "${LIMIT:-20}" "${SH:-sh}" -c ". $script; t_$t" </dev/null >"$out/$name" 2>&1
		echo "exit $?" >>"$out/$name"
		# When a shell says that a child was killed is its own choice.
		sed -i '/^Terminated$/d; /^Killed$/d' "$out/$name"
		cd "$work" && chmod -R u+rwx w && rm -rf w
		[ -z "$TELL" ] || $TELL "$name"
	done
done
