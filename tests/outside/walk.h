/* SPDX-License-Identifier: MIT */
/* Page tables of a stopped guest, walked from outside: written on its own, not with the library. */
#ifndef OUTSIDE_WALK_H
#define OUTSIDE_WALK_H

#include "vm.h"

#define WALK_PAGE 4096u

struct walk_leaf {
	uint64_t va, pa, size;
	bool write, exec, user, global;
};

struct walk_root {
	const struct vm *vm;
	uint64_t pa;
	bool five_levels, nx;
};

/* What this CPU's CR3 points at, or the other of its pair. */
struct walk_root walk_root(const struct vm *vm, const struct vm_cpu *cpu, uint64_t cr3);

/* All leaves in order of address. Ends early if fn is not 0. Tables that are no RAM: a failure. */
int walk_all(const struct walk_root *root, int (*fn)(void *arg, const struct walk_leaf *leaf),
	     void *arg);
bool walk_to(const struct walk_root *root, uint64_t va, struct walk_leaf *leaf);

/* Whether an address is in the half of the kernel. */
bool walk_kernel_half(const struct walk_root *root, uint64_t va);

#endif
