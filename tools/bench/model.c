/* SPDX-License-Identifier: MIT */
/*
 * A modelled cost: the records of a run are played to a two-level TLB, and instructions, misses and
 * the costly instructions are priced by tools/bench/costs.json, where each number has its source.
 * It is a model: no cache, no prediction, no overlap; it is for comparing footprints.
 *
 * Without PCIDs each CR3 write empties the TLB. With PCIDs none does, and entries carry the root as
 * their tag: what the run's spaces have in common with others' is then kept, at best. A run is
 * played twice and the second time counts: it stands for the operation repeated.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench.h"
#include "tlb.h"

enum price {
	P_INSN,
	P_L2,
	P_WALK,
	P_CR3,
	P_SYSCALL,
	P_INTERRUPT,
	P_INVLPG,
	P_INVPCID,
	P_WRMSR,
	P_VERW,
	P_LFENCE,
	P_STRING,
	PRICES
};

static const char *const price_name[PRICES] = {
	"instruction", "l2_hit",  "walk",  "cr3_write", "syscall_pair", "interrupt_pair",
	"invlpg",      "invpcid", "wrmsr", "verw",      "lfence",       "string_byte",
};

enum { L1_CODE, L1_DATA, L2, LEVELS };

struct model {
	json_t *json;
	double price[PRICES];
	struct {
		unsigned entries[2], ways[2]; /* for 4 KiB, for 2 MiB and more; of L2 the first */
	} level[LEVELS];
};

extern const char bench_costs[], bench_costs_end[];

static unsigned field(const json_t *o, const char *name)
{
	return (unsigned)json_integer_value(json_object_get(o, name));
}

static int read_constants(struct model *m)
{
	const json_t *cycles = json_object_get(m->json, "cycles");
	const json_t *levels = json_object_get(json_object_get(m->json, "tlb"), "levels");

	for (unsigned i = 0; i < PRICES; i++) {
		const json_t *v = json_object_get(json_object_get(cycles, price_name[i]), "value");

		if (!json_is_number(v) || json_number_value(v) < 0)
			return -1;
		m->price[i] = json_number_value(v);
	}
	for (unsigned i = 0; i < LEVELS; i++) {
		const json_t *l = json_array_get(levels, i);

		m->level[i].entries[0] = field(l, "entries_4k");
		m->level[i].ways[0] = field(l, "ways_4k");
		m->level[i].entries[1] = i == L2 ? 1 : field(l, "entries_2m");
		m->level[i].ways[1] = i == L2 ? 1 : field(l, "ways_2m");
		for (unsigned k = 0; k < 2; k++)
			if (!m->level[i].ways[k] || m->level[i].entries[k] > 1u << 20 ||
			    !m->level[i].entries[k] || m->level[i].entries[k] % m->level[i].ways[k])
				return -1;
	}
	return 0;
}

struct model *model_open(const char *path, char *error, size_t size)
{
	struct model *m = calloc(1, sizeof(*m));
	json_error_t why = {0};

	if (!m) {
		snprintf(error, size, "out of memory");
		return NULL;
	}
	if (path)
		m->json = json_load_file(path, 0, &why);
	else
		m->json = json_loadb(bench_costs, (size_t)(bench_costs_end - bench_costs), 0, &why);
	if (!m->json)
		snprintf(error, size, "%s: line %d: %s", path ? path : "costs", why.line, why.text);
	else if (read_constants(m))
		snprintf(error, size, "%s: a price or a TLB's size is missing or absurd",
			 path ? path : "costs");
	else
		return m;
	model_close(m);
	return NULL;
}

void model_close(struct model *m)
{
	if (m)
		json_decref(m->json);
	free(m);
}

void model_print(const struct model *m, FILE *to)
{
	fprintf(to, "Modelled cycles are by these constants (tools/bench/costs.json):\n");
	for (unsigned i = 0; i < PRICES; i++)
		fprintf(to, "  %-15s %7.4g  %s\n", price_name[i], m->price[i],
			json_string_value(json_object_get(
				json_object_get(json_object_get(m->json, "cycles"), price_name[i]),
				"source")));
}

/* ---- playing a run ---- */

struct machine {
	struct tlb tlb[LEVELS][2];
	uint64_t misses, walks;
};

struct play {
	const struct model *m;
	const struct guest_result *g;
	struct machine *cpu; /* one TLB for all of them: it flatters nobody */
	bool pcid;
};

static void flush(struct machine *x)
{
	for (unsigned i = 0; i < LEVELS; i++)
		for (unsigned k = 0; k < 2; k++)
			tlb_flush(&x->tlb[i][k]);
}

static void touch(struct play *p, uint64_t va, bool code, bool user_root)
{
	unsigned shift = guest_page_shift(p->g, va & ~UINT64_C(0xfff)), big = shift > 12;
	struct tlb *l1 = &p->cpu->tlb[code ? L1_CODE : L1_DATA][big], *l2 = &p->cpu->tlb[L2][0];
	unsigned tag = (p->pcid && user_root) | big << 1;
	uint64_t page = va >> shift;

	if (tlb_look(l1, page, tag))
		return;
	p->cpu->misses++;
	if (!tlb_look(l2, page, tag)) {
		p->cpu->walks++;
		tlb_fill(l2, page, tag);
	}
	tlb_fill(l1, page, tag);
}

static void play_run(struct play *p, const struct run *r)
{
	for (size_t i = 0; i < r->records; i++) {
		const struct trace_record *t = &r->record[i];
		bool code = t->type == TRACE_KERNEL || t->type == TRACE_USER;

		touch(p, t->va, code, r->user_root[i]);
		if (t->size > 1 && (t->va ^ (t->va + t->size - 1)) >> 12)
			touch(p, t->va + t->size - 1, code, r->user_root[i]);
		if (t->type == TRACE_KERNEL && t->kind == KIND_CR3_WRITE && !p->pcid)
			flush(p->cpu);
	}
}

static uint64_t price(const struct model *m, const struct run *r, const struct machine *x)
{
	const double *c = m->price;
	uint64_t pairs = 0, irets = 0, pages = 0, invpcids = 0;
	double sum;

	for (size_t i = 0; i < r->records; i++) {
		const struct trace_record *t = &r->record[i];

		if (t->type != TRACE_KERNEL)
			continue;
		pairs += t->kind == KIND_SYSRET;
		irets += t->kind == KIND_IRET;
		pages += t->kind == KIND_INVLPG;
		invpcids += t->kind == KIND_INVPCID;
	}
	sum = c[P_INSN] * (double)r->n[N_INSNS] + c[P_CR3] * (double)r->n[N_CR3] +
	      c[P_SYSCALL] * (double)pairs + c[P_INTERRUPT] * (double)irets +
	      c[P_INVLPG] * (double)pages + c[P_INVPCID] * (double)invpcids +
	      c[P_WRMSR] * (double)r->n[N_WRMSR] + c[P_VERW] * (double)r->n[N_VERW] +
	      c[P_LFENCE] * (double)r->n[N_FENCE] + c[P_STRING] * (double)r->n[N_STRING] +
	      c[P_L2] * (double)(x->misses - x->walks) + c[P_WALK] * (double)x->walks;
	return (uint64_t)(sum + 0.5);
}

static void model_op(const struct model *m, struct guest_result *g, struct op_result *o, bool pcid)
{
	struct machine x = {0};
	struct play p = {m, g, &x, pcid};
	bool bad = false;

	for (unsigned i = 0; i < LEVELS; i++)
		for (unsigned k = 0; k < 2; k++)
			bad |= tlb_init(&x.tlb[i][k], m->level[i].entries[k],
					m->level[i].ways[k]) != 0;
	if (!bad) {
		play_run(&p, &o->median);
		x.misses = x.walks = 0;
		play_run(&p, &o->median);
		o->cycles[pcid] = price(m, &o->median, &x);
		o->misses[pcid] = x.misses;
		o->walks[pcid] = x.walks;
	}
	for (unsigned i = 0; i < LEVELS; i++)
		for (unsigned k = 0; k < 2; k++)
			tlb_free(&x.tlb[i][k]);
}

void model_guest(const struct model *m, struct guest_result *g)
{
	for (unsigned i = 0; i < OPS; i++) {
		if (!g->op[i].measured)
			continue;
		model_op(m, g, &g->op[i], false);
		model_op(m, g, &g->op[i], true);
	}
}
