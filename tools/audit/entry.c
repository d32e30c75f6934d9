/* SPDX-License-Identifier: MIT */
/*
 * Watches one entry into the kernel, where nothing else tells
 * - which root the kernel runs on: the guest runs until a CPU is at the first instruction of a
 * gate, by the stub's breakpoints, which write nothing into memory; then that CPU alone is stepped,
 *   interrupts held, until CR3 holds another root, or until it is clear that it will not: user mode
 *   goes on, another process does, or so much code has run that this is the kernel itself;
 * - what LSTAR is: the guest runs until a CPU is at a SYSCALL of its program, and one step shows
 *   where that leads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kaiser/verify.h>

#include "../lib/gdbstub.h"
#include "audit.h"

#define ADDRESS  UINT64_C(0x000ffffffffff000)
#define TARGETS  512
#define STEPS    512  /* far more than any entry needs up to its CR3 write */
#define PATIENCE 1500 /* ms for an event to come */
#define HITS     64   /* breakpoints hit by what is no entry from user mode */

/* Targets of gates and of SYSCALL, each once. */
static unsigned targets(struct source *s, unsigned cpu, uint64_t *list)
{
	const struct source_cpu *c = &s->cpu[cpu];
	const struct kaiser_machine m = {.known = KAISER_KNOWN_CR4 | KAISER_KNOWN_EFER,
					 .cr4 = c->cr4,
					 .efer = c->efer,
					 .ctx = s,
					 .read = source_read_checked};
	unsigned n = 0;

	for (unsigned v = 0; v < 256 && v * 16 + 15 <= c->idt.limit && n < TARGETS; v++) {
		struct kaiser_visit at;
		uint64_t g[2], va = c->idt.base + v * 16;

		if (!kaiser_translate(&m, c->cr3, va, &at) || (va & 4095) > 4096 - 16 ||
		    source_read(s, at.pa + (va & (at.size - 1)), g, 16) || !(g[0] >> 47 & 1))
			continue;
		list[n] = (g[0] & 0xffff) | (g[0] >> 32 & 0xffff0000) | g[1] << 32;
		n += n == 0 || list[n] != list[n - 1];
	}
	if ((c->known & KAISER_KNOWN_LSTAR) && c->lstar && n < TARGETS)
		list[n++] = c->lstar;
	return n;
}

static int state(struct gdb *g, int cr3_number, uint64_t *cr3, unsigned *cpl)
{
	uint64_t cs;

	if (gdb_reg(g, cr3_number, cr3) || gdb_reg(g, GDB_CS, &cs))
		return -1;
	*cpl = cs & 3;
	return 0;
}

static bool is_users(const struct judgement *j, uint64_t cr3)
{
	for (unsigned i = 0; i < j->user_roots; i++)
		if (j->user_root[i] == (cr3 & ADDRESS))
			return true;
	return false;
}

/* Of another process: user memory of its own at the top level. The kernel's root has what user
 * mode's has, or nothing. */
static bool is_another_space(struct source *s, uint64_t user_cr3, uint64_t cr3)
{
	const uint64_t need = 5; /* present, user */
	uint64_t user[64], other[64];

	source_forget(s);
	for (unsigned i = 0; i < 256; i += 64) {
		if (source_read(s, (user_cr3 & ADDRESS) + i * 8, user, sizeof(user)) ||
		    source_read(s, (cr3 & ADDRESS) + i * 8, other, sizeof(other)))
			return false;
		for (unsigned k = 0; k < 64; k++)
			if ((other[k] & need) == need && ((other[k] ^ user[k]) & ADDRESS))
				return true;
	}
	return false;
}

/* Steps the CPU that is at a gate. 1: told; -1: error. */
static int follow(struct gdb *g, int cr3_number, const struct judgement *j, struct entry *e)
{
	uint64_t cr3;
	unsigned cpl;

	for (e->steps = 0; e->steps < STEPS; e->steps++) {
		if (state(g, cr3_number, &cr3, &cpl))
			return -1;
		if (cpl == 3)
			break;
		if ((cr3 ^ e->user_cr3) & ADDRESS) {
			if (is_users(j, cr3) || is_another_space(j->source, e->user_cr3, cr3))
				break;
			e->kernel_cr3 = cr3;
			return 1;
		}
		if (gdb_step(g))
			return -1;
	}
	e->kernel_cr3 = e->user_cr3;
	return 1;
}

static int run_to_gate(struct gdb *g, int cr3_number, const struct judgement *j, struct entry *e)
{
	for (unsigned hit = 0; hit < HITS; hit++) {
		unsigned cpl;
		int r;

		if (gdb_continue(g))
			return -1;
		r = gdb_wait(g, PATIENCE);
		if (r == 0)
			return gdb_interrupt(g) || gdb_wait(g, 5000) != 1 ? -1 : 0;
		if (r < 0 || state(g, cr3_number, &e->user_cr3, &cpl))
			return -1;
		/* From user mode, if it still has a root under which user mode was seen. */
		if (cpl == 0 && is_users(j, e->user_cr3))
			return 1;
		/* Off the breakpoint. */
		if (gdb_step(g))
			return -1;
	}
	return 0;
}

/* The stub stopped the guest; from here on it counts as stopped by us. */
static int ended(struct source *s, const struct gdb *g, int r)
{
	if (r < 0)
		return source_fail(s, "the guest was lost as it entered the kernel: %s", g->error);
	return source_stopped(s) ? -1 : r;
}

int entry_watch(struct judgement *j, unsigned cpu, struct entry *e)
{
	struct source *s = j->source;
	uint64_t list[TARGETS];
	unsigned n = targets(s, cpu, list);
	int cr3_number, r;
	struct gdb *g = n ? source_stub(s, &cr3_number) : NULL;

	if (!g)
		return 0;
	memset(e, 0, sizeof(*e));
	gdb_step_mask(g, GDB_HOLD_IRQS | GDB_HOLD_TIMERS);
	for (unsigned i = 0; i < n; i++)
		gdb_break(g, list[i], true);
	r = run_to_gate(g, cr3_number, j, e);
	for (unsigned i = 0; i < n; i++)
		gdb_break(g, list[i], false);
	if (r == 1)
		r = follow(g, cr3_number, j, e);
	gdb_step_mask(g, 0);
	return ended(s, g, r);
}

/* ---- LSTAR ---- */

struct calls {
	struct source *s;
	uint64_t *list;
	unsigned n, pages;
};

/* Where 0f 05 is in code of user mode. What is no instruction is never reached. */
static int take_calls(void *arg, const struct kaiser_visit *v)
{
	const unsigned need = KAISER_MAY_USER | KAISER_MAY_EXEC;
	struct calls *c = arg;
	uint8_t page[4096];

	if (v->kind != KAISER_VISIT_LEAF || (v->rights & need) != need)
		return 0;
	for (uint64_t at = 0; at < v->size; at += sizeof(page)) {
		if (c->pages-- == 0)
			return 1;
		if (source_read(c->s, v->pa + at, page, sizeof(page)))
			continue;
		for (unsigned i = 0; i + 1 < sizeof(page); i++) {
			if (page[i] != 0x0f || page[i + 1] != 0x05)
				continue;
			if (c->n == TARGETS)
				return 1;
			c->list[c->n++] = v->va + at + i;
		}
	}
	return 0;
}

/* At a SYSCALL? One step leads to where LSTAR says. */
static int step_in(struct judgement *j, struct gdb *g, int cr3_number)
{
	unsigned cpu = (unsigned)strtoul(strchr(g->thread, '.') ? strchr(g->thread, '.') + 1 : "1",
					 NULL, 16) -
		       1;
	uint64_t cr3, rip, cs;
	unsigned cpl;

	/* SYSCALL of 64-bit code alone. */
	if (state(g, cr3_number, &cr3, &cpl) || cpl != 3 || gdb_reg(g, GDB_CS, &cs) ||
	    cpu >= SOURCE_CPUS || gdb_step(g) || state(g, cr3_number, &cr3, &cpl) || cpl != 0 ||
	    gdb_reg(g, GDB_RIP, &rip))
		return 0;
	j->lstar[cpu] = rip;
	return 1;
}

int entry_find_lstar(struct judgement *j, unsigned cpu)
{
	struct source *s = j->source;
	const struct source_cpu *c = &s->cpu[cpu];
	const struct kaiser_machine m = {.known = KAISER_KNOWN_CR4 | KAISER_KNOWN_EFER,
					 .cr4 = c->cr4,
					 .efer = c->efer,
					 .user_half_stable = true,
					 .ctx = s,
					 .read = source_read_checked};
	uint64_t list[TARGETS];
	struct calls calls = {.s = s, .list = list, .pages = 4096};
	int cr3_number, r;
	struct gdb *g;

	kaiser_walk(&m, c->cr3, KAISER_USER_HALF, false, take_calls, &calls);
	g = calls.n ? source_stub(s, &cr3_number) : NULL;
	if (!g)
		return 0;
	gdb_step_mask(g, GDB_HOLD_IRQS | GDB_HOLD_TIMERS);
	for (unsigned i = 0; i < calls.n; i++)
		gdb_break(g, list[i], true);
	r = gdb_continue(g) ? -1 : gdb_wait(g, PATIENCE);
	if (r == 0)
		r = gdb_interrupt(g) || gdb_wait(g, 5000) != 1 ? -1 : 0;
	for (unsigned i = 0; i < calls.n; i++)
		gdb_break(g, list[i], false);
	if (r == 1)
		step_in(j, g, cr3_number);
	gdb_step_mask(g, 0);
	return ended(s, g, r);
}
