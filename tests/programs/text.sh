# SPDX-License-Identifier: MIT
# Filters and calculators.
table() { seq 1 "${1:-2000}" | awk '{ x = ($1 * 7919 + 13) % 10007; print $1, "n" x % 17, x, x / 3 }'; }

t_sort() { table | sort -k2,2 -k3,3nr | sed -n '1p;500p;1999p'; table | sort -u -k2,2 | wc -l; table | sort -c -n; echo $?
	printf 'b\0a\0' | sort -z | tr '\0' '\n'; }
t_uniq() { table | cut -d' ' -f2 | sort | uniq -c | sort -rn | head -n 4; printf 'a\na\nb\nc\nc\n' >u; uniq -d u; uniq -u u; }
t_sed() { table 40 | sed -n '/n3 /{s/\([0-9]*\) \(n3\)/\2=\1/;p}'; table 5 | sed '2i\inserted
3d;$a\last' | sed 's/[0-9]/<&>/2g;y/n/N/'; printf 'a\nb\nc\n' | sed -n 'H;${x;s/\n/,/g;p}'; table 9 >f; sed -i '1!G;h;$!d' f; cat f; }
t_awk() { table | awk '{ a[$2] += $3; c[$2]++ } END { for (k in a) printf "%s %d %.2f %s\n", k, a[k], a[k] / c[k], toupper(k) }' | sort
	awk 'BEGIN { printf "%c%5.2f|%-5s|%05d|%x|%e\n", 65, 3.14159, "ab", 42, 255, 12345.678; print length("abc"), substr("hello", 2, 3), index("hello", "l"), match("foobar", "o+"), RLENGTH; print int(-3.7), 7 % 3, 2 ^ 10 }'
	awk 'BEGIN { while (("seq 1 5" | getline x) > 0) s += x; print s; print "x" | "cat"; close("cat"); system("echo from system") }'
	awk -F: -v OFS=- 'gsub(/o/, "0") { $1 = $1; print }' <<END
foo:bar:zoo
none
END
	awk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } BEGIN { print f(16) }'; }
t_grep() { table | grep -c n1; table 50 | grep -n -A1 -B1 'n16 '; table 50 | grep -vE '[02468]$' | grep -o 'n[0-9]' | sort | uniq -c; mkdir -p d/e; echo needle >d/e/f; grep -r needle d; grep -q nothing d/e/f; echo $?; }
t_cut() { table 5 | cut -c2-6; table 5 | cut -d' ' -f1,3-; printf 'a:b:c\n' | tr ':a-b' '\nX-Z' | tr -d c | tr -s '\n'; echo hello | tr a-y b-z; echo 'a  b' | tr -s ' '; }
t_paste() { seq 1 5 >a; seq 6 10 >b; paste a b; paste -d, -s a; nl a | head -n 2; tac a; rev a; fold -w 3 <<END
abcdefgh
END
	expand -t 4 <<END
	x	y
END
	seq 1 20 | shuf | sort -n | tail -n 1; }
t_diff() { table 20 >a; sed 's/n5/N5/;7d' a >b; diff a b; echo $?; diff -u a b | tail -n +3; diff -u a b >p; patch a <p; cmp a b && echo same; echo x >>b; cmp a b 2>&1; comm -12 a b 2>/dev/null | wc -l; }
t_dumps() { table 3 | od -c; table 3 | od -An -tx1; table 3 | hexdump -C; table 3 | xxd | head -n 2; table 3 | xxd -p | xxd -r -p; table 20 | base64; table 20 | base64 | base64 -d | md5sum; printf 'abc\001\002hello world\377' | strings; uuencode x <<END | uudecode -o /dev/stdout
round trip
END
	}
t_sums() { table >t; md5sum t; sha1sum t; sha256sum t; sha512sum t; sha3sum t; crc32 t; sha256sum t >s; sha256sum -c s; }
t_gzip() { table >t; cp t o; for z in gzip bzip2; do $z t; ls t.*; $z -d t.*; cmp t o && echo "$z same"; done; gzip -c t | zcat | cmp - o && echo piped; bzip2 -c t | bzcat | md5sum; }
t_xz() { base64 -d <<END | xz -dc
/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4AWfABxdADYaSh8IoVnCKA16d7pMXAxfxTsQ8dQTFMb2AAAAqE1YN2RfrTQAATigCwAAAIpJWoyxxGf7AgAAAAAEWVo=
END
	echo "xz: $?"; }
t_tar() { mkdir -p t/a/b; table >t/a/f; ln -s f t/a/l; ln t/a/f t/h; chmod 640 t/a/f; mkfifo t/p; tar cf x.tar t; tar tf x.tar | sort; mkdir o; tar xf x.tar -C o; (cd o && find . | sort | while read -r f; do stat -c '%n %F %a %h' "$f"; done); cmp t/a/f o/t/a/f; readlink o/t/a/l; tar czf x.tgz t && tar tzf x.tgz | wc -l; tar cjf - t/a | tar xjOf - t/a/f | md5sum; }
t_cpio() { mkdir -p c/d; table >c/d/f; (cd c && find . | sort | cpio -o -H newc 2>/dev/null) >x; cpio -t <x 2>/dev/null; mkdir y; (cd y && cpio -id <../x 2>/dev/null; find . | sort; md5sum d/f); ar -t x 2>&1 | head -n 1 | cut -c1-3; }
t_bc() { echo '2^100; scale=20; 1/3; sqrt(2)' | bc; echo '10 3 / p 10 3 % p 2 64 ^ p' | dc; expr 7 '*' 6; expr abc : 'a\(.*\)'; expr 5 '>' 3; factor 1234567890; seq -s, 1 2 9; seq 0.1 0.1 0.5; }
t_printf() { printf '%05d|%-8s|%8s|%x|%o|%c|%%|%5.1f\n' 42 ab cd 255 8 z 3.14159; printf '%s\n' a b c; printf '%b' 'a\tb\n'; printf '\101\x42\n'; echo -e 'x\ty'; echo -n no; echo; printf '%d %d\n' 0x1f 077; }
t_dates() { TZ=UTC date -d @86400 '+%Y-%m-%d %H:%M:%S %j %a'; TZ=UTC date -d '2017-11-10 12:00:00' +%s; cal 11 2017 | sed 's/ *$//'; date +%Y | grep -c '^20'; touch -d '2001-02-03 04:05:06' f; TZ=UTC date -r f +%Y; }
t_ed() { table 9 >f; printf '3d\n1,2s/n/N/\n$a\nappended\n.\nw\nq\n' | ed f; cat f; printf ':2\ndd:wq\n' | vi f >/dev/null 2>&1; head -n 3 f; }
t_less() { table 100 | head -n 3; table 100 | tail -n 3; table 100 | tail -n +98; table 9 | head -c 20; echo; table 9 | tail -c 20; table 5 | less | md5sum; table 5 | more | md5sum; table 3 | tee a b | wc -c; cat a b; wc a b; }
t_unix2dos() { table 2 | unix2dos | od -c | head -n 3; table 2 | unix2dos | dos2unix | md5sum; basename /a/b.c .c; dirname /a/b.c; ascii 2>/dev/null | head -n 2; }
