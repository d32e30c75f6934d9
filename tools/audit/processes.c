/* SPDX-License-Identifier: MIT */
/*
 * What the processes that were seen had in their registers, so that a value found later can be told
 * to be another's. A process is known by the tables its user half leads to.
 *
 * Only wide values count, and none near what the process itself has or had: two copies of one
 * program have the same addresses and counters, and what fits both tells nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "audit.h"

#define ADDRESS   UINT64_C(0x000ffffffffff000)
#define PROCESSES 256
#define VALUES    512 /* of one, the latest */
#define TABLES    8
#define NEAR      (UINT64_C(1) << 24)

struct process {
	uint64_t table[TABLES];
	uint64_t cpu[CPU_WORDS]; /* where it was seen */
	unsigned count, next;
	uint64_t value[VALUES];
};

struct processes {
	unsigned count;
	struct process p[PROCESSES];
};

static bool is_wide(uint64_t v)
{
	return v >> 32 && v >> 32 != UINT32_MAX;
}

static unsigned tables_of(struct source *s, uint64_t cr3, uint64_t table[TABLES])
{
	uint64_t entry[256];
	unsigned n = 0;

	for (unsigned i = 0; i < 256; i += 64)
		if (source_read(s, (cr3 & ADDRESS) + i * 8, entry + i, 512))
			return 0;
	for (unsigned i = 0; i < 256 && n < TABLES; i++)
		if ((entry[i] & 5) == 5)
			table[n++] = entry[i] & ADDRESS;
	return n;
}

static struct process *find(struct processes *all, const uint64_t *table, unsigned n)
{
	for (unsigned i = 0; i < all->count; i++)
		for (unsigned k = 0; k < n; k++)
			for (unsigned l = 0; l < TABLES; l++)
				if (all->p[i].table[l] == table[k])
					return &all->p[i];
	return NULL;
}

static void note(struct process *p, uint64_t v)
{
	if (!is_wide(v))
		return;
	for (unsigned i = 0; i < p->count; i++)
		if (p->value[i] == v)
			return;
	p->value[p->next] = v;
	p->next = (p->next + 1) % VALUES;
	if (p->count < VALUES)
		p->count++;
}

void processes_look(struct processes **all, struct source *s)
{
	for (unsigned i = 0; i < s->cpus; i++) {
		const struct source_cpu *c = &s->cpu[i];
		uint64_t table[TABLES];
		struct process *p;
		unsigned n;

		if (!c->paging || c->cpl != 3 || !c->regs)
			continue;
		if (!*all)
			*all = calloc(1, sizeof(**all));
		n = *all ? tables_of(s, c->cr3, table) : 0;
		if (!n)
			continue;
		p = find(*all, table, n);
		if (!p && (*all)->count == PROCESSES)
			continue;
		if (!p)
			p = &(*all)->p[(*all)->count++];
		memcpy(p->table, table, n * sizeof(*table));
		p->cpu[i / 64] |= UINT64_C(1) << i % 64;
		for (unsigned k = 0; k < c->regs; k++)
			note(p, c->reg[k]);
		note(p, c->rip);
	}
}

const struct process *processes_own(const struct processes *all, struct source *s, unsigned cpu)
{
	uint64_t table[TABLES];
	unsigned n = tables_of(s, s->cpu[cpu].cr3, table);

	return all ? find((struct processes *)(uintptr_t)all, table, n) : NULL;
}

unsigned processes_on(const struct processes *all, unsigned cpu)
{
	unsigned n = 0;

	for (unsigned i = 0; all && i < all->count; i++)
		n += all->p[i].cpu[cpu / 64] >> cpu % 64 & 1;
	return n;
}

static bool near(const struct process *p, uint64_t v)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->value[i] - v + NEAR < 2 * NEAR)
			return true;
	return false;
}

bool processes_others(const struct processes *all, const struct process *own, uint64_t v)
{
	if (!is_wide(v) || !own || near(own, v))
		return false;
	for (unsigned i = 0; i < all->count; i++) {
		const struct process *p = &all->p[i];

		for (unsigned k = 0; p != own && k < p->count; k++)
			if (p->value[k] == v)
				return true;
	}
	return false;
}
