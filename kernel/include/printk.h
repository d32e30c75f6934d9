/* SPDX-License-Identifier: MIT */
/* The kernel's log: straight to the serial line, one call is never split by another CPU's. */
#ifndef KERNEL_PRINTK_H
#define KERNEL_PRINTK_H

#include <stdarg.h>

#include "base.h"

/* Any context, NMI too (it then may drop its line rather than deadlock).
 * %d %i %u %x %X %c %s %p %% with 0, -, width, .precision, h hh l ll z; nothing else. */
void printk(const char *fmt, ...) printf_like(1, 2);
void vprintk(const char *fmt, va_list ap) printf_like(1, 0);
int snprintf(char *buf, size_t n, const char *fmt, ...) printf_like(3, 4);
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap) printf_like(3, 0);

/* Prints the reason, the transition trace, registers where known and a backtrace; stops every CPU
 * and ends QEMU with a failing exit code where it can. */
noreturn void panic(const char *fmt, ...) printf_like(1, 2);

/* The end for a reason outside the kernel: its input, the machine, process 1. One line, no trace,
 * then as panic(). */
noreturn void fatal(const char *fmt, ...) printf_like(1, 2);

/* Called once by panic(), after its own lines: prints what the port knows (kernel/port). It may be
 * called in any state of the kernel and must not rely on locks. */
void panic_hook(void);

/* Return addresses from a frame pointer on, relative to the image's first byte. */
void print_backtrace(const void *frame);

/* Ends QEMU with a failing exit code where it can (isa-debug-exit at 0xf4: code 99), else halts. */
noreturn void machine_fail(void);

/* An invariant of the kernel itself; always compiled in. */
#define kassert(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond);           \
	} while (0)

#endif
