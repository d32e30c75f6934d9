/* SPDX-License-Identifier: MIT */
/* The report for programs, and an earlier one as a baseline. Addresses are text in hexadecimal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <kaiser/verify.h>

#include "audit.h"

#define FORMAT 1

static json_t *address(uint64_t va)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%lx", va);
	return json_string(text);
}

static void put_text(json_t *o, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(o, key, json_string(text));
}

static json_t *rights_of(unsigned rights)
{
	char text[8];

	rights_text(rights, text);
	return json_string(text);
}

static json_t *cpus_of(const uint64_t *set)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < SOURCE_CPUS; i++)
		if (set[i / 64] >> i % 64 & 1)
			json_array_append_new(a, json_integer(i));
	return a;
}

static json_t *ranges(const struct judgement *j, const struct symbols *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < j->ranges; i++) {
		const struct range *r = &j->range[i];
		json_t *o = json_object();
		bool rule = !strncmp(r->name, "allowed: ", 9);
		char symbol[96];

		json_object_set_new(o, "start", address(r->start));
		json_object_set_new(o, "end", address(r->end));
		json_object_set_new(o, "pages",
				    json_integer((json_int_t)((r->end - r->start) / 4096)));
		json_object_set_new(o, "rights", rights_of(r->rights));
		put_text(o, rule ? "allowed" : "needed", rule ? r->name + 9 : r->name);
		symbols_name(s, r->start, symbol, sizeof(symbol));
		put_text(o, "symbol", symbol);
		put_text(o, "explanation",
			 preset_range(j->options->preset, r->start, r->end, r->rights));
		json_object_set_new(o, "cpus", cpus_of(r->cpu));
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *findings(const struct judgement *j, const struct symbols *s, const char *check)
{
	static const char *const names[] = {"info", "unknown", "warning", "error"};
	json_t *all = json_array();

	for (size_t i = 0; i < j->records; i++) {
		const struct record *r = &j->record[i];
		json_t *o;
		char symbol[96];

		if (strcmp(r->check, check))
			continue;
		o = json_object();
		json_object_set_new(o, "severity", json_string(names[r->severity & 3]));
		json_object_set_new(o, "text", json_string(r->text));
		if (r->start | r->end) {
			json_object_set_new(o, "start", address(r->start));
			json_object_set_new(o, "end", address(r->end));
			symbols_name(s, r->start, symbol, sizeof(symbol));
			put_text(o, "symbol", symbol);
		}
		if (r->value) {
			json_object_set_new(o, "value", address(r->value));
			symbols_name(s, r->value, symbol, sizeof(symbol));
			put_text(o, "value_symbol", symbol);
		}
		json_object_set_new(o, "cpus", cpus_of(r->cpu));
		json_array_append_new(all, o);
	}
	return all;
}

static unsigned errors_of(const struct judgement *j, const char *check)
{
	unsigned n = 0;

	for (size_t i = 0; i < j->records; i++)
		n += !strcmp(j->record[i].check, check) && j->record[i].severity == KAISER_ERROR;
	return n;
}

static json_t *checks(const struct judgement *j, const struct symbols *s)
{
	size_t count;
	const struct kaiser_check *check = kaiser_checks(&count);
	json_t *all = json_array();

	for (size_t i = 0; i < count; i++) {
		int worst = judge_worst(j, check[i].name);
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(check[i].name));
		json_object_set_new(
			o, "state",
			json_string(worst == KAISER_ERROR ? "found" : state_of(j, check[i].name)));
		json_object_set_new(o, "sentence", json_string(check[i].sentence));
		json_object_set_new(o, "errors", json_integer(errors_of(j, check[i].name)));
		if (worst >= KAISER_WARNING)
			put_text(o, "explanation", preset_check(j->options->preset, check[i].name));
		json_object_set_new(o, "findings", findings(j, s, check[i].name));
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *cpus(const struct judgement *j)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < j->source->cpus; i++) {
		json_t *o;

		if (!j->samples[i])
			continue;
		o = json_object();
		json_object_set_new(o, "cpu", json_integer(i));
		json_object_set_new(o, "samples", json_integer(j->samples[i]));
		json_object_set_new(o, "levels",
				    json_integer(j->source->cpu[i].cr4 >> 12 & 1 ? 5 : 4));
		json_object_set_new(o, "bits32", json_boolean(j->bits32[i / 64] >> i % 64 & 1));
		json_object_set_new(o, "cr3", address(j->last_cr3[i]));
		if (j->last_kernel_root[i])
			json_object_set_new(o, "kernel_root", address(j->last_kernel_root[i]));
		json_array_append_new(all, o);
	}
	return all;
}

static const struct {
	const char *key, *text;
	size_t offset;
} total[] = {
	{"pages", "pages", offsetof(struct totals, pages)},
	{"writable", "writable pages", offsetof(struct totals, writable)},
	{"executable", "executable pages", offsetof(struct totals, executable)},
	{"writable_executable", "writable and executable pages",
	 offsetof(struct totals, writable_executable)},
	{"global", "global pages", offsetof(struct totals, global)},
};

#define TOTALS (sizeof(total) / sizeof(total[0]))

static uint64_t total_of(const struct judgement *j, size_t i)
{
	uint64_t n;

	memcpy(&n, (const char *)&j->most + total[i].offset, sizeof(n));
	return n;
}

/* How much of the guest was looked at, for those who wait for it. */
static json_t *cost(const struct source *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "reads", json_integer((json_int_t)s->cost.reads));
	json_object_set_new(o, "fetches", json_integer((json_int_t)s->cost.fetches));
	json_object_set_new(o, "pages", json_integer((json_int_t)s->cost.pages));
	return o;
}

int report_json(const struct judgement *j, const struct symbols *s, const struct verdict_line *v,
		const char *explanation)
{
	static const char *const verdicts[] = {"clean", "findings", "undecided"};
	json_t *all = json_object(), *t = json_object();
	int err;

	for (size_t i = 0; i < TOTALS; i++)
		json_object_set_new(t, total[i].key, json_integer((json_int_t)total_of(j, i)));
	json_object_set_new(all, "kaiser_audit", json_integer(FORMAT));
	json_object_set_new(all, "verdict", json_string(verdicts[v->verdict]));
	json_object_set_new(all, "text", json_string(v->text));
	json_object_set_new(all, "totals", t);
	json_object_set_new(all, "memory", cost(j->source));
	json_object_set_new(all, "complete", json_boolean(!j->overflow));
	json_object_set_new(all, "cpus", cpus(j));
	json_object_set_new(all, "ranges", ranges(j, s));
	json_object_set_new(all, "checks", checks(j, s));
	put_text(all, "explain", explanation);
	err = json_dumpf(all, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(all);
	return err;
}

/* ---- baseline ---- */

static void grew(struct baseline *b, const char *what, uint64_t was, uint64_t is)
{
	size_t n = strlen(b->text);

	if (is <= was)
		return;
	snprintf(b->text + n, sizeof(b->text) - n, "%s%s %lu, was %lu", b->grown++ ? "; " : "",
		 what, is, was);
}

int baseline_compare(struct baseline *b, const char *path, const struct judgement *j, char *error,
		     size_t size)
{
	json_error_t e;
	json_t *old = json_load_file(path, 0, &e), *list = json_object_get(old, "checks");
	const json_t *t = json_object_get(old, "totals");
	const struct kaiser_check *check;
	size_t count;

	if (json_integer_value(json_object_get(old, "kaiser_audit")) != FORMAT ||
	    !json_is_array(list) || !json_is_object(t)) {
		snprintf(error, size, "%s: %s", path,
			 old ? "not a report of kaiser audit --json" : e.text);
		json_decref(old);
		return -1;
	}
	b->used = true;
	for (size_t i = 0; i < TOTALS; i++)
		grew(b, total[i].text,
		     (uint64_t)json_integer_value(json_object_get(t, total[i].key)),
		     total_of(j, i));
	check = kaiser_checks(&count);
	for (size_t i = 0; i < count; i++) {
		uint64_t was = 0;
		char what[64];

		for (size_t k = 0; k < json_array_size(list); k++) {
			const json_t *o = json_array_get(list, k);
			const char *name = json_string_value(json_object_get(o, "name"));

			if (name && !strcmp(name, check[i].name))
				was = (uint64_t)json_integer_value(json_object_get(o, "errors"));
		}
		snprintf(what, sizeof(what), "findings of %s", check[i].name);
		/* How many there are varies with where things lie; whether there are any does not.
		 */
		grew(b, what, was ? UINT64_MAX : 0, errors_of(j, check[i].name));
	}
	json_decref(old);
	return 0;
}
