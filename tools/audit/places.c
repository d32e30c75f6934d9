/* SPDX-License-Identifier: MIT */
/*
 * Where a kernel lies that nobody described: its image, and its mapping of all physical memory.
 * Both are runs of the kernel's root: addresses at one distance from their frames, with holes or
 * none. The longest run, if it is long, is memory; of the others the one with the most code is the
 * image. With symbols the image is where they are.
 */
#include <stdlib.h>
#include <string.h>

#include <kaiser/verify.h>

#include "audit.h"

#define PAGE       UINT64_C(0x1000)
#define HOLE       (UINT64_C(64) << 20) /* of one run, at most */
#define LONG_PAGES (UINT64_C(64) << 20 >> 12)

struct run {
	uint64_t start, end, pages, code;
};

struct search {
	struct run now, longest;
	struct run image; /* the most code of all but the longest */
	uint64_t distance, long_pages;
};

static void consider(struct search *s)
{
	struct run r = s->now;

	if (r.pages >= s->long_pages && r.pages > s->longest.pages) {
		struct run was = s->longest;

		s->longest = r;
		r = was;
	}
	if (r.code > s->image.code)
		s->image = r;
	s->now = (struct run){0};
}

static int take(void *arg, const struct kaiser_visit *v)
{
	struct search *s = arg;
	uint64_t n = v->size / PAGE;

	if (v->kind != KAISER_VISIT_LEAF || (v->rights & KAISER_MAY_USER))
		return 0;
	if (!s->now.pages || v->va - v->pa != s->distance || v->va - s->now.end > HOLE) {
		consider(s);
		s->distance = v->va - v->pa;
		s->now.start = v->va;
	}
	s->now.end = v->va + v->size;
	s->now.pages += n;
	s->now.code += v->rights & KAISER_MAY_EXEC ? n : 0;
	return 0;
}

void places_find(struct places *p, const struct kaiser_machine *m, const struct symbols *symbols)
{
	struct search s = {.long_pages = LONG_PAGES};

	if (m->ram_pages && m->ram_pages / 2 < s.long_pages)
		s.long_pages = m->ram_pages / 2;
	kaiser_walk(m, m->kernel_root, KAISER_KERNEL_HALF, false, take, &s);
	consider(&s);
	p->looked = true;
	p->direct_start = s.longest.start;
	p->direct_end = s.longest.end;
	/* A kernel with one mapping for everything. */
	p->image_start = s.image.code ? s.image.start : s.longest.code ? s.longest.start : 0;
	p->image_end = s.image.code ? s.image.end : s.longest.code ? s.longest.end : 0;
	symbols_extent(symbols, &p->image_start, &p->image_end);
}

/* ---- where the visible ranges begin ---- */

struct starts {
	uint64_t *list, end;
	size_t count, max;
};

static int take_start(void *arg, const struct kaiser_visit *v)
{
	struct starts *s = arg;
	bool follows = s->count && v->va == s->end;

	if (v->kind != KAISER_VISIT_LEAF || ((v->rights & KAISER_MAY_USER) && !(v->va >> 63)))
		return 0;
	s->end = v->va + v->size;
	if (!follows && s->count < s->max)
		s->list[s->count++] = v->va;
	return 0;
}

size_t places_visible(const struct kaiser_machine *m, uint64_t *list, size_t max)
{
	struct starts s = {.list = list, .max = max};

	kaiser_walk(m, m->cr3, KAISER_BOTH_HALVES, false, take_start, &s);
	return s.count;
}
