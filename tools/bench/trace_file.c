/* SPDX-License-Identifier: MIT */
/* Reads the recorder's file: all runs of an operation are counted, the median one is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define RUNS 64 /* of one operation */

struct runs {
	struct run run[RUNS];
	unsigned n;
};

static void run_free(struct run *r)
{
	free(r->record);
	free(r->user_root);
	*r = (struct run){0};
}

static int by_instructions(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return (x->n[N_INSNS] > y->n[N_INSNS]) - (x->n[N_INSNS] < y->n[N_INSNS]);
}

/* NMIs are sent in real time, so a timer interrupt may be counted with one: the least run has none.
 */
static void settle(unsigned op, struct op_result *o, struct runs *all)
{
	unsigned best = op == OP_nmi_user || op == OP_nmi_kernel ? 0 : all->n / 2;

	if (!all->n)
		return;
	qsort(all->run, all->n, sizeof(all->run[0]), by_instructions);
	o->measured = true;
	o->least = all->run[0].n[N_INSNS];
	o->most = all->run[all->n - 1].n[N_INSNS];
	o->median = all->run[best];
	all->run[best] = (struct run){0};
}

static bool sound(const struct run *r)
{
	for (size_t i = 0; i < r->records; i++)
		if (r->record[i].kind >= KINDS || r->record[i].type > TRACE_USER_STORE)
			return false;
	return true;
}

static int read_run(FILE *f, const struct trace_header *h, struct runs *all, unsigned gates)
{
	struct run r = {.records = h->records};

	r.record = malloc((h->records + 1) * sizeof(*r.record));
	if (!r.record || fread(r.record, sizeof(*r.record), h->records, f) != h->records ||
	    !sound(&r) || count_run(&r, gates)) {
		run_free(&r);
		return -1;
	}
	if (all->n == RUNS)
		run_free(&r);
	else
		all->run[all->n++] = r;
	return 0;
}

int trace_load(struct guest_result *g, const char *path, char *error, size_t size)
{
	struct runs *all = calloc(OPS, sizeof(*all));
	struct trace_header h;
	FILE *f = fopen(path, "rb");
	int err = !all || !f;

	while (!err && fread(&h, sizeof(h), 1, f) == 1) {
		if (h.magic != TRACE_MAGIC || h.op >= OPS || h.records > UINT64_C(1) << 28) {
			err = 1;
			break;
		}
		if (h.absent)
			g->op[h.op].absent = true;
		else if (h.overflow)
			g->op[h.op].overflow = true;
		else
			err = read_run(f, &h, &all[h.op], g->config.gates);
	}
	if (err)
		snprintf(error, size, "%s: the recorder's file cannot be read", path);
	for (unsigned i = 0; all && i < OPS; i++) {
		settle(i, &g->op[i], &all[i]);
		for (unsigned k = 0; k < all[i].n; k++)
			run_free(&all[i].run[k]);
	}
	free(all);
	if (f)
		fclose(f);
	return err ? -1 : 0;
}
