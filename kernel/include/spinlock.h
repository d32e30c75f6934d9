/* SPDX-License-Identifier: MIT */
/* Spin locks. The kernel is not preempted while it runs in kernel mode, so a lock that no interrupt
 * handler takes needs only spin_lock(). Never sleep, and never flush other CPUs' TLBs, with one
 * held. */
#ifndef KERNEL_SPINLOCK_H
#define KERNEL_SPINLOCK_H

#include "base.h"

typedef struct {
	volatile uint32_t held;
} spinlock_t;

#define SPINLOCK_INIT \
	{             \
		0     \
	}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline bool spin_trylock(spinlock_t *l)
{
	return __atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE) == 0;
}

static inline void spin_lock(spinlock_t *l)
{
	while (__builtin_expect(!spin_trylock(l), false))
		while (l->held)
			cpu_relax();
}

static inline void spin_unlock(spinlock_t *l)
{
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

/* For locks that interrupt handlers take as well: returns the flags for the restore. */
static inline uint64_t irq_save(void)
{
	uint64_t flags;
	__asm__ volatile("pushfq; popq %0; cli" : "=rm"(flags)::"memory");
	return flags;
}

static inline void irq_restore(uint64_t flags)
{
	if (flags & 0x200)
		__asm__ volatile("sti" ::: "memory");
}

/* The same where interrupts are on. */
static inline void spin_lock_irq(spinlock_t *l)
{
	__asm__ volatile("cli" ::: "memory");
	spin_lock(l);
}

static inline void spin_unlock_irq(spinlock_t *l)
{
	spin_unlock(l);
	__asm__ volatile("sti" ::: "memory");
}

static inline uint64_t spin_lock_irqsave(spinlock_t *l)
{
	uint64_t flags = irq_save();
	spin_lock(l);
	return flags;
}

static inline void spin_unlock_irqrestore(spinlock_t *l, uint64_t flags)
{
	spin_unlock(l);
	irq_restore(flags);
}

#endif
