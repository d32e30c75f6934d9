# SPDX-License-Identifier: MIT
# The kernel's table of functions, as assembly, from `nm` of its first link; without input an empty one,
# for that first link. Offsets are from the image's start, which KASLR does not change.
# The table lies behind the text, so the second link moves no function.
$3 == "kernel_image_start" { start = substr($1, 9) }
$2 ~ /^[tT]$/ && $3 !~ /^\./ { at[n] = $1; name[n++] = $3 }

function value(hex,    i, v) {
	for (i = 1; i <= length(hex); i++)
		v = v * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
	return v
}

END {
	print "\t.section .rodata.ksyms, \"a\", @progbits\n\t.balign 8"
	print "\t.globl kernel_symbols, kernel_symbols_end\n\t.hidden kernel_symbols, kernel_symbols_end"
	print "kernel_symbols:"
	for (i = 0; i < n; i++)
		if (value(substr(at[i], 9)) >= value(start)) # not the boot code below the image
			printf "\t.quad 0x%x, .Lname%d - kernel_symbols\n", value(substr(at[i], 9)) - value(start), i
	print "kernel_symbols_end:"
	for (i = 0; i < n; i++)
		printf ".Lname%d:\t.asciz \"%s\"\n", i, name[i]
	print "\t.section .note.GNU-stack, \"\", @progbits"
}
