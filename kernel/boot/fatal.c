/* SPDX-License-Identifier: MIT */
/* The boot code's last words, and the early exceptions': polled output, no driver needed. */
#include "local.h"

#include "cpu.h"
#include "printk.h"

#define COM1        0x3f8
#define COM1_LCR    (COM1 + 3)
#define LCR_DIVISOR 0x80
#define LCR_8N1     3
#define COM1_LSR    (COM1 + 5)
#define LSR_EMPTY   0x20
#define WAIT_TURNS  100000

void boot_serial_init(void)
{
	outb(COM1_LCR, LCR_DIVISOR | LCR_8N1);
	outb(COM1, 1);
	outb(COM1 + 1, 0);
	outb(COM1_LCR, LCR_8N1);
}

static void put(char c)
{
	for (unsigned i = 0; i < WAIT_TURNS && !(inb(COM1_LSR) & LSR_EMPTY); i++)
		cpu_relax();
	outb(COM1, (uint8_t)c);
}

static void line(const char *fmt, va_list ap)
{
	char buf[320];

	vsnprintf(buf, sizeof(buf), fmt, ap);
	for (const char *s = "boot: "; *s; s++)
		put(*s);
	for (const char *s = buf; *s; s++)
		put(*s);
	put('\r');
	put('\n');
}

void boot_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

noreturn void boot_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
	machine_fail();
}

noreturn void boot_exception(const struct boot_frame *f, uint64_t bp, uint64_t cr2)
{
	boot_fatal("exception %lu, error 0x%lx, at 0x%lx (image+0x%lx), cr2 0x%lx, cs 0x%lx, "
		   "flags 0x%lx, sp 0x%lx, bp 0x%lx",
		   f->vector, f->error, f->ip, f->ip - (uint64_t)(uintptr_t)kernel_image_start, cr2,
		   f->cs, f->flags, f->sp, bp);
}
