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

# DIR/build/kaiser.elf, with that patch: from a copy of the tree and of the objects below OBJECTS, a
# folder of an earlier build, so that only what the patch touches is compiled.
patched_kernel() { # DIR, OBJECTS, patch, [words for make]
	local dir=$1 objects=$2 patch=$3
	shift 3
	rm -rf "$dir" && mkdir -p "$dir/build" && cp -a Makefile mk kaiser kernel "$dir"/ &&
		cp -a "$objects/obj" "$dir/build/" &&
		find "$dir/build" -name '*.d' -exec sed -i "s|$objects/|build/|g" {} + &&
		patch -s -p1 -d "$dir" <"$patch" && make -s -C "$dir" "$@" BUILD=build kernel
}
