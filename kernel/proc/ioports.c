/* SPDX-License-Identifier: MIT */
/*
 * ioperm and iopl: Linux's, a thread's own. The bitmap is shared until one of its owners changes
 * it. iopl(3) is the bitmap in which everything is allowed, since with a real IOPL of 3 a program
 * could disable interrupts; the other levels allow nothing, as ring 3 has no use for them. As on
 * Linux, fork and clone hand ports on, and exec keeps them: a privileged starter can so give ports
 * to a program that has no other privilege.
 */
#include "cpu.h"
#include "port.h"
#include "printk.h"
#include "proc.h"
#include "slab.h"
#include "syscall.h"

enum { PORTS = 65536, IOPL_ALL = 3 };

struct ioports {
	int refs;    /* threads. Atomic */
	uint64_t id; /* of the contents; never used twice */
	uint64_t denied[KAISER_IOMAP_BYTES / 8];
};

static struct ioports all_ports = {.id = 1}; /* iopl(3) */
static uint64_t last_id = 1;                 /* atomic */
static struct mutex enable_lock;
static bool enabled;

void ioports_init(void)
{
	mutex_init(&enable_lock);
}

void ioports_switch(const struct task *t)
{
	const struct ioports *p = t->iopl == IOPL_ALL ? &all_ports : t->ioports;

	kaiser_iomap_load(&kaiser, p ? p->denied : NULL, p ? p->id : 0);
}

static int enable(void)
{
	int err = 0;

	mutex_lock(&enable_lock);
	if (!enabled && kaiser_iomap_enable(&kaiser) != KAISER_OK)
		err = -ENOMEM;
	enabled |= !err;
	mutex_unlock(&enable_lock);
	return err;
}

static void put(struct ioports *p)
{
	if (p && __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(p);
}

void ioports_fork(struct task *child, const struct task *t)
{
	child->iopl = t->iopl;
	child->ioports = t->ioports;
	if (t->ioports)
		__atomic_add_fetch(&t->ioports->refs, 1, __ATOMIC_RELAXED);
}

void ioports_exit(struct task *t)
{
	put(t->ioports);
	t->ioports = NULL;
}

static void load_now(void)
{
	uint64_t irq = irq_save();

	ioports_switch(current);
	irq_restore(irq);
}

/* A bitmap that is the thread's alone; NULL: no memory. */
static struct ioports *own(struct ioports *old)
{
	struct ioports *p;

	if (old && __atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) == 1)
		return old;
	p = kmalloc(sizeof(*p));
	if (!p)
		return NULL;
	if (old)
		memcpy(p->denied, old->denied, sizeof(p->denied));
	else
		memset(p->denied, 0xff, sizeof(p->denied));
	p->refs = 1;
	return p;
}

SYSCALL3(ioperm, uint64_t, from, uint64_t, num, int, on)
{
	struct task *t = current;
	struct ioports *p, *old = t->ioports;
	uint64_t irq;
	int err;

	if (from + num <= from || from + num > PORTS)
		return -EINVAL;
	if (on && t->proc->cred.euid != 0)
		return -EPERM;
	if (!on && !old)
		return 0;
	err = enable();
	p = err ? NULL : own(old);
	if (!p)
		return -ENOMEM;
	irq = irq_save(); /* or a switch would load it half changed */
	for (uint64_t port = from; port < from + num; port++)
		if (on)
			p->denied[port / 64] &= ~BIT(port % 64);
		else
			p->denied[port / 64] |= BIT(port % 64);
	p->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	t->ioports = p;
	ioports_switch(t);
	irq_restore(irq);
	if (p != old)
		put(old);
	return 0;
}

SYSCALL1(iopl, unsigned, level)
{
	struct task *t = current;

	if (level > IOPL_ALL)
		return -EINVAL;
	if (level > t->iopl && t->proc->cred.euid != 0)
		return -EPERM;
	if (level == IOPL_ALL && enable())
		return -ENOMEM;
	t->iopl = (uint8_t)level;
	load_now();
	return 0;
}
