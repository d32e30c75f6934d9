/* SPDX-License-Identifier: MIT */
/*
 * The log goes straight to the serial line. The lock is held for one call; who cannot have it in
 * reasonable time was most likely called on top of its holder, by an NMI: such a line is dropped,
 * or in a panic written regardless.
 */
#include "format.h"

#include "cpu.h"
#include "lib.h"

#define LOCK_TURNS 20000000 /* far longer than the longest line takes */

static spinlock_t lock;
static bool forced;
static unsigned dropped;

void printk_force(void)
{
	__atomic_store_n(&forced, true, __ATOMIC_SEQ_CST);
}

static bool lock_bounded(void)
{
	bool in_panic = __atomic_load_n(&forced, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < LOCK_TURNS / (in_panic ? 20 : 1); i++) {
		if (spin_trylock(&lock))
			return true;
		cpu_relax();
	}
	return false;
}

static void serial_put(struct sink *s, char c)
{
	(void)s;
	if (c == '\n')
		serial_putc('\r');
	serial_putc(c);
}

void vprintk(const char *fmt, va_list ap)
{
	struct sink s = {.put = serial_put};
	uint64_t flags = irq_save();
	bool locked = lock_bounded();

	if (locked || __atomic_load_n(&forced, __ATOMIC_RELAXED)) {
		unsigned lost = __atomic_exchange_n(&dropped, 0, __ATOMIC_RELAXED);

		format(&s, fmt, ap);
		for (; lost; lost = 0)
			for (const char *p = "(lines were dropped)\n"; *p; p++)
				serial_put(&s, *p);
	} else {
		__atomic_add_fetch(&dropped, 1, __ATOMIC_RELAXED);
	}
	if (locked)
		spin_unlock(&lock);
	irq_restore(flags);
}

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
}
