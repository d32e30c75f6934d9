/* SPDX-License-Identifier: MIT */
/* Which breakpoints user mode may have. */
#include "internal.h"

bool kaiser_breakpoint_allowed(const struct kaiser *k, uint64_t addr, uint64_t len)
{
	/* The window is in the kernel half, so the end of user space bounds all. Written so that no
	 * sum can wrap. */
	return len > 0 && len <= k->cfg.user_end && addr <= k->cfg.user_end - len;
}
