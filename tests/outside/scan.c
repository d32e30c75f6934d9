/* SPDX-License-Identifier: MIT */
/*
 * What the bytes of visible supervisor memory tell: an address out of the window, a root.
 *
 * Read at an odd offset, an honest pointer into the window looks like another address: the bytes
 * before it, and 0xffff from it. So pointers into the window are marked first, descriptors when
 * they are put together, and eight bytes count only if the two highest of them, without which no
 * eight bytes are a kernel address, are not marked. In machine code even that is too much: any
 * negative distance ends in 0xffff. There a value counts if the kernel's root maps it; and look.c
 * compares the code of several boots, byte by byte.
 */
#include <string.h>

#include "look.h"

#define SMALL_NEGATIVE (UINT64_MAX - 0xffff) /* numbers, not addresses: vectors, errors */

struct scan {
	struct look *l;
	unsigned cpu;
	const struct walk_leaf *leaf;
	uint8_t byte[WALK_PAGE + 8];
	bool marked[WALK_PAGE + 8];
};

static uint64_t value(const struct scan *s, unsigned at)
{
	uint64_t v;

	memcpy(&v, s->byte + at, 8);
	return v;
}

static bool in_window(const struct look *l, uint64_t v)
{
	return v >= l->window && v < l->window_end;
}

static void mark(struct scan *s, unsigned at, unsigned n)
{
	for (unsigned i = 0; i < n && at + i < WALK_PAGE; i++)
		s->marked[at + i] = true;
}

static void split_address(struct scan *s, unsigned at, unsigned n, uint64_t v, const char *what)
{
	if (in_window(s->l, v))
		mark(s, at, n);
	else if (v)
		look_found(s->l, LOOK_ADDRESSES, s->cpu, "%s at %#lx: %#lx, outside the window",
			   what, s->leaf->va + at, v);
}

static void gates(struct scan *s)
{
	for (unsigned i = 0; i < WALK_PAGE; i += 16) {
		uint64_t a = value(s, i), b = value(s, i + 8);

		split_address(s, i, 16, (a & 0xffff) | (a >> 32 & 0xffff0000) | b << 32, "a gate");
		if (b >> 32)
			look_found(s->l, LOOK_ADDRESSES, s->cpu,
				   "gate %u holds %#lx where nothing is", i / 16, b >> 32);
	}
}

static void descriptors(struct scan *s)
{
	const struct vm_cpu *r = &s->l->regs[s->cpu];
	unsigned first = (unsigned)(r->gdt.base - s->leaf->va);

	for (unsigned i = 0; i + 7 <= r->gdt.limit && first + i + 16 <= WALK_PAGE; i += 8) {
		uint64_t d = value(s, first + i), high = 0;
		bool system = d >> 47 & 1 && !(d >> 44 & 1);

		if (system)
			high = value(s, first + i + 8) << 32;
		split_address(s, first + i, system ? 16 : 8,
			      (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000) | high, "a segment");
		i += system ? 8 : 0;
	}
}

static void look_for_address(struct scan *s, unsigned at)
{
	const struct look_cpu *c = &s->l->cpu[s->cpu];
	uint64_t v = value(s, at);
	struct walk_leaf leaf;

	if (!walk_kernel_half(&c->user, v) || in_window(s->l, v))
		return;
	/* By its form alone, in data; with five levels one byte in 256 has that form. */
	if (s->leaf->exec || c->user.five_levels
		    ? !walk_to(&c->kernel, v, &leaf) && !walk_to(&c->kernel, v - 1, &leaf)
		    : v >= SMALL_NEGATIVE || (s->marked[at + 6] && s->marked[at + 7]))
		return;
	look_found(s->l, LOOK_ADDRESSES, s->cpu, "at %#lx: %#lx, outside the window",
		   s->leaf->va + at, v);
}

/* A root's address with any of the bits that CR3 or a table entry adds; in data also alone in four
 * bytes, and its frame's number, where nothing else has been made out. */
static void look_for_root(struct scan *s, unsigned at)
{
	uint64_t v = value(s, at);
	bool four = !s->leaf->exec && !s->marked[at] && !s->marked[at + 1] && !s->marked[at + 2] &&
		    !s->marked[at + 3];

	for (unsigned i = 0; i < s->l->roots; i++) {
		uint64_t root = s->l->root[i];

		if (((v & UINT64_C(0x000ffffffffff000)) == root && (v >> 52 & 0x7ff) == 0) ||
		    (four && ((uint32_t)v == root || (uint32_t)v == root >> 12)))
			look_found(s->l, LOOK_ROOTS, s->cpu, "at %#lx: %#lx, and %#lx is a root",
				   s->leaf->va + at, v, root);
	}
}

void look_scan(struct look *l, unsigned cpu)
{
	static struct scan s;
	struct look_cpu *c = &l->cpu[cpu];

	for (unsigned i = 0; i < c->leaves; i++) {
		const uint8_t *page = vm_memory(l->vm, c->leaf[i].pa, WALK_PAGE);

		if (!page)
			continue;
		memset(&s, 0, sizeof(s));
		s.l = l;
		s.cpu = cpu;
		s.leaf = &c->leaf[i];
		memcpy(s.byte, page, WALK_PAGE);
		for (unsigned at = 0; at + 8 <= WALK_PAGE; at++)
			if (in_window(l, value(&s, at)) ||
			    (at % 8 == 0 && value(&s, at) >= SMALL_NEGATIVE))
				mark(&s, at, 8);
		if (s.leaf == c->idt)
			gates(&s);
		if (s.leaf == c->descriptors)
			descriptors(&s);
		for (unsigned at = 0; at + 4 <= WALK_PAGE; at++) {
			if (at + 8 <= WALK_PAGE)
				look_for_address(&s, at);
			look_for_root(&s, at);
		}
	}
}
