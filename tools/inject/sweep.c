/* SPDX-License-Identifier: MIT */
/*
 * Two ways over the instructions of a guest.
 *
 * Path: from each stop at `start`, k steps along what is really executed, then the event; k grows
 * by one a round until the path reaches `stop`. Every instruction is met in the very state it is
 * met in on that path. With a first event at a given step the path leads through its handler, and
 * the event that is moved along nests in it. While stepping, interrupts and timers are held, so
 * that the path is the same each time; at the event they are not.
 *
 * List: a breakpoint on each address; wherever the guest comes, the event, and that breakpoint is
 * gone. It needs no path, but takes the state that happens to come first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject.h"

static int broken(struct run *r, const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, r->g.error[0] ? r->g.error : r->q.error);
	return 2;
}

static uint64_t fetch(struct run *r, const struct check *c)
{
	uint64_t v = 0;

	if (gdb_read(&r->g, c->addr, &v, c->size))
		v = ~c->value;
	return v;
}

/* The forbidden text on the serial line, as far as it was written. */
static bool forbidden(struct run *r, char *line, size_t size)
{
	FILE *f = r->o.serial ? fopen(r->o.serial, "r") : NULL;
	bool found = false;

	while (f && !found && fgets(line, (int)size, f))
		found = strstr(line, r->o.forbid) != NULL;
	if (f)
		fclose(f);
	if (found)
		line[strcspn(line, "\r\n")] = 0;
	return found;
}

int look(struct run *r, const char *where)
{
	char line[400];

	for (unsigned i = 0; i < r->o.n_checks; i++) {
		const struct check *c = &r->o.checks[i];
		uint64_t v = fetch(r, c);

		if ((v == c->value) == c->changes) {
			printf("FAIL %s: [%#" PRIx64 "] is %#" PRIx64 ", %s %#" PRIx64 "\n", where,
			       c->addr, v, c->changes ? "still" : "not", c->value);
			return 1;
		}
	}
	if (forbidden(r, line, sizeof(line))) {
		printf("FAIL %s: the guest says: %s\n", where, line);
		return 1;
	}
	return 0;
}

/* The event's commands, separated by semicolons: all at the same instruction. */
static int give(struct run *r, const char *event)
{
	char command[256];

	while (*event) {
		size_t n = strcspn(event, ";");

		snprintf(command, sizeof(command), "%.*s", (int)n, event);
		if (r->o.use_qmp ? qmp_execute(&r->q, command, NULL)
				 : gdb_monitor(&r->g, command, NULL, 0))
			return -1;
		event += n;
		event += *event == ';';
	}
	return 0;
}

int inject_here(struct run *r, const char *event, const char *where)
{
	uint64_t before, after, sp, ret = 0;
	int tries = 0;

	if (gdb_reg(&r->g, GDB_RIP, &before))
		return broken(r, where);
	if (give(r, event))
		return broken(r, where);
	/* The first step may only take note of the event. */
	do {
		if (gdb_step(&r->g) || gdb_reg(&r->g, GDB_RIP, &after))
			return broken(r, where);
	} while (after == before && ++tries < 3);
	r->injected++;
	/* Taken right here: the CPU is at the gate, and its frame says where it was. */
	if (!r->o.entry)
		return 0;
	if (after == r->o.entry && !gdb_reg(&r->g, GDB_RSP, &sp) && !gdb_read(&r->g, sp, &ret, 8) &&
	    ret == before) {
		r->exact++;
	} else if (r->o.verbose) {
		printf("late %s: at %#" PRIx64 " then %#" PRIx64 " (frame %#" PRIx64 ")\n", where,
		       before, after, ret);
	}
	return 0;
}

/* Where the IDT sends the event, unless the caller said so. */
static void find_entry(struct run *r)
{
	static char text[16384];
	uint64_t base, low = 0, high = 0;
	char *p;

	if (r->o.entry || gdb_monitor(&r->g, "info registers", text, sizeof(text)))
		return;
	p = strstr(text, "IDT=");
	base = p ? strtoull(p + 4, NULL, 16) : 0;
	if (!base || gdb_read(&r->g, base + 16 * r->o.vector, &low, 8) ||
	    gdb_read(&r->g, base + 16 * r->o.vector + 8, &high, 8))
		return;
	r->o.entry = (low & 0xffff) | (low >> 32 & 0xffff0000) | high << 32;
	printf("the gate of vector %u is at %#" PRIx64 "\n", r->o.vector, r->o.entry);
}

/* Waits for the next stop at a breakpoint. 0 there, 1 the guest did not come, 2 broken. */
static int come_back(struct run *r, const char *where)
{
	int w = gdb_wait(&r->g, r->o.timeout);
	char line[400];

	if (w == 1)
		return 0;
	r->failed++;
	if (forbidden(r, line, sizeof(line)))
		printf("FAIL %s: the guest says: %s\n", where, line);
	else if (w < 0)
		printf("FAIL %s: %s\n", where, r->g.error);
	else
		printf("FAIL %s: the guest does not come back in %d ms\n", where, r->o.timeout);
	if (w == 0 && !gdb_interrupt(&r->g) && gdb_wait(&r->g, 5000) == 1) {
		uint64_t rip = 0, cs = 0;

		gdb_reg(&r->g, GDB_RIP, &rip);
		gdb_reg(&r->g, GDB_CS, &cs);
		printf("     it is at %#" PRIx64 ", CS %#" PRIx64 "\n", rip, cs);
	}
	return w < 0 ? 2 : 1;
}

/* Steps off a breakpoint: QEMU does not do it on "continue". */
static int resume_from(struct run *r, uint64_t addr)
{
	if (gdb_break(&r->g, addr, false) || gdb_step(&r->g) || gdb_break(&r->g, addr, true))
		return -1;
	return gdb_continue(&r->g);
}

/* The first of two nested events, and one step. Held interrupts would hold it too. */
static int first_event(struct run *r)
{
	if (gdb_step_mask(&r->g, 0) || inject_here(r, r->o.first_event, "the first event"))
		return -1;
	return gdb_step_mask(&r->g, GDB_HOLD_IRQS | GDB_HOLD_TIMERS);
}

static int path_round(struct run *r, unsigned round)
{
	struct options *o = &r->o;

	for (unsigned k = o->nested ? o->first + 1 : 0; k < o->max; k++) {
		char where[100];
		uint64_t rip = o->start;
		bool inside, end = false;

		/* The breakpoint is off while stepping, or the first step would not move. */
		if (gdb_break(&r->g, o->start, false) ||
		    gdb_step_mask(&r->g, GDB_HOLD_IRQS | GDB_HOLD_TIMERS))
			return broken(r, "stepping");
		for (unsigned i = 0; i < k && !end; i++) {
			bool first = o->nested && i == o->first;

			if (first ? first_event(r) : gdb_step(&r->g))
				return broken(r, "stepping");
			if (gdb_reg(&r->g, GDB_RIP, &rip))
				return broken(r, "stepping");
			end = rip == o->stop;
		}
		if (gdb_step_mask(&r->g, 0))
			return broken(r, "stepping");
		snprintf(where, sizeof(where), "step %u at %#" PRIx64, k, rip);
		if (end) {
			printf("round %u: the path has %u instructions\n", round + 1, k);
			return gdb_break(&r->g, o->start, true) || resume_from(r, o->start) ||
					       come_back(r, where)
				       ? 1
				       : 0;
		}
		inside = !o->to || (rip >= o->from && rip < o->to);
		if (inside && inject_here(r, o->monitor, where))
			return 2;
		if (gdb_break(&r->g, o->start, true))
			return broken(r, where);
		if (!inside && k == 0 ? resume_from(r, o->start) : gdb_continue(&r->g))
			return broken(r, where);
		int back = come_back(r, where);

		if (back)
			return back;
		if (look(r, where)) {
			r->failed++;
			return 1;
		}
	}
	printf("round %u: the path did not end in %u instructions\n", round + 1, o->max);
	return 1;
}

int sweep_path(struct run *r)
{
	if (gdb_break(&r->g, r->o.start, true) || gdb_continue(&r->g))
		return broken(r, "start");
	if (come_back(r, "before the first event"))
		return 1;
	find_entry(r);
	for (unsigned i = 0; i < r->o.rounds; i++) {
		int bad = path_round(r, i);

		if (bad)
			return bad;
	}
	return 0;
}

int sweep_list(struct run *r)
{
	struct options *o = &r->o;
	unsigned left = o->n_addrs;
	bool *done = calloc(o->n_addrs ? o->n_addrs : 1, sizeof(*done));
	int result = 2;

	if (!done)
		return 2;
	for (unsigned i = 0; i < o->n_addrs; i++) {
		if (gdb_break(&r->g, o->addrs[i], true)) {
			broken(r, "breakpoint");
			goto out;
		}
	}
	while (left) {
		char where[100];
		uint64_t rip;
		unsigned i = 0;
		int w = gdb_continue(&r->g) ? -1 : gdb_wait(&r->g, o->timeout);

		if (w == 0)
			break; /* the rest is not reached by this guest */
		if (w < 0 || gdb_reg(&r->g, GDB_RIP, &rip)) {
			printf("FAIL after %u events: %s\n", r->injected, r->g.error);
			r->failed++;
			result = 1;
			goto out;
		}
		while (i < o->n_addrs && o->addrs[i] != rip)
			i++;
		snprintf(where, sizeof(where), "at %#" PRIx64, rip);
		find_entry(r);
		if (i < o->n_addrs && !done[i]) {
			if (gdb_break(&r->g, rip, false) || inject_here(r, o->monitor, where)) {
				broken(r, where);
				goto out;
			}
			done[i] = true;
			left--;
		}
		if (look(r, where)) {
			r->failed++;
			result = 1;
			goto out;
		}
	}
	for (unsigned i = 0; i < o->n_addrs; i++) {
		if (!done[i] && o->verbose)
			printf("not reached: %#" PRIx64 "\n", o->addrs[i]);
	}
	printf("%u of %u addresses reached\n", o->n_addrs - left, o->n_addrs);
	result = 0;
out:
	free(done);
	return result;
}
