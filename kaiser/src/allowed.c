/* SPDX-License-Identifier: MIT */
/* What the user roots of a CPU may map in the kernel half, by name: four pages, and what the space
 * that is loaded has asked for. */
#include "internal.h"
#include "verify_internal.h"

static struct kaiser_allowed *add(struct kaiser_allowed *a, uint64_t start, uint64_t bytes,
				  unsigned rights, const char *name)
{
	*a = (struct kaiser_allowed){
		.start = start, .end = start + bytes, .rights = rights, .name = name};
	return a;
}

size_t kaiser_allowed_list(const struct kaiser *k, const struct kaiser_cpu *c, uint64_t ldt,
			   struct kaiser_allowed *list)
{
	uint64_t base = cpu_base(k, c->number), window = k->cfg.window;
	struct kaiser_allowed *a = list;

	add(a++, window + KAISER_WIN_IDT, KAISER_PAGE_SIZE, 0, "IDT");
	add(a++, window + KAISER_WIN_TEXT, KAISER_PAGE_SIZE, KAISER_MAY_EXEC, "gate text")
		->two_views = true;
	add(a++, base + KAISER_CPU_DESC, KAISER_PAGE_SIZE, 0, "descriptors");
	add(a++, base + KAISER_CPU_ENTRY, KAISER_PAGE_SIZE, KAISER_MAY_WRITE, "entry page");
	if (ldt) {
		add(a, kaiser_ldt_va(k), (uint64_t)kaiser_ldt_pages(ldt) * KAISER_PAGE_SIZE, 0,
		    "LDT")
			->users = true;
		a++;
		/* The entry page again, where a 16-bit stack needs it. */
		add(a, kaiser_slot_va(k, k->cfg.ldt_top + 1), UINT64_C(1) << 32, KAISER_MAY_WRITE,
		    "entry page for 16-bit stacks");
		a->users = a->optional = true;
		a++;
	}
	if (c->iomap_slots) {
		add(a, base + KAISER_CPU_IOMAP, KAISER_IOMAP_PAGES * KAISER_PAGE_SIZE, 0,
		    "I/O bitmap")
			->users = true;
		a++;
	}
	for (unsigned i = 0; i < KAISER_EXTRAS; i++) {
		const struct kaiser_extra *x = &c->extra[i];
		if (!x->pages)
			continue;
		add(a, kaiser_extra_va(c, x), (uint64_t)x->pages * KAISER_PAGE_SIZE,
		    x->prot & KAISER_PROT_W ? KAISER_MAY_WRITE : 0, "extra mapping")
			->optional = true;
		a++;
	}
	return (size_t)(a - list);
}
