# SPDX-License-Identifier: MIT
# For shell tests, which source it: a directory $tmp, and lines of TAP. They end with: echo "1..$n"
n=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

result() { # ok|not ok, text
	n=$((n + 1))
	echo "$1 $n - $2"
}

address() { # file symbol
	nm "$1" | awk -v s="$2" '$3 == s { print $1 }'
}

check() { # text, command...
	local text=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		result ok "$text"
	else
		result "not ok" "$text"
		tail -n 20 "$tmp/out" | sed 's/^/# /'
	fi
}

