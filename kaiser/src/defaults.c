/* SPDX-License-Identifier: MIT */
/* Handlers for hosts that have none of their own: weak, so that a host's takes their place. */
#include "internal.h"

/* config.ia32 is off, and no gate leads here. */
__attribute__((__weak__)) void kaiser_on_ia32(struct pt_regs *regs, unsigned how)
{
	(void)regs;
	(void)how;
}

__attribute__((__weak__)) void kaiser_on_machine_check(struct pt_regs *regs)
{
	const struct kaiser *k = hw_this_cpu()->k;

	(void)regs;
	k->cfg.ops->panic(k->cfg.ctx, "machine check");
}

/* "double fault: <stack> overflow", the longest name being that of the entry stack. */
__attribute__((__weak__, __noreturn__)) void kaiser_on_double_fault(struct pt_regs *regs,
								    uint64_t cr2)
{
	const struct kaiser *k = hw_this_cpu()->k;
	const char *name = kaiser_hole_name(k, cr2);
	char text[48] = "double fault";
	const char *part[] = {": ", name, " overflow"};
	size_t n = sizeof("double fault") - 1;

	if (!name)
		part[1] = name = kaiser_hole_name(k, regs->sp - 8);
	for (unsigned i = 0; name && i < sizeof(part) / sizeof(part[0]); i++)
		for (const char *c = part[i]; *c && n < sizeof(text) - 1; c++)
			text[n++] = *c;
	k->cfg.ops->panic(k->cfg.ctx, text);
	__builtin_trap(); /* it must not return */
}
