/* SPDX-License-Identifier: MIT */
/* The table of checks, and how findings are counted, joined and put into words. */
#include "verify_internal.h"

#define BOTH_ROOTS (KAISER_KNOWN_CR3 | KAISER_KNOWN_KERNEL_ROOT)

static const struct kaiser_check checks[] = {
	{"isolated", KAISER_ERROR, "user mode runs on a root of its own, without the kernel",
	 kaiser_check_isolated, KAISER_KNOWN_CR3},
	{"tables", KAISER_ERROR, "every table can be read and no reserved bit is set",
	 kaiser_check_tables, KAISER_KNOWN_CR3},
	{"allowlist", KAISER_ERROR,
	 "the user root maps the allowed supervisor memory and nothing else",
	 kaiser_check_allowlist, KAISER_KNOWN_CR3},
	{"sufficient", KAISER_ERROR, "all that the CPU needs to enter the kernel is mapped",
	 kaiser_check_sufficient, KAISER_KNOWN_CR3},
	{"wx", KAISER_ERROR, "no supervisor page is both writable and executable", kaiser_check_wx,
	 KAISER_KNOWN_CR3},
	{"user_bit", KAISER_ERROR, "no entry of the kernel half has the user bit",
	 kaiser_check_user_bit, KAISER_KNOWN_CR3},
	{"global", KAISER_ERROR, "no entry is global", kaiser_check_global, KAISER_KNOWN_CR3},
	{"same_va_same_pa", KAISER_ERROR,
	 "what both roots map is the same frame with the same rights", kaiser_check_same_va_same_pa,
	 BOTH_ROOTS},
	{"nx_poison", KAISER_ERROR, "the kernel root cannot execute user memory",
	 kaiser_check_nx_poison, BOTH_ROOTS},
	{"sync", KAISER_ERROR, "both roots agree on the user half", kaiser_check_sync, BOTH_ROOTS},
	{"pointers", KAISER_ERROR, "visible memory tells no kernel address and no root",
	 kaiser_check_pointers, KAISER_KNOWN_CR3},
	{"kaslr", KAISER_ERROR, "no visible address tells where the kernel lies",
	 kaiser_check_kaslr, KAISER_KNOWN_CR3},
	{"foreign", KAISER_ERROR, "no other CPU's page is mapped", kaiser_check_foreign,
	 KAISER_KNOWN_CR3},
	{"residue", KAISER_ERROR, "visible memory keeps nothing of another process",
	 kaiser_check_residue, KAISER_KNOWN_CR3},
	{"pcid", KAISER_ERROR, "the two roots do not share the TLB's entries", kaiser_check_pcid,
	 KAISER_KNOWN_CR3 | KAISER_KNOWN_CR4},
	{"not_present", KAISER_INFO, "entries that are not present are zero",
	 kaiser_check_not_present, KAISER_KNOWN_CR3},
	{"self_map", KAISER_ERROR, "no table leads to itself and none is mapped",
	 kaiser_check_self_map, KAISER_KNOWN_CR3},
	{"direct_map", KAISER_ERROR, "physical memory is not mapped in a row",
	 kaiser_check_direct_map, KAISER_KNOWN_CR3},
	{"ldt", KAISER_ERROR, "the LDT holds accessed segments of ring 3 and nothing else",
	 kaiser_check_ldt, KAISER_KNOWN_CR3 | KAISER_KNOWN_LDT},
	{"readable", KAISER_INFO, "how much supervisor memory the user root maps",
	 kaiser_check_readable, KAISER_KNOWN_CR3},
};

const struct kaiser_check *kaiser_checks(size_t *n)
{
	*n = sizeof(checks) / sizeof(checks[0]);
	return checks;
}

int kaiser_check_run(const struct kaiser_machine *m, const struct kaiser_sink *sink,
		     const char *only)
{
	struct kaiser_run r = {.m = m, .sink = sink};
	bool any = false;

	if (!m || !m->read || !sink || !sink->finding)
		return KAISER_E_ARG;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		r.check = &checks[i];
		if (only && !same_name(only, r.check->name))
			continue;
		any = true;
		if (known(m, r.check->needs))
			r.check->fn(&r);
		else
			kaiser_report_text(&r, KAISER_UNKNOWN,
					   "not checked: what it needs is not known", 0);
	}
	return any ? r.errors : KAISER_E_ARG;
}

void kaiser_report(struct kaiser_run *r, const struct kaiser_finding *f)
{
	if (f->severity == KAISER_ERROR)
		r->errors++;
	r->sink->finding(r->sink->ctx, f);
}

void kaiser_report_text(struct kaiser_run *r, enum kaiser_severity severity, const char *text,
			uint64_t number)
{
	kaiser_report(r, &(struct kaiser_finding){.check = r->check,
						  .severity = severity,
						  .text = text,
						  .number = number});
}

void kaiser_report_at(struct kaiser_run *r, uint64_t start, uint64_t end, unsigned rights,
		      const char *text)
{
	kaiser_report(r, &(struct kaiser_finding){
				 .check = r->check,
				 .severity = r->check->severity,
				 .start = start,
				 .end = end,
				 .rights = rights,
				 .text = text,
			 });
}

void kaiser_merge_end(struct merge *g)
{
	if (g->start == g->end)
		return;
	kaiser_report(g->r, &(struct kaiser_finding){
				    .check = g->r->check,
				    .severity = g->severity,
				    .start = g->start,
				    .end = g->end,
				    .rights = g->rights,
				    .text = g->text,
				    .number = g->number,
				    .name = g->name,
			    });
	g->start = g->end = 0;
}

void kaiser_merge_add(struct merge *g, uint64_t start, uint64_t end, unsigned rights,
		      uint64_t number, const char *name)
{
	if (g->start != g->end && g->end == start && g->rights == rights && g->name == name) {
		g->end = end;
		g->number += number;
		return;
	}
	kaiser_merge_end(g);
	g->start = start;
	g->end = end;
	g->rights = rights;
	g->number = number;
	g->name = name;
}

struct text {
	char *buf;
	size_t n, length;
};

static void put(struct text *t, char c)
{
	if (t->length + 1 < t->n)
		t->buf[t->length] = c;
	t->length++;
}

static void put_number(struct text *t, uint64_t v)
{
	char digit[20];
	unsigned n = 0;

	do {
		digit[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n > 0)
		put(t, digit[--n]);
}

static void put_text(struct text *t, const char *s, uint64_t number)
{
	for (; *s; s++) {
		if (*s == '#')
			put_number(t, number);
		else
			put(t, *s);
	}
}

size_t kaiser_finding_text(const struct kaiser_finding *f, char *buf, size_t n)
{
	struct text t = {buf, n, 0};

	put_text(&t, f->check->name, 0);
	put_text(&t, ": ", 0);
	put_text(&t, f->text, f->number);
	if (f->name) {
		put_text(&t, " (", 0);
		put_text(&t, f->name, 0);
		put(&t, ')');
	}
	if (n > 0)
		buf[t.length < n ? t.length : n - 1] = 0;
	return t.length;
}
