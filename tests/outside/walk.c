/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "walk.h"

#define P       (UINT64_C(1) << 0)
#define RW      (UINT64_C(1) << 1)
#define US      (UINT64_C(1) << 2)
#define PS      (UINT64_C(1) << 7)
#define G       (UINT64_C(1) << 8)
#define NX      (UINT64_C(1) << 63)
#define ADDRESS UINT64_C(0x000ffffffffff000)

#define CR4_LA57 (UINT64_C(1) << 12)
#define EFER_NXE (UINT64_C(1) << 11)

struct walk_root walk_root(const struct vm *vm, const struct vm_cpu *cpu, uint64_t cr3)
{
	return (struct walk_root){
		.vm = vm,
		.pa = cr3 & ADDRESS,
		.five_levels = cpu->cr4 & CR4_LA57,
		.nx = cpu->efer & EFER_NXE,
	};
}

bool walk_kernel_half(const struct walk_root *root, uint64_t va)
{
	return va >> (root->five_levels ? 56 : 47) == (root->five_levels ? 0xff : 0x1ffff);
}

static uint64_t sign_extend(const struct walk_root *root, uint64_t va)
{
	unsigned bits = root->five_levels ? 57 : 48;

	return va >> (bits - 1) & 1 ? va | ~UINT64_C(0) << bits : va;
}

struct state {
	const struct walk_root *root;
	int (*fn)(void *arg, const struct walk_leaf *leaf);
	void *arg;
	bool only;
	uint64_t wanted;
};

/* level 0 is the lowest. `above` collects what every level so far grants. */
static int walk_table(struct state *s, uint64_t pa, int level, uint64_t va,
		      const struct walk_leaf *above)
{
	const uint8_t *table = vm_memory(s->root->vm, pa, WALK_PAGE);
	unsigned shift = 12 + 9 * (unsigned)level;
	unsigned first = 0, last = 511;

	if (!table)
		vm_die("a page table at %#lx, where no memory is", pa);
	if (s->only)
		first = last = s->wanted >> shift & 511;
	for (unsigned i = first; i <= last; i++) {
		struct walk_leaf leaf = *above;
		uint64_t e;
		int r;

		memcpy(&e, table + 8 * i, 8);
		if (!(e & P))
			continue;
		leaf.write &= !!(e & RW);
		leaf.user &= !!(e & US);
		leaf.exec &= !(s->root->nx && (e & NX));
		leaf.va = sign_extend(s->root, va | (uint64_t)i << shift);
		if (level && !(e & PS && level <= 2)) {
			r = walk_table(s, e & ADDRESS, level - 1, leaf.va, &leaf);
		} else {
			leaf.size = UINT64_C(1) << shift;
			leaf.pa = e & ADDRESS & ~(leaf.size - 1);
			leaf.global = e & G;
			r = s->fn(s->arg, &leaf);
		}
		if (r)
			return r;
	}
	return 0;
}

static int walk(struct state *s)
{
	const struct walk_leaf all = {.write = true, .exec = true, .user = true};

	return walk_table(s, s->root->pa, s->root->five_levels ? 4 : 3, 0, &all);
}

int walk_all(const struct walk_root *root, int (*fn)(void *, const struct walk_leaf *), void *arg)
{
	struct state s = {.root = root, .fn = fn, .arg = arg};

	return walk(&s);
}

static int take(void *arg, const struct walk_leaf *leaf)
{
	*(struct walk_leaf *)arg = *leaf;
	return 1;
}

bool walk_to(const struct walk_root *root, uint64_t va, struct walk_leaf *leaf)
{
	struct state s = {.root = root, .fn = take, .arg = leaf, .only = true, .wanted = va};

	return sign_extend(root, va & (~UINT64_C(0) >> (root->five_levels ? 7 : 16))) == va &&
	       walk(&s) == 1;
}
