/* SPDX-License-Identifier: MIT */
/* /init that asks not to be isolated, and goes on in user mode. */
#include "nolibc.h"

#define SYS_prctl     157
#define PR_SET_KAISER 0x4b414901

void program(void)
{
	if (call3(SYS_prctl, PR_SET_KAISER, 0, 0) < 0)
		say("outside: refused\n");
	for (;;)
		call3(SYS_getppid, 0, 0, 0);
}
