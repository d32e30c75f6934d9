/* SPDX-License-Identifier: MIT */
/*
 * What a guest must be asked while it is there: the sizes of the pages its kernel touched, by a
 * walk of its kernel root, and how much of the kernel user mode's root maps. By what kaiser audit
 * uses.
 */
#include <stdlib.h>
#include <string.h>

#include <kaiser/verify.h>

#include "../audit/source.h"
#include "bench.h"

static int read_physical(void *ctx, uint64_t pa, void *buf, size_t n)
{
	return source_read(ctx, pa, buf, n);
}

static int by_address(const void *a, const void *b)
{
	const struct page_size *x = a, *y = b;

	return (x->va > y->va) - (x->va < y->va);
}

unsigned guest_page_shift(const struct guest_result *g, uint64_t va)
{
	struct page_size key = {.va = va};
	const struct page_size *p =
		g->sizes ? bsearch(&key, g->size, g->sizes, sizeof(key), by_address) : NULL;

	return p ? p->shift : 12;
}

/* All pages that the runs touched, each once. */
static int collect(struct guest_result *g)
{
	size_t n = 0, kept = 0;

	for (unsigned i = 0; i < OPS; i++)
		n += g->op[i].median.records;
	g->size = malloc((n + 1) * sizeof(*g->size));
	if (!g->size)
		return -1;
	n = 0;
	for (unsigned i = 0; i < OPS; i++) {
		const struct run *r = &g->op[i].median;
		uint64_t last = 1;

		for (size_t k = 0; k < r->records; k++) {
			uint64_t va = r->record[k].va & ~UINT64_C(0xfff);

			if (va != last)
				g->size[n++] = (struct page_size){va, 12};
			last = va;
		}
	}
	qsort(g->size, n, sizeof(*g->size), by_address);
	for (size_t i = 0; i < n; i++)
		if (!kept || g->size[kept - 1].va != g->size[i].va)
			g->size[kept++] = g->size[i];
	g->sizes = kept;
	return 0;
}

static unsigned shift_of(uint64_t size)
{
	unsigned shift = 0;

	while (size > 1) {
		size >>= 1;
		shift++;
	}
	return shift;
}

static void ask_sizes(struct guest_result *g, const struct kaiser_machine *m, uint64_t root)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->sizes; i++) {
		struct kaiser_visit v;

		if (!kaiser_translate(m, root, g->size[i].va, &v) || v.size <= 4096)
			continue;
		g->size[kept] = g->size[i];
		g->size[kept++].shift = shift_of(v.size);
	}
	g->sizes = kept;
}

/* A kernel that isolates keeps its own root one page before user mode's. */
static uint64_t kernel_root(struct source *s, uint64_t cr3, bool isolated)
{
	uint64_t root = cr3 & UINT64_C(0x000ffffffffff000);

	(void)s;
	return isolated ? root & ~UINT64_C(0x1000) : root;
}

int pages_ask(struct guest_result *g, const char *qmp, char *error, size_t size)
{
	struct source *s = calloc(1, sizeof(*s));
	struct kaiser_machine m;
	struct kaiser_totals t;
	const struct source_cpu *c;

	if (!s || collect(g)) {
		free(s);
		snprintf(error, size, "out of memory");
		return -1;
	}
	if (source_qemu(s, qmp, NULL, 10000)) {
		snprintf(error, size, "the guest's memory cannot be read: %s", s->error);
		source_close(s);
		free(s);
		return -1;
	}
	c = &s->cpu[0];
	m = (struct kaiser_machine){
		.known = c->known,
		.cr3 = c->cr3,
		.cr4 = c->cr4,
		.efer = c->efer,
		.pa_bits = s->pa_bits,
		.user_half_stable = true,
		.foreign_kernel = true,
		.ctx = s,
		.read = read_physical,
	};
	if (c->cpl == 3) {
		kaiser_totals(&m, &t);
		g->supervisor_pages = t.pages;
		g->supervisor_writable = t.writable;
		g->totals_known = t.complete;
	}
	ask_sizes(g, &m, kernel_root(s, c->cr3, g->config.pti && (c->cr3 & 0x1000)));
	source_close(s);
	free(s);
	return 0;
}
