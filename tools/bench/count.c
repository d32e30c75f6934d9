/* SPDX-License-Identifier: MIT */
/*
 * From the records of one run to its numbers.
 *
 * Pages and lines count by root, since a TLB without PCIDs loses them at each switch. QEMU tells a
 * plugin no registers, so which root was loaded is found from the order of things: a CPU that came
 * from user mode still has user mode's root until its first CR3 write, if that comes soon (HEAD);
 * and what lies between the last CR3 write and user mode, if that is little (TAIL), ran on user
 * mode's root again. Kernels that do not isolate write CR3 at neither place.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define HEAD 64 /* instructions */
#define TAIL 24
#define CPUS 256

const struct op_text op_text[OPS] = {
#define OP(number, name, what) {#name, what},
#include "../../user/bench/ops.h"
#undef OP
};

const struct number_text number_text[NUMBERS] = {
	[N_INSNS] = {"instructions", "kernel instructions"},
	[N_CR3] = {"cr3_writes", "CR3 writes"},
	[N_IPAGES] = {"code_pages", "code pages"},
	[N_ILINES] = {"code_lines", "code lines"},
	[N_DPAGES] = {"data_pages", "data pages"},
	[N_DLINES] = {"data_lines", "data lines"},
	[N_LOADS] = {"loads", "loads"},
	[N_STORES] = {"stores", "stores"},
	[N_STRING] = {"string_bytes", "bytes moved by REP instructions"},
	[N_SWAPGS] = {"swapgs", "SWAPGS"},
	[N_INVAL] = {"invalidations", "INVLPG and INVPCID"},
	[N_FENCE] = {"lfence", "LFENCE"},
	[N_VERW] = {"verw", "VERW"},
	[N_WRMSR] = {"wrmsr", "WRMSR"},
	[N_RETURNS] = {"returns", "IRET and SYSRET"},
	[N_VISITS] = {"visits", "entries from user mode"},
	[N_GATE_IN] = {"gate_in", "gate to first C instruction"},
	[N_GATE_OUT] = {"gate_out", "last C instruction to user mode"},
};

/* ---- which root ---- */

struct cpu {
	size_t since;   /* index where this visit to the kernel began */
	size_t cr3;     /* index behind its last CR3 write, 0: none */
	unsigned insns; /* of this visit */
	unsigned after; /* instructions since the last CR3 write */
	bool kernel, from_user, switched;
};

static void mark_back(struct run *r, size_t from, size_t to, unsigned cpu)
{
	for (size_t i = from; i < to; i++)
		if (r->record[i].cpu == cpu)
			r->user_root[i] = 1;
}

static void find_roots(struct run *r, struct cpu *cpus)
{
	for (size_t i = 0; i < r->records; i++) {
		const struct trace_record *t = &r->record[i];
		struct cpu *c = &cpus[t->cpu];

		if (t->type == TRACE_USER) {
			if (c->kernel && c->cr3 && c->after <= TAIL)
				mark_back(r, c->cr3, i, t->cpu);
			*c = (struct cpu){.from_user = true};
		}
		if (t->type != TRACE_KERNEL) {
			r->user_root[i] |= t->type != TRACE_LOAD && t->type != TRACE_STORE;
			continue;
		}
		if (!c->kernel) {
			c->kernel = true;
			c->since = i;
		}
		c->insns++;
		c->after++;
		if (t->kind == KIND_CR3_WRITE) {
			if (c->from_user && !c->switched && c->insns <= HEAD)
				mark_back(r, c->since, i + 1, t->cpu);
			c->switched = true;
			c->cr3 = i + 1;
			c->after = 0;
		}
	}
}

/* ---- sets ---- */

struct set {
	uint64_t *key;
	size_t room, used;
};

static int set_add(struct set *s, uint64_t key)
{
	size_t i;

	if (s->used * 2 >= s->room) {
		struct set bigger = {.room = s->room ? s->room * 2 : 256};

		bigger.key = calloc(bigger.room, sizeof(*bigger.key));
		if (!bigger.key)
			return -1;
		for (i = 0; i < s->room; i++)
			if (s->key[i])
				set_add(&bigger, s->key[i] - 1);
		free(s->key);
		*s = bigger;
	}
	for (i = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & (s->room - 1); s->key[i];
	     i = (i + 1) & (s->room - 1))
		if (s->key[i] == key + 1)
			return 0;
	s->key[i] = key + 1;
	s->used++;
	return 0;
}

/* All units of 1 << shift bytes that [va, va + size) touches; the root makes two of one. */
static int add_units(struct set *s, uint64_t va, unsigned size, unsigned shift, bool user_root)
{
	uint64_t last = (va + (size ? size - 1 : 0)) >> shift;
	int err = 0;

	for (uint64_t u = va >> shift; u <= last; u++)
		err |= set_add(s, u << 1 | user_root);
	return err;
}

/* ---- numbers ---- */

static const enum number of_kind[KINDS] = {
	[KIND_CR3_WRITE] = N_CR3, [KIND_SWAPGS] = N_SWAPGS, [KIND_INVLPG] = N_INVAL,
	[KIND_INVPCID] = N_INVAL, [KIND_IRET] = N_RETURNS,  [KIND_SYSRET] = N_RETURNS,
	[KIND_WRMSR] = N_WRMSR,   [KIND_VERW] = N_VERW,     [KIND_FENCE] = N_FENCE,
};

/* One visit: instructions before the first and after the last one outside the window's text. */
static void count_gates(struct run *r, unsigned gates)
{
	uint64_t base = 0, in = 0, behind = 0;
	bool outside = false;

	if (!gates || r->n[N_VISITS] != 1)
		return;
	for (size_t i = 0; i < r->records; i++) {
		const struct trace_record *t = &r->record[i];

		if (t->type != TRACE_KERNEL)
			continue;
		if (!base)
			base = t->va >> 12;
		if ((t->va >> 12) - base >= gates) {
			outside = true;
			behind = 0;
		} else if (!outside) {
			in++;
		} else {
			behind++;
		}
	}
	if (outside) {
		r->n[N_GATE_IN] = in;
		r->n[N_GATE_OUT] = behind;
	}
}

static int count_record(struct run *r, size_t i, struct set set[4], bool *string)
{
	const struct trace_record *t = &r->record[i];
	bool user = r->user_root[i];

	switch (t->type) {
	case TRACE_KERNEL:
		r->n[N_INSNS]++;
		if (of_kind[t->kind])
			r->n[of_kind[t->kind]]++;
		*string = t->kind == KIND_STRING;
		return add_units(&set[0], t->va, t->size, 12, user) |
		       add_units(&set[1], t->va, t->size, 6, user);
	case TRACE_LOAD:
	case TRACE_STORE:
		r->n[t->type == TRACE_LOAD ? N_LOADS : N_STORES]++;
		if (*string)
			r->n[N_STRING] += t->size;
		return add_units(&set[2], t->va, t->size, 12, user) |
		       add_units(&set[3], t->va, t->size, 6, user);
	default:
		return 0;
	}
}

int count_run(struct run *r, unsigned gates)
{
	struct cpu *cpus = calloc(CPUS, sizeof(*cpus));
	struct set set[4] = {{0}};
	bool string[CPUS] = {false}, user[CPUS] = {false};
	int err = 0;

	memset(r->n, 0, sizeof(r->n));
	free(r->user_root);
	r->user_root = calloc(r->records + 1, 1);
	if (!cpus || !r->user_root) {
		free(cpus);
		return -1;
	}
	find_roots(r, cpus);
	for (size_t i = 0; i < r->records; i++) {
		const struct trace_record *t = &r->record[i];

		r->n[N_VISITS] += t->type == TRACE_KERNEL && user[t->cpu];
		if (t->type == TRACE_USER || t->type == TRACE_KERNEL)
			user[t->cpu] = t->type == TRACE_USER;
		err |= count_record(r, i, set, &string[t->cpu]);
	}
	count_gates(r, gates);
	for (unsigned i = 0; i < 4; i++)
		free(set[i].key);
	r->n[N_IPAGES] = set[0].used;
	r->n[N_ILINES] = set[1].used;
	r->n[N_DPAGES] = set[2].used;
	r->n[N_DLINES] = set[3].used;
	free(cpus);
	return err;
}
