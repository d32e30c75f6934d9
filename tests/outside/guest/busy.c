/* SPDX-License-Identifier: MIT */
/*
 * /init that keeps every CPU busy, each with two processes pinned to it: system calls, faults,
 * signals, then a while in user mode.
 */
#include "nolibc.h"

#define SIGILL  4
#define SIGTRAP 5

/* Counters stay in registers that gates store: nothing in them may look like a root's address. */
#define START UINT64_C(0x5a5a5a5a5a000000)

static void skip(int sig, void *info, void *context)
{
	(void)info;
	if (sig == SIGILL)
		CONTEXT_RIP(context) += 2; /* ud2 */
}

static void work(void)
{
	handle(SIGILL, skip, 0);
	handle(SIGTRAP, skip, 0);
	for (;;) {
		long at = call6(SYS_mmap, 0, 8192, 3, 0x22, -1, 0);

		call3(SYS_getppid, 0, 0, 0);
		if (at > 0) {
			*(volatile char *)at = 1;
			*(volatile char *)(at + 4096) = 1;
			call3(SYS_munmap, at, 8192, 0);
		}
		__asm__ volatile("ud2");
		__asm__ volatile("int3");
		for (volatile uint64_t i = START; i < START + 400000; i++)
			;
	}
}

void program(void)
{
	unsigned long cpus = 0;

	if (call3(SYS_sched_getaffinity, 0, sizeof(cpus), (long)&cpus) < 0)
		say("outside: no affinity\n");
	for (unsigned cpu = 0; cpu < 64; cpu++) {
		for (int i = 0; i < 2 && cpus >> cpu & 1; i++) {
			long pid = call3(SYS_fork, 0, 0, 0);

			if (pid < 0)
				say("outside: cannot fork\n");
			if (pid == 0) {
				pin(cpu);
				work();
			}
		}
	}
	say("outside: ready\n");
	for (;;)
		call6(SYS_wait4, -1, 0, 0, 0, 0, 0);
}
