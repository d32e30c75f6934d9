# SPDX-License-Identifier: MIT
# 32-bit and 64-bit programs execute each other, with arguments, environment and a pipe between.
t_both_ways() {
	for n in 1 2 3; do
		X=$n busybox64 sh -c 'busybox sh -c "echo \$X \$0 \$1" "$@" | busybox64 tr a-z A-Z' one two three
	done
	busybox64 sh -c 'exec busybox sh -c "exec busybox64 sh -c \"exec busybox echo there and back\""'
	busybox64 seq 1 2000 | busybox sort -rn | busybox64 md5sum
}
t_many() {
	i=0
	while [ $i -lt 50 ]; do
		[ "$(busybox64 expr $i + 1)" = "$(busybox expr $i + 1)" ] || echo "differs at $i"
		i=$((i + 1))
	done
	echo $i
}
