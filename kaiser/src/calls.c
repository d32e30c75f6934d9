/* SPDX-License-Identifier: MIT */
/*
 * Running a function on other CPUs: by the host's own means, or, where it has none, by an
 * interrupt.
 *
 * One call at a time for the whole machine. The caller owns `busy` and writes what is to be run;
 * then `waiting`, the CPUs that it waits for; then `asked`, those that have not begun. A CPU takes
 * its part by clearing its bit in `asked`, runs it, and clears its bit in `waiting`. Whoever clears
 * the bit in `asked` has the part to himself, so an interrupt that comes late, twice or for nothing
 * finds nothing to do. And a CPU that leaves, its interrupts off for ever, needs no lock and waits
 * for nobody: it goes out of `live`, and the caller, who looks there while it waits, takes its
 * part.
 *
 * What must never happen: that two CPUs wait for each other, each with interrupts off. So whoever
 * waits for `busy` serves; who owns it has nothing to serve, since nobody else can ask meanwhile.
 */
#include "internal.h"

void kaiser_call_pass_by(struct kaiser *k, uint64_t cpus)
{
	uint64_t taken = __atomic_fetch_and(&k->call.asked, ~cpus, __ATOMIC_ACQ_REL) & cpus;

	__atomic_and_fetch(&k->call.waiting, ~taken, __ATOMIC_RELEASE);
}

void kaiser_serve_call(struct kaiser *k)
{
	uint64_t flags = hw_irq_save();
	uint64_t self = cpu_bit(hw_this_cpu());

	if ((__atomic_load_n(&k->call.asked, __ATOMIC_RELAXED) & self) &&
	    (__atomic_fetch_and(&k->call.asked, ~self, __ATOMIC_ACQ_REL) & self)) {
		k->call.fn(k->call.arg);
		__atomic_and_fetch(&k->call.waiting, ~self, __ATOMIC_RELEASE);
	}
	hw_irq_restore(flags);
}

/* Interrupts are off: whoever owns `busy` is not switched away. */
static void call_by_interrupt(struct kaiser *k, uint64_t mask, void (*fn)(void *arg), void *arg)
{
	uint64_t gone;

	while (__atomic_exchange_n(&k->call.busy, true, __ATOMIC_ACQUIRE)) {
		kaiser_serve_call(k);
		__builtin_ia32_pause();
	}
	k->call.fn = fn;
	k->call.arg = arg;
	__atomic_store_n(&k->call.waiting, mask, __ATOMIC_RELAXED);
	__atomic_store_n(&k->call.asked, mask, __ATOMIC_SEQ_CST);
	/* WRMSR to the x2APIC waits for no store: SDM volume 3, 10.12.3. */
	__asm__ volatile("mfence\n\tlfence" ::: "memory");
	k->cfg.ops->interrupt_cpus(k->cfg.ctx, mask);
	while (__atomic_load_n(&k->call.waiting, __ATOMIC_ACQUIRE)) {
		gone = __atomic_load_n(&k->call.asked, __ATOMIC_RELAXED) &
		       ~__atomic_load_n(&k->live, __ATOMIC_SEQ_CST);
		if (gone)
			kaiser_call_pass_by(k, gone);
		__builtin_ia32_pause();
	}
	__atomic_store_n(&k->call.busy, false, __ATOMIC_RELEASE);
}

void kaiser_call_cpus(struct kaiser *k, uint64_t mask, void (*fn)(void *arg), void *arg)
{
	const struct kaiser_ops *ops = k->cfg.ops;
	uint64_t flags = hw_irq_save();
	uint64_t self = self_bit(k);

	mask &= __atomic_load_n(&k->live, __ATOMIC_SEQ_CST);
	if (mask & self)
		fn(arg);
	mask &= ~self;
	if (mask && !ops->call_cpus)
		call_by_interrupt(k, mask, fn, arg);
	hw_irq_restore(flags);
	if (mask && ops->call_cpus)
		ops->call_cpus(k->cfg.ctx, mask, fn, arg);
}
