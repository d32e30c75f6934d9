/* SPDX-License-Identifier: MIT */
/*
 * Interrupts. The timer's is waited for: user mode sees it as a step of the time-stamp counter.
 * NMIs come from the tool, by QEMU's gdb stub, at the labels below; it sets bench_nmi_go first.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define STEP 150 /* more than the loop takes, less than any interrupt */

static inline unsigned long tsc(void)
{
	unsigned lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (unsigned long)hi << 32 | lo;
}

static void wait_for_step(void)
{
	unsigned long last = tsc(), now;

	while ((now = tsc()) - last < STEP)
		last = now;
}

void event_timer(void)
{
	if (!op_wanted(OP_timer))
		return;
	op_mark(OP_timer);
	for (unsigned i = 0; i < 4; i++)
		wait_for_step();
	for (unsigned i = 0; i < reps; i++) {
		MARK(MARK_START);
		wait_for_step();
		MARK(MARK_STOP);
	}
}

/* The tool breaks here and sends an NMI, or steps into the system call and sends one there. */
extern const char bench_nmi_user[], bench_nmi_call[];
static volatile unsigned go;

static __attribute__((noinline, noclone)) void site_user(void)
{
	__asm__ volatile(".globl bench_nmi_user\nbench_nmi_user: nop\n\tnop" ::: "memory");
}

static __attribute__((noinline, noclone)) void site_kernel(void)
{
	long nr = SYS_getppid;

	__asm__ volatile(".globl bench_nmi_call\nbench_nmi_call: syscall"
			 : "+a"(nr)::"rcx", "r11", "memory");
}

static void nmi(unsigned number, void (*site)(void), const void *address)
{
	if (!op_wanted(number))
		return;
	go = 0;
	op_mark(number);
	for (unsigned i = 0; i < 50; i++)
		site();
	printf("BENCH: nmi %u at %lx go %lx\n", number, (unsigned long)address,
	       (unsigned long)(const void *)&go);
	fflush(stdout);
	while (!go)
		__asm__ volatile("pause");
	for (unsigned i = 0; i < reps; i++) {
		MARK(MARK_START);
		site();
		MARK(MARK_STOP);
	}
}

void event_nmi(void)
{
	nmi(OP_nmi_user, site_user, bench_nmi_user);
	nmi(OP_nmi_kernel, site_kernel, bench_nmi_call);
}
