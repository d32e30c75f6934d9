/* SPDX-License-Identifier: MIT */
/*
 * I/O ports for user mode. The CPU reads a bit a port from behind the TSS, by an address of the
 * window and under the user root. So a CPU has three pages for it, next to the descriptors: 8192
 * bytes that a thread's bitmap is copied to when it comes to run, and a byte of ones that the CPU
 * reads together with the last. They are in the user root only while such a thread runs; else the
 * base in the TSS lies beyond its limit, which never changes. The pages belong to the CPU, not to
 * the program: nothing is freed under a translation, and what is cached of them is never wrong,
 * only more than it should be, until the user PCIDs that have seen them are flushed.
 *
 * IOPL is 0 for all: with 3 a program could disable interrupts.
 */
#include "internal.h"

#define IOMAP_PAGE     (KAISER_CPU_IOMAP / KAISER_PAGE_SIZE)
#define TSS_IOMAP_BASE 0x66

static void set_base(struct kaiser_cpu *c, uint16_t base)
{
	char *desc = c->page[KAISER_CPU_DESC / KAISER_PAGE_SIZE];

	__atomic_store_n((uint16_t *)(desc + KAISER_TSS_OFF + TSS_IOMAP_BASE), base,
			 __ATOMIC_RELEASE);
}

/* The user root's entries. The slot's count tells verify_self.c that it changed. */
static void show(struct kaiser_cpu *c, bool shown)
{
	const struct kaiser *k = c->k;
	struct kaiser_slot *s = &c->slot[c->loaded];
	uint64_t va = cpu_base(k, c->number) + KAISER_CPU_IOMAP, nx = k->nx ? PTE_NX : 0;

	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (unsigned i = 0; i < KAISER_IOMAP_PAGES; i++, va += KAISER_PAGE_SIZE) {
		uint64_t pa = k->cfg.ops->virt_to_phys(k->cfg.ctx, c->page[IOMAP_PAGE + i]);
		__atomic_store_n(kaiser_window_leaf(k, c, va),
				 shown ? pa | PTE_P | PTE_A | PTE_D | nx : 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELEASE);
}

int kaiser_iomap_cpu_alloc(struct kaiser *k, struct kaiser_cpu *c)
{
	unsigned char *end;
	int err;

	if (c->page[IOMAP_PAGE])
		return KAISER_OK;
	err = kaiser_run_alloc(k, c->number, KAISER_CPU_IOMAP, KAISER_IOMAP_PAGES, KAISER_PROT_R,
			       c->page);
	if (err) {
		kaiser_run_free(k, c->number, KAISER_CPU_IOMAP, KAISER_IOMAP_PAGES, c->page);
		return err;
	}
	end = c->page[IOMAP_PAGE + KAISER_IOMAP_BYTES / KAISER_PAGE_SIZE];
	for (unsigned i = 0; i < KAISER_PAGE_SIZE; i++)
		end[i] = 0xff;
	return KAISER_OK;
}

int kaiser_iomap_enable(struct kaiser *k)
{
	for (unsigned cpu = 0; cpu < k->cfg.cpus; cpu++) {
		int err = k->cpu[cpu] ? kaiser_iomap_cpu_alloc(k, k->cpu[cpu]) : KAISER_OK;
		if (err)
			return err;
	}
	__atomic_store_n(&k->iomaps, true, __ATOMIC_RELEASE);
	return KAISER_OK;
}

void kaiser_iomap_clear(struct kaiser_cpu *c)
{
	if (!c->iomap_slots)
		return;
	set_base(c, KAISER_TSS_NO_IOMAP);
	show(c, false);
	for (unsigned i = 0; i < c->slots; i++)
		if (c->iomap_slots & 1u << i)
			kaiser_slot_user_stale(c, &c->slot[i]);
	c->iomap_slots = 0;
}

void kaiser_iomap_load(struct kaiser *k, const uint64_t denied[KAISER_IOMAP_BYTES / 8], uint64_t id)
{
	struct kaiser_cpu *c = hw_this_cpu();

	if (!denied || !__atomic_load_n(&k->iomaps, __ATOMIC_ACQUIRE)) {
		kaiser_iomap_clear(c);
		return;
	}
	if (c->iomap_id != id) {
		for (unsigned i = 0; i < KAISER_IOMAP_BYTES / 8; i++) {
			uint64_t *page = c->page[IOMAP_PAGE + i * 8 / KAISER_PAGE_SIZE];
			page[i % (KAISER_PAGE_SIZE / 8)] = denied[i];
		}
		c->iomap_id = id;
	}
	if (!c->iomap_slots) {
		show(c, true);
		set_base(c, KAISER_TSS_IOMAP);
	}
	c->iomap_slots |= 1u << c->loaded;
}
