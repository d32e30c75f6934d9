/* SPDX-License-Identifier: MIT */
/*
 * kaiser storm: an event at every instruction of a kernel's entry and exit code.
 *
 * A program goes round a path for ever: it enters the kernel in one way and comes back. Each path
 * is first run undisturbed (inject.c: what user mode sees at its end) and logged (record.c: which
 * instructions it executes, and how to stop at each). Then, for each of those instructions, one
 * round with the event there, and the end compared. An event may itself be laid on a path with an
 * event (A>B): the path through A's handling is logged in the same way, and B moved along it.
 */
#define _GNU_SOURCE
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storm.h"

struct spec {
	const struct storm_event *event[MAX_DEPTH]; /* the last is moved along */
	unsigned depth;
	char name[64], append[256];
};

struct plan {
	struct spec spec[MAX_EVENTS];
	unsigned specs;
	regex_t path, setup;
};

static int fail(const char *reason)
{
	fprintf(stderr, "kaiser storm: %s\n", reason);
	return 2;
}

static int unknown(const char *what, const char *name)
{
	fprintf(stderr, "kaiser storm: there is no %s '%s'; --list names them\n", what, name);
	return 2;
}

static void append_word(char *to, size_t size, const char *words)
{
	size_t n = strlen(to);

	if (*words && !strstr(to, words))
		snprintf(to + n, size - n, "%s%s", n ? " " : "", words);
}

static int plan_events(struct storm *s, struct plan *p)
{
	char all[512], *save, *save2;

	snprintf(all, sizeof(all), "%s", s->o.events);
	for (char *one = strtok_r(all, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		struct spec *spec = &p->spec[p->specs];

		if (p->specs++ == MAX_EVENTS)
			return fail("too many events");
		snprintf(spec->name, sizeof(spec->name), "%s", one);
		for (char *e = strtok_r(one, ">", &save2); e; e = strtok_r(NULL, ">", &save2)) {
			if (spec->depth == MAX_DEPTH)
				return fail("events nest to depth 3 at most");
			spec->event[spec->depth] = storm_event(&s->c, e);
			if (!spec->event[spec->depth])
				return unknown("event", e);
			append_word(spec->append, sizeof(spec->append),
				    spec->event[spec->depth++]->append);
		}
		for (unsigned i = 0; i + 1 < spec->depth; i++)
			if (spec->event[i]->word[0])
				return fail("a breakpoint can only be the innermost event");
	}
	return p->specs ? -1 : fail("no event");
}

static int open_guest(struct storm *s, const struct storm_setup *setup, const char *append)
{
	int r = storm_guest_open(s, setup, append);

	return r ? fail(s->guest.error) : 0;
}

/* The way that the run's sweeps take, and what its outer events alone leave. */
static int record(struct storm *s, struct storm_run *run)
{
	int r = storm_record(s, run);

	return r ? r : storm_outer_page(s, run);
}

/* The guest is spoilt: a new one, and the way to the points anew, since addresses may differ. */
static int again(struct storm *s, struct storm_run *run)
{
	if (run->outer) {
		int r = again(s, run->outer);

		return r ? r : record(s, run);
	}
	storm_guest_close(s);
	int r = open_guest(s, s->setup, s->append);

	if (!r)
		r = storm_baseline(s, run->path);
	if (!r)
		r = record(s, run);
	return r ? fail(s->guest.error[0] ? s->guest.error : s->what) : 0;
}

/* A breakpoint breaks each time the path comes by, so its address counts once. Where a #DB is being
 * handled with DR7 in force it would break again for ever, or take the frame that the exit needs:
 * no kernel can stand that. That is its entry, before the handler clears DR7, and the exit of one
 * that hit CPL 0. */
static enum storm_left can_break(struct storm *s, const struct storm_run *run, unsigned k)
{
	bool in_debug = false, again = false;

	if (!run->step[k].entry)
		return LEFT_OUTSIDE;
	/* QEMU's own breakpoint, to give the outer event, would be at the same place. */
	for (const struct storm_run *r = run; r->outer; r = r->outer) {
		if (r->outer->step[r->at].rip == run->step[k].rip)
			return LEFT_OUTER;
		/* Met before the outer event it would break there. */
		for (unsigned i = 0; i < r->at; i++)
			again |= r->outer->step[i].rip == run->step[k].rip;
	}
	for (unsigned i = 0; i < run->steps; i++) {
		const struct storm_step *p = &run->step[i];

		if (p->rip == s->guest.gate[1])
			in_debug = true;
		if (p->rip == run->step[k].rip && (in_debug || p->inside == 1))
			return LEFT_DEBUG;
		again |= i < k && p->rip == run->step[k].rip;
		if (p->entry && storm_image_byte(s->kernel, p->rip - s->guest.moved) == 0xe8)
			in_debug = false;
	}
	return again ? LEFT_AGAIN : NOT_LEFT;
}

/* The event says that it can be stood at this step. */
static bool allowed(const struct storm *s, const struct storm_event *e, uint64_t rip)
{
	for (unsigned i = 0; i < e->onlys; i++) {
		uint64_t from, to;

		if (storm_image_find(s->kernel, e->only[i].from, &from) &&
		    storm_image_find(s->kernel, e->only[i].to, &to) &&
		    rip - s->guest.moved >= from && rip - s->guest.moved < to)
			return true;
	}
	return !e->onlys;
}

/* index: how many could be, and how many of them the mode chose, so far. */
static enum storm_left left_out(struct storm *s, struct storm_run *run, const struct storm_event *e,
				unsigned k, unsigned index[2])
{
	enum storm_left why = e->word[0] ? can_break(s, run, k) : NOT_LEFT;

	if (!why && !allowed(s, e, run->step[k].rip))
		why = LEFT_ONLY;
	if (!why && (!storm_chosen(&s->o.points, index[0]++, k) ||
		     index[1]++ % s->o.shards + 1 != s->o.shard))
		why = LEFT_MODE;
	return why;
}

/* One point. A child's stack is elsewhere, say, or ticks come too often: what is not come to is
 * looked for in a new guest, and a new one. 0, 1, or what ends the sweep. */
static int point(struct storm *s, struct storm_run *run, const struct storm_event *e, unsigned k,
		 int *end)
{
	int r = storm_point(s, run, e, k);
	bool anew = r && s->drifted;

	*end = 0;
	for (unsigned guests = 0; r && s->drifted && guests < 3; guests++) {
		*end = again(s, run);
		if (*end)
			return r;
		if (k >= run->steps) {
			snprintf(s->what, sizeof(s->what), "the path has no such step any more");
			return 1;
		}
		r = storm_point(s, run, e, k);
	}
	s->total.retried += anew && !r;
	return r;
}

/* The event at each chosen step of the run. */
static int sweep(struct storm *s, struct storm_run *run, const struct storm_event *e, int counted)
{
	struct storm_swept w = {.before = s->total};
	unsigned index[2] = {0}, k, steps, anew = 0;

	for (k = 0; k < run->steps && w.failures < s->o.max_failures; k++) {
		enum storm_left why = left_out(s, run, e, k, index);
		int r, end;

		w.left[why] += why != NOT_LEFT;
		if (why)
			continue;
		storm_progress(s, run->path->name, k, run->steps);
		w.points++;
		s->total.points++;
		steps = run->steps;
		r = point(s, run, e, k, &end);
		if (end)
			return end;
		if (run->steps != steps && (!r || s->drifted) && anew++ < 3) {
			/* A new guest goes another way: that one is swept, from its start. */
			w = (struct storm_swept){.before = w.before, .failures = w.failures};
			index[0] = index[1] = 0;
			k = UINT32_MAX;
			continue;
		}
		w.reached += s->reached;
		if (!r)
			continue;
		w.failures++;
		storm_failure(s, run, e, k);
		r = again(s, run);
		if (r)
			return r;
	}
	storm_path_done(s, run, s->event, &w, counted);
	return 0;
}

/* Ways through the event's handling from each state it can meet, for the table of states. */
static int handled(struct storm *s, struct storm_run *run, const struct storm_event *e)
{
	unsigned seen = 0;

	if (e->word[0] || e->pends)
		return 0;
	for (unsigned k = 0; k < run->steps; k++) {
		const struct storm_step *p = &run->step[k];
		unsigned state = p->cpl == 3 ? 16
					     : 1u << STATE(p->gs == s->base.end.kernel_gs,
							   !(p->cr3 & CR3_SWITCH));
		struct storm_run inner = {.path = run->path, .outer = run, .fixed = e, .at = k};

		state <<= p->blocked ? 5 : p->inside ? 10 : 0;
		if (seen & state)
			continue;
		seen |= state;
		int r = storm_record(s, &inner);

		if (!r)
			storm_states_add(s, &inner);
		free(inner.step);
		if (r) {
			snprintf(s->what, sizeof(s->what), "the path does not end after %s",
				 e->name);
			storm_failure(s, run, e, k);
			return again(s, run);
		}
	}
	return 0;
}

static int nest(struct storm *s, struct storm_run *run, const struct spec *spec, unsigned level)
{
	unsigned index = 0;

	if (level + 1 == spec->depth)
		return sweep(s, run, spec->event[level], -1);
	for (unsigned k = 0; k < run->steps; k++) {
		struct storm_run inner = {
			.path = run->path, .outer = run, .at = k, .fixed = spec->event[level]};
		const struct storm_points *o = &s->o.outer;
		int r;

		if (o->levels ? level < o->count && o->list[level] != k
			      : !allowed(s, inner.fixed, run->step[k].rip) ||
					!storm_chosen(o, index++, k))
			continue;
		r = record(s, &inner);
		if (r == 1) {
			snprintf(s->what, sizeof(s->what), "the path does not end after %s",
				 spec->event[level]->name);
			storm_failure(s, run, spec->event[level], k);
			r = again(s, run);
		} else if (!r) {
			storm_states_add(s, &inner);
			r = nest(s, &inner, spec, level + 1);
		} else {
			r = fail(s->guest.error);
		}
		free(inner.step);
		if (r)
			return r;
	}
	return run->outer ? 0 : storm_outer_page(s, run);
}

static int one_path(struct storm *s, const struct plan *p, const struct storm_path *path,
		    const char *append)
{
	struct storm_run run = {.path = path};
	unsigned failed = s->total.failed;
	bool first = true;
	int counted = -1, r;

	/* What a replay of this path alone has to name, for the kernel's words. */
	for (unsigned i = p->specs; i-- > 0;)
		if (!strcmp(p->spec[i].append, append))
			snprintf(s->event, sizeof(s->event), "%s", p->spec[i].name);
	r = storm_baseline(s, path);

	s->total.paths++;
	if (!r)
		r = record(s, &run);
	if (r == 1) {
		/* The kernel does not stand this path even without an event. */
		storm_failure(s, &run, NULL, 0);
		storm_guest_close(s);
		return open_guest(s, s->setup, s->append);
	}
	if (r)
		return fail(s->guest.error);
	storm_states_add(s, &run);
	if (!s->o.no_count)
		counted = storm_count(s, &run);
	if (s->o.points.mode == MODE_NONE)
		storm_path_done(s, &run, "none", &(struct storm_swept){0}, counted);
	for (unsigned i = 0; !r && i < p->specs && s->o.points.mode != MODE_NONE; i++) {
		const struct spec *spec = &p->spec[i];

		if (strcmp(spec->append, append) != 0)
			continue;
		snprintf(s->event, sizeof(s->event), "%s", spec->name);
		if (spec->depth > 1) {
			r = nest(s, &run, spec, 0);
		} else {
			r = sweep(s, &run, spec->event[0], first ? counted : -1);
			if (!r && s->o.points.mode == MODE_EXHAUSTIVE && s->total.failed == failed)
				r = handled(s, &run, spec->event[0]);
		}
		first = false;
	}
	free(run.step);
	return r;
}

/* All paths that want these words of the kernel's, in one boot. */
static int one_boot(struct storm *s, const struct plan *p, const struct storm_setup *setup,
		    const char *append, const char *path_append)
{
	char both[400];
	int r = 0;
	bool opened = false;

	snprintf(both, sizeof(both), "%s %s", append, path_append);
	for (unsigned i = 0; !r && i < s->c.paths; i++) {
		const struct storm_path *path = &s->c.path[i];

		if (path->bochs_only || strcmp(path->append, path_append) != 0 ||
		    regexec(&p->path, path->name, 0, NULL, 0))
			continue;
		if (!opened)
			r = open_guest(s, setup, both);
		opened = true;
		if (!r)
			r = one_path(s, p, path, append);
	}
	if (opened)
		storm_guest_close(s);
	return r;
}

/* Is all of it swept, so that each state that the design allows must be met? */
static bool whole(const struct storm *s, const struct plan *p)
{
	for (unsigned i = 0; i < s->c.events; i++) {
		bool planned = s->c.event[i].onlys || s->c.event[i].unblocks;

		for (unsigned k = 0; k < p->specs; k++)
			planned |= p->spec[k].event[0] == &s->c.event[i];
		if (!planned)
			return false;
	}
	return !s->o.path && s->o.points.mode == MODE_EXHAUSTIVE && s->o.shards < 2;
}

static int one_setup(struct storm *s, const struct plan *p, const struct storm_setup *setup)
{
	int r = 0;

	memset(&s->states, 0, sizeof(s->states));
	s->setup = setup;
	for (unsigned i = 0; !r && i < p->specs; i++) {
		bool done = false;

		for (unsigned k = 0; k < i; k++)
			done |= !strcmp(p->spec[k].append, p->spec[i].append);
		if (done)
			continue;
		for (unsigned a = 0; !r && a < s->c.paths; a++) {
			bool other = true;

			for (unsigned b = 0; b < a; b++)
				other &= strcmp(s->c.path[b].append, s->c.path[a].append) != 0;
			if (other)
				r = one_boot(s, p, setup, p->spec[i].append, s->c.path[a].append);
		}
	}
	if (r)
		return r;
	s->total.failed += storm_states_report(s, whole(s, p));
	return 0;
}

static void print_list(const struct storm_config *c)
{
	for (unsigned i = 0; i < c->setups; i++)
		printf("config %-14s %s\n", c->setup[i].name, c->setup[i].append);
	for (unsigned i = 0; i < c->events; i++)
		printf("event  %-14s %s\n", c->event[i].name, c->event[i].append);
	for (unsigned i = 0; i < c->paths; i++)
		printf("path   %-14s %s\n", c->path[i].name, c->path[i].why);
}

static int storm(struct storm *s)
{
	struct timespec a, b;
	struct plan p = {0};
	char error[300];
	int r;

	if (storm_config_read(&s->c, s->o.paths, error, sizeof(error)))
		return fail(error);
	if (s->o.list) {
		print_list(&s->c);
		return 0;
	}
	s->kernel = storm_image_open(s->o.kernel, error, sizeof(error));
	if (s->kernel)
		s->program = storm_image_open(s->o.program, error, sizeof(error));
	if (!s->program)
		return fail(error);
	for (unsigned i = 0; i < s->c.calls; i++) {
		uint64_t at;

		if (!storm_image_find(s->kernel, s->c.call[i], &at) ||
		    !storm_image_physical(s->kernel, at, &at)) {
			snprintf(error, sizeof(error), "%s: the kernel has no %s", s->o.paths,
				 s->c.call[i]);
			return fail(error);
		}
	}
	r = plan_events(s, &p);
	if (r >= 0)
		return r;
	if (regcomp(&p.path, s->o.path ? s->o.path : "", REG_EXTENDED | REG_NOSUB) ||
	    regcomp(&p.setup, s->o.setup ? s->o.setup : "", REG_EXTENDED | REG_NOSUB))
		return fail("that is no regular expression");
	clock_gettime(CLOCK_MONOTONIC, &a);
	r = 0;
	for (unsigned i = 0; !r && i < s->c.setups; i++)
		if (!regexec(&p.setup, s->c.setup[i].name, 0, NULL, 0))
			r = one_setup(s, &p, &s->c.setup[i]);
	clock_gettime(CLOCK_MONOTONIC, &b);
	regfree(&p.path);
	regfree(&p.setup);
	if (r)
		return r;
	if (!s->total.paths)
		return fail("nothing of that name: --list tells what there is");
	storm_report(s, (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9);
	return s->total.failed ? 1 : 0;
}

int storm_main(int argc, char **argv)
{
	struct storm *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return fail("out of memory");
	s->guest.g.fd = -1;
	code = storm_options(&s->o, argc, argv);
	if (code < 0)
		code = storm(s);
	storm_guest_close(s);
	storm_image_close(s->kernel);
	storm_image_close(s->program);
	free(s->base.memory.want);
	free(s->base.memory.noise);
	free(s->base.memory.got);
	free(s->o.points.list);
	free(s->o.outer.list);
	free(s);
	return code;
}
