/* SPDX-License-Identifier: MIT */
/* The model's constants, in the command itself. */
	.section .rodata
	.globl bench_costs, bench_costs_end
bench_costs:
	.incbin "tools/bench/costs.json"
bench_costs_end:
	.byte 0
	.section .note.GNU-stack, "", @progbits
