/* SPDX-License-Identifier: MIT */
/* The report for programs: the same numbers and some more, of each guest and operation. */
#include <jansson.h>

#include "bench.h"

static json_t *op_json(const struct op_result *o)
{
	json_t *j = json_object();

	if (!o->measured) {
		json_object_set_new(j, o->overflow ? "overflow" : "absent", json_true());
		return j;
	}
	for (unsigned n = 0; n < NUMBERS; n++)
		json_object_set_new(j, number_text[n].name,
				    json_integer((json_int_t)o->median.n[n]));
	json_object_set_new(j, "instructions_least", json_integer((json_int_t)o->least));
	json_object_set_new(j, "instructions_most", json_integer((json_int_t)o->most));
	for (unsigned p = 0; p < 2; p++) {
		json_t *m = json_object();

		json_object_set_new(m, "cycles", json_integer((json_int_t)o->cycles[p]));
		json_object_set_new(m, "tlb_misses", json_integer((json_int_t)o->misses[p]));
		json_object_set_new(m, "tlb_walks", json_integer((json_int_t)o->walks[p]));
		json_object_set_new(j, p ? "model_with_pcid" : "model_without_pcid", m);
	}
	return j;
}

static json_t *guest_json(const struct guest_result *g)
{
	json_t *j = json_object(), *ops = json_object();

	json_object_set_new(j, "name", json_string(g->config.name));
	json_object_set_new(j, "kernel", json_string(g->config.kernel));
	json_object_set_new(j, "isolation", json_boolean(g->config.pti));
	json_object_set_new(j, "cpus", json_integer(g->config.cpus));
	json_object_set_new(j, "cpu", json_string(g->config.cpu));
	json_object_set_new(j, "sleeping_processes", json_integer(g->config.procs));
	if (g->totals_known) {
		json_object_set_new(j, "user_root_supervisor_pages",
				    json_integer((json_int_t)g->supervisor_pages));
		json_object_set_new(j, "user_root_supervisor_writable_pages",
				    json_integer((json_int_t)g->supervisor_writable));
	}
	for (unsigned i = 0; i < OPS; i++)
		if (g->op[i].measured || g->op[i].absent || g->op[i].overflow)
			json_object_set_new(ops, op_text[i].name, op_json(&g->op[i]));
	json_object_set_new(j, "operations", ops);
	return j;
}

int bench_json(const struct report *r, FILE *to)
{
	json_t *j = json_object(), *guests = json_array();
	int err;

	for (unsigned i = 0; i < r->guests; i++)
		json_array_append_new(guests, guest_json(&r->guest[i]));
	json_object_set_new(j, "guests", guests);
	err = json_dumpf(j, to, JSON_INDENT(2));
	fputc('\n', to);
	json_decref(j);
	return err || ferror(to) ? -1 : 0;
}
