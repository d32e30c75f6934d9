# SPDX-License-Identifier: MIT
# What Bochs' debugger printed, one line a thing:
#	stop RIP INSTRUCTION	where it stands: the instruction that comes next
#	break N			by breakpoint N
#	event NMI|IRQn|MCE|DB	what was given (`take`, and `give` of bochs_give.c)
#	flags RIP on|off	of `r`: whether interrupts are on
#	stack WORD		of `print-stack 1`
#	state RIP ALL		of `r`, `sreg`, `creg`, `give bases`: registers, flags, selectors, CR0, CR3, CR4, EFER, bases
/^\(0\) Breakpoint [0-9]+,/ { print "break", $3 + 0 }
/^\(0\) \[/ {
	insn = $4 == "ctxt):" ? $5 : $6
	sub(/;.*/, "", insn)
	print "stop", $3 ~ /:/ ? substr($3, 6) : "-", insn
}
/^Delivering / { print "event", $2 }
/\| STACK/ {
	match($0, /\[0x[0-9a-f]+:0x[0-9a-f]+\]/)
	word = substr($0, RSTART + 1, RLENGTH - 2)
	gsub(/0x|:/, "", word)
	print "stack", word
}
/^rax: / { all = "" }
/^r[a-z0-9]+ *: / {
	all = all " " $NF
	if ($1 == "rip:") {
		rip = $NF
		gsub("_", "", rip)
	}
}
/^eflags/ { print "flags", rip, / IF / ? "on" : "off"; all = all " " $2 }
/^[c-g]s:0x/ { all = all " " $1 }
/^CR[034]=/ { all = all " " $1 }
/^EFER=/ { all = all " " $1 }
/^Bases / { print "state", rip, all, $2, $3, $4 }
