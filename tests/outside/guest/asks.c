/* SPDX-License-Identifier: MIT */
/*
 * /init of a guest in which a process on CPU 0 has an LDT of two pages, runs on a 16-bit stack of
 * it whenever an interrupt returns to it, and has an I/O port; on CPU 1 spins one that has none of
 * that.
 */
#include "nolibc.h"

static void spin(void)
{
	for (;;)
		__asm__ volatile("pause");
}

void program(void)
{
	struct {
		uint32_t entry, base, limit, flags;
	} segment = {600, 0, 0xfffff, 0x40};

	if (call3(SYS_fork, 0, 0, 0) == 0) {
		pin(1);
		spin();
	}
	if (call3(SYS_fork, 0, 0, 0) == 0) {
		pin(0);
		if (call3(154, 0x11, (long)&segment, sizeof(segment)) != 0 ||
		    call3(173, 0x80, 1, 1) != 0)
			say("outside: no LDT or no port\n");
		say("outside: ready\n");
		__asm__ volatile("movl %0, %%ss" ::"r"(600 << 3 | 7));
		spin();
	}
	for (;;)
		call6(SYS_wait4, -1, 0, 0, 0, 0, 0);
}
