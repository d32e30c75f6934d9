/* SPDX-License-Identifier: MIT */
/* Stands in for kernel/include/spinlock.h in host tests (-include): one thread, no interrupts. */
#ifndef KERNEL_SPINLOCK_H
#define KERNEL_SPINLOCK_H

#include <stdint.h>
#include <stdlib.h>

typedef struct {
	uint32_t held;
} spinlock_t;

#define SPINLOCK_INIT \
	{             \
		0     \
	}

static inline void spin_lock(spinlock_t *l)
{
	if (l->held)
		abort();
	l->held = 1;
}

static inline void spin_unlock(spinlock_t *l)
{
	if (!l->held)
		abort();
	l->held = 0;
}

static inline uint64_t irq_save(void)
{
	return 0;
}

static inline void irq_restore(uint64_t flags)
{
	(void)flags;
}

static inline uint64_t spin_lock_irqsave(spinlock_t *l)
{
	spin_lock(l);
	return 0;
}

static inline void spin_unlock_irqrestore(spinlock_t *l, uint64_t flags)
{
	(void)flags;
	spin_unlock(l);
}

#endif
