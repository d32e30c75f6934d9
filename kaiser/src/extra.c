/* SPDX-License-Identifier: MIT */
/*
 * What a host must let user mode's table map besides: buffers that hardware writes while user mode
 * runs, such as a debug store. They lie at the window's end, a part for each CPU, in the kernel
 * roots of all and in the user roots of the CPU concerned; so their address is one of the window's,
 * and tells as little. What is in them is visible like the rest of the window: the host's to watch.
 */
#include "internal.h"

static uint64_t area(const struct kaiser *k, unsigned cpu)
{
	return k->cfg.window + (uint64_t)(k->cfg.cpus + 1) * KAISER_CPU_STRIDE +
	       (uint64_t)cpu * k->cfg.extra_pages * KAISER_PAGE_SIZE;
}

/* The first of `pages` pages of the CPU's part in which nothing is; extra_pages if there is no such
 * room. */
static unsigned find_room(const struct kaiser_cpu *c, unsigned pages)
{
	unsigned limit = c->k->cfg.extra_pages;

	for (unsigned first = 0; first + pages <= limit; first++) {
		bool is_free = true;
		for (unsigned i = 0; i < KAISER_EXTRAS; i++) {
			const struct kaiser_extra *x = &c->extra[i];
			is_free &= !x->pages || first + pages <= x->first ||
				   first >= x->first + x->pages;
		}
		if (is_free)
			return first;
	}
	return limit;
}

/* On the CPU whose pages went: what was cached of them under user PCIDs goes with the next exits.
 * Without PCIDs each exit flushes, and this interrupt leads to one. */
static void drop_here(void *arg)
{
	struct kaiser_cpu *c = hw_this_cpu();

	(void)arg;
	for (unsigned i = 0; i < c->slots; i++)
		kaiser_slot_user_stale(c, &c->slot[i]);
}

/* Takes out the first `user` pages of the user root and the first `kernel` of the kernel's. */
static void take_out(struct kaiser *k, struct kaiser_cpu *c, uint64_t at, unsigned user,
		     unsigned kernel)
{
	for (unsigned i = 0; i < user; i++)
		__atomic_store_n(kaiser_window_leaf(k, c, at + i * KAISER_PAGE_SIZE), 0,
				 __ATOMIC_RELEASE);
	if (user)
		kaiser_call_cpus(k, cpu_bit(c), drop_here, NULL);
	for (unsigned i = 0; i < kernel; i++)
		kaiser_kunmap(k, at + i * KAISER_PAGE_SIZE);
}

int kaiser_extra_add(struct kaiser *k, unsigned cpu, void *va, unsigned pages, unsigned prot,
		     uint64_t *at)
{
	struct kaiser_cpu *c = cpu < k->cfg.cpus ? k->cpu[cpu] : NULL;
	struct kaiser_extra *x = NULL;
	uint64_t bits = (k->nx ? PTE_NX : 0) | (prot & KAISER_PROT_W ? PTE_W : 0), base;
	unsigned first, user = 0, kernel = 0;
	int err = KAISER_OK;

	if (!c || !va || !at || !pages || ((uintptr_t)va & (KAISER_PAGE_SIZE - 1)) ||
	    (prot & ~(unsigned)KAISER_PROT_W))
		return KAISER_E_ARG;
	first = find_room(c, pages);
	for (unsigned i = 0; i < KAISER_EXTRAS && !x; i++)
		if (!c->extra[i].pages)
			x = &c->extra[i];
	if (first == k->cfg.extra_pages || !x)
		return KAISER_E_STATE;
	base = area(k, cpu) + (uint64_t)first * KAISER_PAGE_SIZE;
	*x = (struct kaiser_extra){
		.first = first, .pages = pages, .prot = prot}; /* allowed first */
	for (; kernel < pages && !err; kernel += !err)
		err = kaiser_kmap(k, base + kernel * KAISER_PAGE_SIZE,
				  (char *)va + kernel * KAISER_PAGE_SIZE, prot);
	for (; user < pages && !err; user += !err)
		err = kaiser_window_map(k, c, base + user * KAISER_PAGE_SIZE,
					(char *)va + user * KAISER_PAGE_SIZE, bits);
	if (err) {
		take_out(k, c, base, user, kernel);
		x->pages = 0;
		return err;
	}
	*at = base;
	return KAISER_OK;
}

int kaiser_extra_remove(struct kaiser *k, unsigned cpu, uint64_t at)
{
	struct kaiser_cpu *c = cpu < k->cfg.cpus ? k->cpu[cpu] : NULL;

	for (unsigned i = 0; c && i < KAISER_EXTRAS; i++) {
		struct kaiser_extra *x = &c->extra[i];
		if (!x->pages || at != area(k, cpu) + (uint64_t)x->first * KAISER_PAGE_SIZE)
			continue;
		take_out(k, c, at, x->pages, x->pages);
		x->pages = 0;
		return KAISER_OK;
	}
	return KAISER_E_ARG;
}

uint64_t kaiser_extra_va(const struct kaiser_cpu *c, const struct kaiser_extra *x)
{
	return area(c->k, c->number) + (uint64_t)x->first * KAISER_PAGE_SIZE;
}
