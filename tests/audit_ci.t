#!/bin/bash
# SPDX-License-Identifier: MIT
# The step for continuous integration in docs/audit.md, taken from there and run as a runner would: a
# kernel that maps what its baseline does passes; one that maps more fails, by name.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(realpath "${BUILD:-build}")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0
result() { # status, text
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	echo "not ok $n - $2"
	failed=1
	tail -n 5 "$tmp/err" "$tmp/audit.json" 2>/dev/null | cut -c1-200 | sed 's/^/# /'
}
step() { # MORE: of the kernel's command line; the step's code, in $code
	local more=$1
	(cd "$tmp" && MORE=$more PATH=$tmp/bin:$PATH timeout 300 bash -e step.sh 2>err)
	code=$?
}

# What is between `run: |` and the next step.
sed -n '/^ *run: |$/,/^ *- name:/p' docs/audit.md | sed '1d;$d;s/^ \{8\}//' >"$tmp/step.sh"
mkdir "$tmp/bin" "$tmp/build" "$tmp/ci"
ln -s "$build/kaiser" "$tmp/bin/kaiser"
ln -s "$build/kaiser.elf" "$tmp/build/mykernel"
ln -s "$build/tests/busy.cpio.gz" "$tmp/ci/busy.cpio.gz"
# QEMU, where a test can change the kernel's behaviour.
cat >"$tmp/bin/qemu-system-x86_64" <<SH
#!/bin/sh
[ -z "\$MORE" ] || set -- "\$@" -append "console=ttyS0 \$MORE"
exec $(command -v qemu-system-x86_64) "\$@"
SH
chmod +x "$tmp/bin/qemu-system-x86_64"
grep -q -- '--baseline ci/audit.json' "$tmp/step.sh"
result $? "the step is in docs/audit.md"

step ''
[ "$code" = 2 ] && grep -q '^kaiser audit: ci/audit.json: ' "$tmp/err"
result $? "no baseline yet: $(head -n 1 "$tmp/err")"
sed 's/ --baseline [^ ]*//' "$tmp/step.sh" >"$tmp/first.sh"
(cd "$tmp" && PATH=$tmp/bin:$PATH MORE='' timeout 300 bash -e first.sh 2>err)
code=$?
cp "$tmp/audit.json" "$tmp/ci/audit.json"
[ $code = 0 ] && grep -q '"pages": 4,' "$tmp/ci/audit.json"
result $? "the baseline is made by the same without --baseline"
step ''
[ "$code" = 0 ] && grep -q '"text": "no growth' "$tmp/audit.json"
result $? "no growth: the step passes"
step pti=off
[ "$code" = 1 ] && grep -q '"text": "grown since the baseline: .*findings of isolated' "$tmp/audit.json"
result $? "a kernel that lost its isolation: the step fails"
sed -i 's/--timeout 120/--timeout 5/' "$tmp/step.sh"
step 'pti=on rdinit=/none'
[ "$code" = 2 ] && [ "$(wc -l <"$tmp/err")" = 1 ]
result $? "a kernel that does not boot: $(head -n 1 "$tmp/err")"
echo "1..$n"
exit $failed
