/* SPDX-License-Identifier: MIT */
/* From an interrupt's vector to its handler. */
#include "apic.h"
#include "cpu.h"
#include "printk.h"

static irq_handler *handlers[256] = {
	[VEC_TIMER] = timer_irq,
	[VEC_RESCHED] = resched_irq,
	[VEC_CALL] = call_irq,
	[VEC_STOP] = stop_irq,
};

void irq_register(unsigned vector, irq_handler *fn)
{
	kassert(vector >= 32 && vector < ARRAY_SIZE(handlers));
	__atomic_store_n(&handlers[vector], fn, __ATOMIC_RELEASE);
}

void irq_dispatch(struct pt_regs *regs, unsigned vector)
{
	static uint64_t told[4]; /* a bit per vector: unexpected ones are reported once */

	/* The APIC's spurious vector is the one interrupt that must not be acknowledged. */
	if (vector == VEC_SPURIOUS || vector < 32 || vector >= ARRAY_SIZE(handlers))
		return;
	this_cpu()->interrupts++;
	irq_handler *fn = __atomic_load_n(&handlers[vector], __ATOMIC_ACQUIRE);
	if (fn != NULL)
		fn(regs);
	else if (!(__atomic_fetch_or(&told[vector / 64], BIT(vector % 64), __ATOMIC_RELAXED) &
		   BIT(vector % 64)))
		printk("irq: unexpected interrupt, vector %#x\n", vector);
	/* Last, so that a level-triggered line is quiet by now; interrupts are off all along. */
	lapic_eoi();
}

/* The 8259s are moved away from the exceptions' vectors first: a spurious interrupt of theirs
 * cannot be masked. Absent ones ignore all this. */
void pic_disable(void)
{
	enum { MASTER = 0x20, SLAVE = 0xa0, BASE = 0xe0 };
	static const struct {
		uint16_t port;
		uint8_t init[4]; /* edge, 4 words; vector base; cascade; 8086 mode */
	} pic[] = {
		{MASTER, {0x11, BASE, 4, 1}},
		{SLAVE, {0x11, BASE + 8, 2, 1}},
	};
	for (unsigned p = 0; p < ARRAY_SIZE(pic); p++) {
		outb((uint16_t)(pic[p].port + 1), 0xff);
		for (unsigned i = 0; i < ARRAY_SIZE(pic[p].init); i++) {
			outb((uint16_t)(pic[p].port + (i != 0)), pic[p].init[i]);
			outb(0x80, 0); /* old chips need a moment between words */
		}
		outb((uint16_t)(pic[p].port + 1), 0xff);
	}
}
