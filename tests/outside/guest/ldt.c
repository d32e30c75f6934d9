/* SPDX-License-Identifier: MIT */
/* /init with an LDT, in user mode for ever. */
#include "nolibc.h"

#define SYS_modify_ldt 154

void program(void)
{
	/* struct user_desc: entry, base, limit, flags (32 bits, limit in pages, usable). */
	static const uint32_t desc[4] = {5, 0x1000, 0xfffff, 0x51};

	if (call3(SYS_modify_ldt, 1, (long)desc, sizeof(desc)) < 0)
		say("outside: no LDT\n");
	for (;;)
		;
}
