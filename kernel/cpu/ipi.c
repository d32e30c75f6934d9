/* SPDX-License-Identifier: MIT */
/*
 * Interrupts between CPUs.
 *
 * cpu_call(): every CPU owns one call slot, for a CPU makes one call at a time (it waits for the
 * end and is not preempted meanwhile), and one inbox, a bit for each caller. A caller fills its
 * slot, sets its bit in the targets' inboxes and sends the interrupt; a target empties its inbox,
 * runs what the slots of the callers it found say, and clears itself in each slot's mask of pending
 * targets. No memory, no lock: any number of callers, each other's targets as well, make progress
 * as long as they take interrupts while they wait, and one that cannot empties its inbox by hand.
 *
 * A caller that has waited for long halts, and the last target wakes it: under a hypervisor its
 * target may be waiting for the very processor that the caller would spin on.
 */
#include "apic.h"
#include "cpu.h"
#include "printk.h"

unsigned ncpus = 1;
struct cpu *cpus[MAX_CPUS] HOT_DATA;
uint32_t cpu_apic_id[MAX_CPUS];
uint64_t cpus_online = 1;

static struct {
	void (*fn)(void *arg);
	void *arg;
	uint64_t pending; /* targets that have not run it; atomic */
	bool halted;      /* the last target is to wake the caller; atomic */
} slot[MAX_CPUS];
static uint64_t inbox[MAX_CPUS]; /* callers; atomic */
static uint64_t answered;        /* CPUs that ever took VEC_CALL; atomic */

static uint32_t stopper; /* 1 + the CPU that stops the others, 0: none; atomic */
static uint64_t stopped; /* atomic */

#define SPINS_BEFORE_HALT 2000
#define CALL_PATIENCE_NS  UINT64_C(10000000000)

unsigned cpu_self(void)
{
	uint32_t id = lapic_id();
	for (unsigned i = 0; i < MAX_CPUS; i++)
		if (cpu_apic_id[i] == id &&
		    (__atomic_load_n(&cpus_online, __ATOMIC_ACQUIRE) >> i & 1))
			return i;
	return 0;
}

void ipi_send(unsigned cpu, unsigned vector)
{
	lapic_icr(cpu_apic_id[cpu], ICR_FIXED | ICR_ASSERT | vector);
}

void ipi_nmi(unsigned cpu)
{
	lapic_icr(cpu_apic_id[cpu], ICR_NMI | ICR_ASSERT);
}

/* One by one: the APIC's "all but self" would reach CPUs that were never started. */
void ipi_nmi_all_but_self(void)
{
	uint64_t others = __atomic_load_n(&cpus_online, __ATOMIC_ACQUIRE) & ~BIT(cpu_self());
	for (; others != 0; others &= others - 1)
		ipi_nmi((unsigned)__builtin_ctzll(others));
}

static void empty_inbox(unsigned self)
{
	uint64_t from = __atomic_exchange_n(&inbox[self], 0, __ATOMIC_ACQ_REL);
	for (; from != 0; from &= from - 1) {
		unsigned caller = (unsigned)__builtin_ctzll(from);
		slot[caller].fn(slot[caller].arg);
		uint64_t left =
			__atomic_and_fetch(&slot[caller].pending, ~BIT(self), __ATOMIC_SEQ_CST);
		if (left == 0 && __atomic_load_n(&slot[caller].halted, __ATOMIC_SEQ_CST))
			ipi_send(caller, VEC_CALL);
	}
}

void call_irq(unused struct pt_regs *regs)
{
	unsigned self = this_cpu()->id;
	empty_inbox(self);
	__atomic_or_fetch(&answered, BIT(self), __ATOMIC_RELEASE);
}

/* Interrupts are on. The last target either sees `halted`, or has cleared `pending` before it is
 * looked at here; its interrupt cannot come before the HLT. */
static void halt_until_done(unsigned self)
{
	irq_disable();
	__atomic_store_n(&slot[self].halted, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&slot[self].pending, __ATOMIC_SEQ_CST) != 0)
		__asm__ volatile("sti; hlt" ::: "memory");
	else
		irq_enable();
	__atomic_store_n(&slot[self].halted, false, __ATOMIC_SEQ_CST);
}

static void wait_for_targets(unsigned self)
{
	uint64_t start = clock_ns(), left;
	unsigned spins = 0;
	bool told = false;
	while ((left = __atomic_load_n(&slot[self].pending, __ATOMIC_ACQUIRE)) != 0) {
		if (!irqs_enabled())
			empty_inbox(self);
		else if (++spins > SPINS_BEFORE_HALT)
			halt_until_done(self);
		if (!told && clock_ns() - start > CALL_PATIENCE_NS) {
			told = true;
			printk("ipi: CPU %u waits for CPUs %#llx\n", self,
			       (unsigned long long)left);
		}
		cpu_relax();
	}
}

void cpu_call(uint64_t mask, void (*fn)(void *arg), void *arg)
{
	unsigned self = percpu_ready ? this_cpu()->id : 0;
	uint64_t others = mask & __atomic_load_n(&cpus_online, __ATOMIC_ACQUIRE) & ~BIT(self);

	if (others != 0) {
		kassert(__atomic_load_n(&slot[self].pending, __ATOMIC_RELAXED) == 0);
		slot[self].fn = fn;
		slot[self].arg = arg;
		__atomic_store_n(&slot[self].pending, others, __ATOMIC_RELEASE);
		for (uint64_t m = others; m != 0; m &= m - 1) {
			unsigned cpu = (unsigned)__builtin_ctzll(m);
			/* Not empty before: the interrupt for that is still to be taken. */
			if (__atomic_fetch_or(&inbox[cpu], BIT(self), __ATOMIC_ACQ_REL) == 0)
				ipi_send(cpu, VEC_CALL);
		}
	}
	if (mask & BIT(self)) {
		uint64_t flags = irq_save();
		fn(arg);
		irq_restore(flags);
	}
	if (others != 0)
		wait_for_targets(self);
}

bool cpu_probe(unsigned cpu, unsigned us)
{
	ipi_send(cpu, VEC_CALL);
	unsigned self = percpu_ready ? this_cpu()->id : 0;
	for (unsigned t = 0; t < us; t += 10) {
		if (__atomic_load_n(&answered, __ATOMIC_ACQUIRE) & BIT(cpu))
			return true;
		if (!irqs_enabled())
			empty_inbox(self);
		delay_us(10);
	}
	return false;
}

void resched_irq(unused struct pt_regs *regs)
{
	this_cpu()->need_resched = true;
	exit_work_set();
}

static noreturn void stop_here(unsigned self)
{
	__atomic_or_fetch(&stopped, BIT(self), __ATOMIC_RELEASE);
	for (;;)
		__asm__ volatile("cli; hlt" ::: "memory");
}

void stop_irq(unused struct pt_regs *regs)
{
	stop_here(cpu_self());
}

void cpu_nmi_check(void)
{
	uint32_t by = __atomic_load_n(&stopper, __ATOMIC_ACQUIRE);
	if (by == 0)
		return;
	unsigned self = cpu_self();
	if (by != self + 1)
		stop_here(self);
}

static bool all_stopped(uint64_t others, unsigned us)
{
	for (unsigned t = 0; t < us; t += 10) {
		if ((__atomic_load_n(&stopped, __ATOMIC_ACQUIRE) & others) == others)
			return true;
		delay_us(10);
	}
	return false;
}

/* First politely, so that a CPU finishes what it does with interrupts off; then by NMI. */
void cpu_stop_others(void)
{
	irq_disable();
	unsigned self = cpu_self();
	uint32_t none = 0;
	if (!__atomic_compare_exchange_n(&stopper, &none, self + 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		if (none != self + 1)
			stop_here(self);
		return;
	}
	uint64_t others = __atomic_load_n(&cpus_online, __ATOMIC_ACQUIRE) & ~BIT(self);
	if (others == 0)
		return;
	for (uint64_t m = others; m != 0; m &= m - 1)
		ipi_send((unsigned)__builtin_ctzll(m), VEC_STOP);
	if (all_stopped(others, 100000))
		return;
	ipi_nmi_all_but_self();
	all_stopped(others, 100000);
}
