/* SPDX-License-Identifier: MIT */
/*
 * What a frozen guest's user mode can see of the kernel, CPU by CPU. All CPUs must be at CPL 3.
 */
#ifndef OUTSIDE_LOOK_H
#define OUTSIDE_LOOK_H

#include "walk.h"

enum look_at {
	LOOK_SWITCH_BIT,
	LOOK_PAGES,
	LOOK_RIGHTS,
	LOOK_ROLES,
	LOOK_OWN,
	LOOK_ADDRESSES,
	LOOK_ROOTS,
	LOOK_SAME,
	LOOK_SECOND,
	LOOK_KINDS
};

#define LOOK_MAX_LEAVES 64
#define LOOK_MAX_ROOTS  128

struct look_cpu {
	struct walk_root user, kernel;
	unsigned leaves; /* kept; more may have been counted */
	struct walk_leaf leaf[LOOK_MAX_LEAVES];
	uint64_t pages, writable, executable, writable_executable;
	/* By role; NULL if not found. */
	const struct walk_leaf *idt, *text, *descriptors, *entry;
};

struct look {
	struct vm *vm;
	const struct vm_cpu *regs;
	unsigned cpus;
	uint64_t window; /* [window, window_end), from the IDT's register */
	uint64_t window_end;
	struct look_cpu cpu[VM_MAX_CPUS];
	uint64_t root[LOOK_MAX_ROOTS]; /* every page of a pair that was ever seen in CR3 */
	unsigned roots;
	unsigned long found[LOOK_KINDS];
	bool quiet;
};

/* Adds what CR3 holds now. */
void look_note_roots(struct look *l);
void look_all(struct look *l);
/* second.c: the library's check table on the same guest. */
void look_second(struct look *l, unsigned cpu);
/* scan.c */
void look_scan(struct look *l, unsigned cpu);

void look_found(struct look *l, enum look_at kind, unsigned cpu, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
