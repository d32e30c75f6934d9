/* SPDX-License-Identifier: MIT */
/* Runs the check table on one CPU at a time and keeps what is found once, however often and on
 * however many CPUs it is found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kaiser/verify.h>

#include "audit.h"

#define PAGE        UINT64_C(0x1000)
#define ADDRESS     UINT64_C(0x000ffffffffff000)
#define FLAG_IF     (UINT64_C(1) << 9)
#define RECORDS_MAX 4096
#define RANGES_MAX  65536
#define BUCKETS     (4u * RANGES_MAX) /* to find a range by */

static void add_root(uint64_t *list, unsigned *count, unsigned max, uint64_t root)
{
	for (unsigned i = 0; i < *count; i++)
		if (list[i] == root)
			return;
	if (*count < max)
		list[(*count)++] = root;
}

static void add_kernel_cr3(struct judgement *j, unsigned cpu, uint64_t cr3)
{
	for (unsigned i = 0; i < 256; i++)
		if (j->kernel_cr3[i].cr3 == cr3 && j->kernel_cr3[i].cpu == cpu)
			return;
	j->kernel_cr3[j->kernel_cr3s % 256].cr3 = cr3;
	j->kernel_cr3[j->kernel_cr3s++ % 256].cpu = cpu;
}

void judge_look(struct judgement *j)
{
	const struct source *s = j->source;

	processes_look(&j->processes, j->source);
	for (unsigned i = 0; i < s->cpus; i++) {
		const struct source_cpu *c = &s->cpu[i];

		if (!c->paging)
			continue;
		add_root(j->root, &j->roots, 256, c->cr3 & ADDRESS);
		if (c->cpl == 3)
			add_root(j->user_root, &j->user_roots, 256, c->cr3 & ADDRESS);
		if (c->cpl == 0)
			add_kernel_cr3(j, i, c->cr3);
		if (c->cpl == 0 && (c->rflags & FLAG_IF) && c->rip >> 63)
			add_root(j->kernel_root, &j->kernel_roots, 64, c->cr3 & ADDRESS);
	}
}

bool judge_knows_root(struct judgement *j, unsigned cpu)
{
	struct machine *x = machine_of(j, cpu);
	bool is = x && (machine_facts(x)->known & KAISER_KNOWN_KERNEL_ROOT);

	machine_free(x);
	return is;
}

void judge_take_entry(struct judgement *j, const struct entry *e)
{
	if (j->entries == sizeof(j->entry) / sizeof(j->entry[0]))
		return;
	j->entry[j->entries++] = *e;
	add_kernel_cr3(j, 0, e->kernel_cr3);
	add_root(j->root, &j->roots, 256, e->kernel_cr3 & ADDRESS);
}

bool judge_place_symbols(struct judgement *j)
{
	uint64_t offset = j->options->offset;

	if (!j->symbols || (!j->options->have_offset &&
			    !symbols_find_offset(j->symbols, j->code, j->codes, &offset)))
		return false;
	symbols_set_offset(j->symbols, offset);
	return true;
}

/* ---- findings ---- */

struct sample {
	struct judgement *j;
	unsigned cpu;
	bool failed;
};

static struct record *record_like(struct judgement *j, const struct record *r)
{
	struct record *all;

	for (size_t i = 0; i < j->records; i++) {
		struct record *o = &j->record[i];

		if (o->check == r->check && o->severity == r->severity && o->start == r->start &&
		    o->end == r->end && o->rights == r->rights && !strcmp(o->text, r->text))
			return o;
	}
	if (j->records == RECORDS_MAX) {
		j->overflow = true;
		return NULL;
	}
	if (j->records == j->record_space) {
		all = realloc(j->record, (j->records + 64) * sizeof(*all));
		if (!all)
			return NULL;
		j->record = all;
		j->record_space += 64;
	}
	j->record[j->records] = *r;
	return &j->record[j->records++];
}

static void take_finding(void *ctx, const struct kaiser_finding *f)
{
	struct sample *s = ctx;
	struct record r = {
		.check = f->check->name,
		.severity = (int)f->severity,
		.start = f->start,
		.end = f->end,
		.value = f->value,
		.rights = f->rights,
	};
	char text[260];
	struct record *o;

	kaiser_finding_text(f, text, sizeof(text));
	snprintf(r.text, sizeof(r.text), "%.198s", text + strlen(r.check) + 2);
	o = record_like(s->j, &r);
	if (!o) {
		s->failed |= !s->j->overflow;
		return;
	}
	o->cpu[s->cpu / 64] |= UINT64_C(1) << s->cpu % 64;
	o->seen++;
}

/* ---- ranges ---- */

struct mapping {
	struct sample *s;
	const struct kaiser_machine *m;
	struct range now;
	struct totals t;
};

static unsigned hash(uint64_t start, uint64_t end)
{
	return (unsigned)((start ^ end << 7) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % BUCKETS;
}

static void range_end(struct mapping *g)
{
	struct judgement *j = g->s->j;
	struct range *all, *o = NULL;
	unsigned i;

	if (g->now.start == g->now.end)
		return;
	if (!j->bucket)
		j->bucket = calloc(BUCKETS, sizeof(*j->bucket));
	if (!j->bucket) {
		g->s->failed = true;
		return;
	}
	for (i = hash(g->now.start, g->now.end); j->bucket[i] && !o; i = (i + 1) % BUCKETS) {
		struct range *r = &j->range[j->bucket[i] - 1];

		if (r->start == g->now.start && r->end == g->now.end &&
		    r->rights == g->now.rights && !strcmp(r->name, g->now.name))
			o = r;
	}
	if (!o && j->ranges == RANGES_MAX) {
		j->overflow = true;
	} else if (!o) {
		if (j->ranges % 1024 == 0) {
			all = realloc(j->range, (j->ranges + 1024) * sizeof(*all));
			if (!all) {
				g->s->failed = true;
				return;
			}
			j->range = all;
		}
		o = &j->range[j->ranges++];
		j->bucket[i] = (unsigned)j->ranges;
		*o = g->now;
		memset(o->cpu, 0, sizeof(o->cpu));
	}
	if (o)
		o->cpu[g->s->cpu / 64] |= UINT64_C(1) << g->s->cpu % 64;
	g->now.start = g->now.end = 0;
}

static void range_add(struct mapping *g, uint64_t start, uint64_t end, unsigned rights,
		      const char *name)
{
	if (g->now.start != g->now.end && g->now.end == start && g->now.rights == rights &&
	    !strcmp(g->now.name, name)) {
		g->now.end = end;
		return;
	}
	range_end(g);
	g->now.start = start;
	g->now.end = end;
	g->now.rights = rights;
	snprintf(g->now.name, sizeof(g->now.name), "%s", name);
}

static int take_leaf(void *arg, const struct kaiser_visit *v)
{
	struct mapping *g = arg;
	const struct kaiser_machine *m = g->m;
	uint64_t n = v->size / PAGE, at = v->va, last = v->va + (v->size - 1);

	if (v->kind != KAISER_VISIT_LEAF || ((v->rights & KAISER_MAY_USER) && !(v->va >> 63)))
		return 0;
	g->t.pages += n;
	g->t.writable += v->rights & KAISER_MAY_WRITE ? n : 0;
	g->t.executable += v->rights & KAISER_MAY_EXEC ? n : 0;
	if ((v->rights & KAISER_MAY_WRITE) && (v->rights & KAISER_MAY_EXEC))
		g->t.writable_executable += n;
	g->t.global += v->rights & KAISER_IS_GLOBAL ? n : 0;
	for (;;) {
		uint64_t piece = last;
		const char *name = "";

		for (size_t i = 0; i < m->allowed_count; i++) {
			const struct kaiser_allowed *a = &m->allowed[i];

			if (at >= a->start && at < a->end) {
				name = a->name ? a->name : "";
				piece = a->end - 1 < last ? a->end - 1 : last;
				break;
			}
			if (a->start > at && a->start - 1 < piece)
				piece = a->start - 1;
		}
		range_add(g, at, piece + 1, v->rights, name);
		if (piece >= last)
			return 0;
		at = piece + 1;
	}
}

/* Regions end at holes of 64 MiB or more; the last takes the rest if there are too many. */
static int take_region(void *arg, const struct kaiser_visit *v)
{
	struct judgement *j = arg;
	struct region *last = j->regions ? &j->region[j->regions - 1] : NULL;

	if (v->kind != KAISER_VISIT_LEAF)
		return 0;
	if (!last || (v->va - last->end >= UINT64_C(64) << 20 && j->regions < REGIONS_MAX)) {
		last = &j->region[j->regions++];
		last->start = v->va;
		last->pages = 0;
	}
	last->end = v->va + v->size;
	last->pages += v->size / PAGE;
	return 0;
}

static void most(uint64_t *to, uint64_t n)
{
	*to = n > *to ? n : *to;
}

static void take_ranges(struct sample *s, const struct kaiser_machine *m)
{
	struct mapping g = {.s = s, .m = m};
	struct totals *t = &s->j->most;

	kaiser_walk(m, m->cr3, KAISER_BOTH_HALVES, false, take_leaf, &g);
	range_end(&g);
	most(&t->pages, g.t.pages);
	most(&t->writable, g.t.writable);
	most(&t->executable, g.t.executable);
	most(&t->writable_executable, g.t.writable_executable);
	most(&t->global, g.t.global);
}

/* One CPU on which processes could be compared is enough. */
static void residue_compared(struct judgement *j)
{
	size_t kept = 0;

	j->compared = true;
	for (size_t i = 0; i < j->records; i++)
		if (strcmp(j->record[i].check, "residue") ||
		    j->record[i].severity != KAISER_UNKNOWN)
			j->record[kept++] = j->record[i];
	j->records = kept;
}

int judge_cpu(struct judgement *j, unsigned cpu)
{
	struct sample s = {.j = j, .cpu = cpu};
	const struct kaiser_sink sink = {&s, take_finding};
	struct machine *x = machine_of(j, cpu);
	const struct kaiser_machine *m;

	if (!x)
		return -1;
	m = machine_facts(x);
	if (m->known & KAISER_KNOWN_KERNEL_ROOT) {
		add_root(j->root, &j->roots, 256, m->kernel_root & ADDRESS);
		j->last_kernel_root[cpu] = m->kernel_root;
	}
	j->last_cr3[cpu] = m->cr3;
	j->bits32[cpu / 64] |= (uint64_t)j->source->cpu[cpu].bits32 << cpu % 64;
	if (kaiser_check_run(m, &sink, NULL) < 0)
		s.failed = true;
	if (m->is_others || j->compared)
		residue_compared(j);
	take_ranges(&s, m);
	if (!j->regions && (j->options->svg || j->options->html))
		kaiser_walk(m, m->known & KAISER_KNOWN_KERNEL_ROOT ? m->kernel_root : m->cr3,
			    KAISER_KERNEL_HALF, false, take_region, j);
	machine_free(x);
	j->samples[cpu]++;
	j->total_samples++;
	return s.failed ? -1 : 0;
}

int judge_worst(const struct judgement *j, const char *check)
{
	int worst = -1;

	for (size_t i = 0; i < j->records; i++)
		if (!strcmp(j->record[i].check, check) && j->record[i].severity > worst)
			worst = j->record[i].severity;
	return worst;
}

bool judge_asked(const struct judgement *j, const char *check)
{
	const struct options *o = j->options;

	return (o->boots > 1 || strcmp(check, "kaslr")) &&
	       (o->samples > 1 || strcmp(check, "residue"));
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

void judge_sort(struct judgement *j)
{
	if (j->ranges)
		qsort(j->range, j->ranges, sizeof(*j->range), by_start);
}

void judge_free(struct judgement *j)
{
	for (unsigned i = 1; i < j->boots; i++)
		free((void *)(uintptr_t)j->boot[i].visible);
	free(j->boot);
	free(j->processes);
	free(j->record);
	free(j->range);
	free(j->bucket);
	j->bucket = NULL;
	j->boot = NULL;
	j->boots = 0;
	j->processes = NULL;
	j->record = NULL;
	j->range = NULL;
}

/* ---- one address ---- */

static size_t put_walk(char *buf, size_t size, const struct kaiser_machine *m, const char *which,
		       uint64_t root, uint64_t va)
{
	static const char *const kinds[] = {"table",        "page",          "not present",
					    "reserved bit", "beyond memory", "unreadable",
					    "loop",         "limit"};
	uint64_t table = root & ADDRESS;
	struct kaiser_visit v;
	size_t n = (size_t)snprintf(buf, size, "%s root %#lx\n", which, table);
	char rights[8];

	for (unsigned level = kaiser_levels(m); level-- > 0 && n < size;) {
		static const char *const names[] = {"PTE", "PMD", "PUD", "P4D", "PGD"};
		uint64_t index = va >> (12 + 9 * level) & 511, entry;

		if (m->read(m->ctx, table + index * 8, &entry, 8)) {
			n += (size_t)snprintf(
				buf + n, size - n, "  %s cannot be read\n",
				names[level == 3 && kaiser_levels(m) == 4 ? 4 : level]);
			return n;
		}
		n += (size_t)snprintf(
			buf + n, size - n, "  %s %#lx [%3lu] %016lx (%s%s%s%s%s%s%s)\n",
			names[level == 3 && kaiser_levels(m) == 4 ? 4 : level], table, index, entry,
			entry & 1 ? "PRESENT" : "not present", entry & 2 ? "|RW" : "",
			entry & 4 ? "|USER" : "", entry & 0x20 ? "|ACCESSED" : "",
			entry & 0x80 && level ? "|LARGE" : "", entry & 0x100 ? "|GLOBAL" : "",
			entry >> 63 ? "|NX" : "");
		if (!(entry & 1) || (level && level < 3 && (entry & 0x80)))
			break;
		table = entry & ADDRESS;
	}
	if (n >= size)
		return size;
	if (kaiser_translate(m, root, va, &v)) {
		rights_text(v.rights, rights);
		n += (size_t)snprintf(buf + n, size - n, "  mapped: physical %#lx, %s, %lu KiB\n",
				      v.pa + (va & (v.size - 1)), rights, v.size >> 10);
	} else {
		n += (size_t)snprintf(buf + n, size - n, "  not mapped: %s\n", kinds[v.kind]);
	}
	return n < size ? n : size;
}

void judge_explain(struct judgement *j, unsigned cpu, uint64_t va, const struct symbols *s,
		   char *buf, size_t size)
{
	struct machine *x = machine_of(j, cpu);
	const struct kaiser_machine *m;
	char name[128];
	size_t n;

	buf[0] = 0;
	if (!x)
		return;
	m = machine_facts(x);
	symbols_name(s, va, name, sizeof(name));
	n = (size_t)snprintf(buf, size, "%#lx%s%s on CPU %u\n", va, *name ? " " : "", name, cpu);
	n += put_walk(buf + n, size - n, m, "user", m->cr3, va);
	if (m->known & KAISER_KNOWN_KERNEL_ROOT)
		put_walk(buf + n, size - n, m, "kernel", m->kernel_root, va);
	else if (n < size)
		snprintf(buf + n, size - n, "the kernel's root is not known\n");
	machine_free(x);
}
