/* SPDX-License-Identifier: MIT */
/*
 * kaiser audit: what does user mode's page table map, and may it?
 *
 * A source (source_*.c) gives registers and physical memory, of a guest that is stopped for it. At
 * each stop every CPU that is in user mode and not yet sampled often enough is judged (judge.c) by
 * the check table that the library has for itself (kaiser/src/verify*.c), told what registers and
 * memory tell about a kernel that nobody knows (machine.c). All is kept in memory until the guest
 * has been let go; then it is reported.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kaiser/verify.h>

#include "audit.h"

#define FIRST_PAUSE 2000000 /* ns the guest runs between two stops; doubles up to */
#define LAST_PAUSE  50000000
#define ENTRIES     12
#define MORE_STOPS  40
#define RAN_ENOUGH  3 /* stops before the first sample, so that kernel roots are seen */

struct audit {
	struct options o;
	struct source source;
	struct rules rules;
	struct judgement j;
	struct baseline baseline;
	char missing[120];
	char explanation[4096];
	bool explained;
	unsigned entries; /* into the kernel that were watched, or waited for */
	unsigned calls;   /* likewise, for LSTAR */
};

static int fail(const char *reason)
{
	fprintf(stderr, "kaiser audit: %s\n", reason);
	return 2;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_for(double seconds)
{
	struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

	nanosleep(&t, NULL);
}

static int open_source(struct audit *a)
{
	const struct options *o = &a->o;

	if (o->run)
		return source_run(&a->source, o->run);
	if (o->dump)
		return source_dump(&a->source, o->dump);
	if (o->raw)
		return source_raw(&a->source, o->raw, o->cr3, o->five_levels);
	return source_qemu(&a->source, o->qmp, o->gdb, 2000);
}

static void read_msrs(struct audit *a)
{
	struct source *s = &a->source;

	if (s->msrs)
		s->msrs(s);
	for (unsigned i = 0; i < s->cpus; i++) {
		struct source_cpu *c = &s->cpu[i];

		if ((c->known & KAISER_KNOWN_LSTAR) || !a->j.lstar[i])
			continue;
		c->lstar = a->j.lstar[i];
		c->known |= KAISER_KNOWN_LSTAR;
	}
}

/* With several samples one more is taken as soon as two processes can be compared. */
static bool wanted(const struct audit *a, unsigned cpu)
{
	return a->j.samples[cpu] < a->o.samples ||
	       (a->o.samples > 1 && !a->j.compared && processes_on(a->j.processes, cpu) > 1);
}

/* Judges whom it can at this stop. -1: error. */
static int take_samples(struct audit *a, bool as_they_are)
{
	struct source *s = &a->source;
	bool msrs = false;

	for (unsigned i = 0; i < s->cpus; i++) {
		if (!s->cpu[i].paging || (s->cpu[i].cpl != 3 && !as_they_are) || !wanted(a, i))
			continue;
		if (!msrs)
			read_msrs(a);
		msrs = true;
		if (judge_cpu(&a->j, i))
			return source_fail(s, "out of memory");
		if (a->o.explain && !a->explained) {
			judge_explain(&a->j, i, a->o.explain_va, a->j.symbols, a->explanation,
				      sizeof(a->explanation));
			a->explained = true;
		}
	}
	return 0;
}

/* `more`: stops for nothing but to see a second process. */
static bool sampled(const struct audit *a, unsigned more)
{
	for (unsigned i = 0; i < a->source.cpus; i++)
		if (a->j.samples[i] < a->o.samples)
			return false;
	return a->o.samples == 1 || a->j.compared || more >= MORE_STOPS;
}

/* Where nothing tells which root the kernel runs on, or what LSTAR is: see it enter. 1: the guest
 * is elsewhere now.
 */
static int watch_entry(struct audit *a)
{
	struct source *s = &a->source;
	struct entry e;

	for (unsigned i = 0; i < s->cpus && a->entries < ENTRIES; i++) {
		int r;

		if (!s->cpu[i].paging || s->cpu[i].cpl != 3 || !wanted(a, i))
			continue;
		read_msrs(a);
		if (!(s->cpu[i].known & KAISER_KNOWN_LSTAR) && (s->cpu[i].efer & 1) &&
		    a->calls < ENTRIES) {
			a->calls++;
			r = entry_find_lstar(&a->j, i);
		} else if (!judge_knows_root(&a->j, i)) {
			a->entries++;
			r = entry_watch(&a->j, i, &e);
			if (r == 1)
				judge_take_entry(&a->j, &e);
		} else {
			continue;
		}
		return r < 0 ? -1 : 1;
	}
	return 0;
}

static int watch(struct audit *a)
{
	struct source *s = &a->source;
	double end = now() + a->o.delay + a->o.timeout;
	double pause = a->o.delay;
	unsigned stops = 0, more = 0;
	int entry;

	if (!s->live || a->o.when == WHEN_NOW) {
		if (a->o.delay && s->live && (s->go(s) || (pause_for(a->o.delay), s->stop(s))))
			return -1;
		judge_look(&a->j);
		return take_samples(a, a->o.when == WHEN_NOW);
	}
	for (long ns = FIRST_PAUSE; !sampled(a, more) && now() < end;) {
		if (s->go(s))
			return -1;
		/* Not in step with anything the guest does. */
		pause_for(pause + (double)(ns / 2 + random() % ns) * 1e-9);
		pause = 0;
		if (s->stop(s))
			return -1;
		judge_look(&a->j);
		if (++stops < RAN_ENOUGH)
			continue;
		entry = watch_entry(a);
		if (entry < 0 || (entry == 0 && take_samples(a, false)))
			return -1;
		more = sampled(a, MORE_STOPS) ? more + 1 : 0;
		if (ns < LAST_PAUSE && stops % 4 == 0)
			ns *= 2;
	}
	return 0;
}

/* Why not all was looked at. -1: nothing was. */
static int what_is_missing(struct audit *a)
{
	uint64_t set[CPU_WORDS] = {0};
	unsigned missing = 0;
	char list[64];

	for (unsigned i = 0; i < a->source.cpus; i++) {
		/* A CPU that the kernel never started leaks nothing. */
		if (a->j.samples[i] >= a->o.samples || !a->source.cpu[i].paging)
			continue;
		set[i / 64] |= UINT64_C(1) << i % 64;
		missing++;
	}
	cpu_list(set, list, sizeof(list));
	if (!a->j.total_samples && !a->source.live)
		return source_fail(&a->source, "no CPU was in user mode then (--when now judges "
					       "them as they are)");
	if (!a->j.total_samples)
		return source_fail(&a->source, "no CPU was in user mode within %u s", a->o.timeout);
	if (missing && !a->source.live)
		snprintf(a->missing, sizeof(a->missing), "CPU %s was not in user mode", list);
	else if (missing)
		snprintf(a->missing, sizeof(a->missing),
			 "CPU %s was not often enough in user mode within %u s", list,
			 a->o.timeout);
	return 0;
}

/* The boots before the one that is judged: where things lay, no more. */
static int boot_once(struct audit *a, struct kaiser_boot *boot)
{
	struct audit *b = calloc(1, sizeof(*b));
	uint64_t *list = calloc(VISIBLE, sizeof(*list));
	int err = -1;

	if (!b || !list) {
		free(b);
		free(list);
		return source_fail(&a->source, "out of memory");
	}
	b->o = a->o;
	b->o.samples = b->o.boots = 1;
	b->o.explain = false;
	b->j = (struct judgement){.options = &b->o,
				  .source = &b->source,
				  .rules = &a->rules,
				  .symbols = a->j.symbols};
	if (!open_source(b) && !watch(b) && !what_is_missing(b)) {
		judge_sort(&b->j);
		for (size_t i = 0; i < b->j.ranges && boot->count < VISIBLE; i++)
			list[boot->count++] = b->j.range[i].start;
		boot->image = b->j.places.image_start;
		boot->direct_map = b->j.places.direct_start;
		err = 0;
	} else {
		source_fail(&a->source, "%s", b->source.error);
	}
	boot->visible = list;
	source_close(&b->source);
	judge_free(&b->j);
	free(b);
	return err;
}

static int boot_often(struct audit *a)
{
	if (a->o.boots == 1)
		return 0;
	a->j.boot = calloc(a->o.boots, sizeof(*a->j.boot));
	if (!a->j.boot)
		return source_fail(&a->source, "out of memory");
	for (a->j.boots = 1; a->j.boots < a->o.boots;)
		if (boot_once(a, &a->j.boot[a->j.boots++]))
			return -1;
	return 0;
}

static int report(struct audit *a)
{
	struct verdict_line v;
	char error[300];

	if (a->o.baseline &&
	    baseline_compare(&a->baseline, a->o.baseline, &a->j, error, sizeof(error)))
		return fail(error);
	verdict_of(&v, &a->j, &a->baseline, a->missing);
	if ((a->o.svg && picture_svg(a->o.svg, &a->j, a->j.symbols, &v)) ||
	    (a->o.html && picture_html(a->o.html, &a->j, a->j.symbols, &v)))
		return fail("the picture cannot be written");
	if (a->o.json) {
		if (report_json(&a->j, a->j.symbols, &v, a->explanation))
			return fail("the report cannot be written");
	} else {
		report_people(&a->j, a->j.symbols, &v, a->explanation);
	}
	if (fflush(stdout) || ferror(stdout))
		return fail("the report cannot be written");
	return v.verdict == VERDICT_CLEAN ? 0 : v.verdict == VERDICT_FINDINGS ? 1 : 2;
}

static int audit(struct audit *a)
{
	char error[300];

	if (a->o.symbols) {
		a->j.symbols = symbols_open(a->o.symbols, error, sizeof(error));
		if (!a->j.symbols)
			return fail(error);
		symbols_set_offset(a->j.symbols, a->o.offset);
	}
	if (a->o.allow && rules_read(&a->rules, a->o.allow, a->j.symbols, error, sizeof(error)))
		return fail(error);
	if (boot_often(a) || open_source(a) || watch(a) || what_is_missing(a)) {
		snprintf(error, sizeof(error), "%s", a->source.error);
		return fail(error);
	}
	judge_place_symbols(&a->j);
	judge_sort(&a->j);
	/* The guest goes on before anything is printed: a reader may be slow, or gone. */
	source_close(&a->source);
	return report(a);
}

int audit_main(int argc, char **argv)
{
	struct audit *a = calloc(1, sizeof(*a));
	int code;

	if (!a)
		return fail("out of memory");
	code = options_parse(&a->o, argc, argv);
	if (code < 0 && a->o.diff[0]) {
		code = diff_reports(a->o.diff[0], a->o.diff[1]);
	} else if (code < 0) {
		srandom((unsigned)time(NULL));
		a->j.options = &a->o;
		a->j.source = &a->source;
		a->j.rules = &a->rules;
		code = audit(a);
		source_close(&a->source);
		judge_free(&a->j);
		rules_free(&a->rules);
		symbols_close(a->j.symbols);
	}
	free(a);
	return code;
}
