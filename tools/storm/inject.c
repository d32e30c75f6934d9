/* SPDX-License-Identifier: MIT */
/*
 * One event at one instruction. The guest is at home, the head of the program's loop, before and
 * after. On the way:
 *   home, start of the path, ... the point: the event is given.
 *   Its gate: was it taken right there? Then the point again: is all as it was?
 *   The end of the path: is everything that user mode sees as in an undisturbed run?
 *   Home, with one more exit behind it: is the entry page as after an undisturbed run?
 * The breakpoints are QEMU's, which the guest does not see.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "storm.h"

static uint64_t symbol(const struct storm *s, const char *name)
{
	uint64_t va = 0;

	storm_image_find(s->program, name, &va);
	return va;
}

static uint64_t home(const struct storm *s, const struct storm_path *p)
{
	return symbol(s, s->c.loop[0] ? s->c.loop : p->start);
}

static int came(int r)
{
	return r == 1 ? 0 : r == 0 ? 1 : 2;
}

int storm_home(struct storm *s)
{
	uint64_t at = home(s, &s->c.path[0]);

	storm_say(s, "Z0,%" PRIx64 ",1", at);
	storm_say(s, "c");
	int r = came(storm_send(s));

	storm_say(s, "z0,%" PRIx64 ",1", at);
	return r;
}

/* Which part of its loop the program goes through, and where the kernel is to break. */
static void choose(struct storm *s, const struct storm_path *p)
{
	uint64_t v[2] = {symbol(s, p->select), s->armed};
	const char *name[2] = {s->c.select, s->armed_word};

	storm_calls_clear(s);
	for (unsigned i = 0; i < 2; i++) {
		char hex[17];

		if (!name[i] || !name[i][0])
			continue;
		for (unsigned b = 0; b < 8; b++)
			sprintf(hex + 2 * b, "%02x", (unsigned)(v[i] >> 8 * b & 255));
		storm_say(s, "M%" PRIx64 ",8:%s", symbol(s, name[i]), hex);
	}
}

/* One instruction on, with interrupts held back. */
static int over(struct storm *s)
{
	storm_say(s, "Qqemu.sstep=7");
	storm_say(s, "s");
	int r = came(storm_send(s));

	storm_say(s, "Qqemu.sstep=1");
	return r;
}

/* From where the guest is to step k of the run, by the steps before it that must be passed. */
static int walk(struct storm *s, const struct storm_run *run, unsigned k)
{
	unsigned chain[512], n = 0;
	int r = 0;

	for (int32_t i = (int32_t)k; i >= 0 && n < 512; i = run->step[i].via)
		chain[n++] = (unsigned)i;
	while (!r && n--) {
		const struct storm_step *p = &run->step[chain[n]];

		if (p->by_step) {
			r = over(s);
		} else {
			storm_say(s, "Z0,%" PRIx64 ",1", p->rip);
			storm_say(s, "c");
			r = came(storm_send(s));
			storm_say(s, "z0,%" PRIx64 ",1", p->rip);
		}
	}
	return r;
}

/* From home to the path's start, where its trigger is given. */
static int go_to_start(struct storm *s, const struct storm_path *path)
{
	int r;

	choose(s, path);
	if (s->c.loop[0]) {
		uint64_t start = symbol(s, path->start);

		storm_say(s, "Z0,%" PRIx64 ",1", start);
		storm_say(s, "c");
		r = came(storm_send(s));
		if (r)
			return r;
		storm_say(s, "z0,%" PRIx64 ",1", start);
	}
	if (path->trigger[0])
		storm_say_event(s, storm_event(&s->c, path->trigger));
	return 0;
}

/* From there to step k, the outer events given on the way; k = UINT32_MAX: as far as these. */
static int go_from_start(struct storm *s, const struct storm_run *run, unsigned k)
{
	if (run->outer) {
		int r = go_from_start(s, run->outer, run->at);

		if (r)
			return r;
		storm_say_event(s, run->fixed);
	} else if (!k && !run->path->trigger[0]) {
		return 0; /* it is there */
	}
	return k == UINT32_MAX ? 0 : walk(s, run, k);
}

int storm_go(struct storm *s, const struct storm_run *run, unsigned k)
{
	int r = go_to_start(s, run->path);

	return r ? r : go_from_start(s, run, k);
}

/* The guest did not come to where it should: what does it say, where is it? */
static int lost(struct storm *s, const char *where, int r)
{
	char line[300];

	if (r == 2) {
		snprintf(s->what, sizeof(s->what), "%s: %s", where, s->guest.g.error);
		if (storm_guest_says(s, line, sizeof(line)))
			snprintf(s->what, sizeof(s->what), "the guest says: %s", line);
		return 1;
	}
	snprintf(s->what, sizeof(s->what), "%s: it does not come in %d ms", where, s->o.timeout);
	if (storm_guest_says(s, line, sizeof(line))) {
		snprintf(s->what, sizeof(s->what), "the guest says: %s", line);
	} else if (!gdb_interrupt(&s->guest.g) && gdb_wait(&s->guest.g, 5000) == 1 &&
		   !storm_registers(s)) {
		size_t n = strlen(s->what);

		n += (size_t)snprintf(s->what + n, sizeof(s->what) - n, "; it is at ");
		storm_place(s, s->here.rip, s->what + n, sizeof(s->what) - n);
	}
	return 1;
}

/* To the end, where all must be as it was; then home. */
static int finish(struct storm *s, const struct storm_run *run, const struct storm_event *e,
		  const struct storm_step *k)
{
	struct storm_memory *m = &s->base.memory;
	uint64_t end = symbol(s, run->path->end);
	bool armed = s->armed_word;
	uint8_t page[4096];
	char line[300];
	int r;

	storm_say(s, "z0,%" PRIx64 ",1", end);
	if (storm_look(s, m->got, page))
		return lost(s, "at the end", 2);
	if (s->here.rip != end) {
		snprintf(s->what, sizeof(s->what), "stopped at %#" PRIx64 " instead of the end",
			 s->here.rip);
		return 1;
	}
	if (storm_regs_differ(&s->here, &s->base.end, &s->base.noise, s->what, sizeof(s->what)) ||
	    storm_memory_differs(s) || storm_page_tells(s, page))
		return 1;
	r = storm_home(s);
	if (!r && armed) {
		/* It may have broken in the last exit as well: one round more, without it. */
		choose(s, run->path);
		/* Off the breakpoint that is set next; an interrupt here would come back to it. */
		r = over(s);
		r = r ? r : storm_home(s);
		s->armed_word = NULL;
	}
	if (r)
		return lost(s, "after the end", r);
	if (storm_look_at_page(s, page))
		return lost(s, "at home", 2);
	/* An event that hit user mode leaves that mode's own values: those it may read. */
	if (k->cpl == 3 ? storm_page_tells(s, page) : storm_page_differs(s, page))
		return 1;
	if (!armed && storm_calls_differ(s, run, e))
		return 1;
	if (storm_guest_says(s, line, sizeof(line))) {
		snprintf(s->what, sizeof(s->what), "the guest says: %s", line);
		return 1;
	}
	return 0;
}

/* No breakpoint is set any more: DR7 has none. */
static bool disarmed(struct storm *s)
{
	char text[8192] = "";
	const char *dr7;

	if (gdb_monitor(&s->guest.g, "info registers", text, sizeof(text)))
		return false;
	dr7 = strstr(text, "DR7=");
	return dr7 && !(strtoull(dr7 + 4, NULL, 16) & 0xff);
}

/* The path ended, and the event's gate was not come to. Only a breakpoint has excuses: it broke in
 * the call that armed it, so that the path took another way (there is something to wipe); or the
 * path took it away, as execve does. */
static int not_taken(struct storm *s, const struct storm_event *e)
{
	if (e->vector < 0)
		return 0;
	if (e->word[0] && (s->broke_early || disarmed(s))) {
		s->total.before += s->broke_early;
		s->total.disarmed += !s->broke_early;
		s->reached = true;
		return 0;
	}
	snprintf(s->what, sizeof(s->what), "it is not taken before the path's end");
	return 1;
}

/* An NMI tells whether NMIs are blocked: is it so where the log says so? The IRET that nmi_iret's
 * handler adds is in C, where there are no points. */
static bool blocked_wrongly(struct storm *s, const struct storm_event *e,
			    const struct storm_step *k, bool exact)
{
	if (e->vector != 2 || exact == !k->blocked)
		return false;
	snprintf(s->what, sizeof(s->what), "NMIs are %s here, and should be %s",
		 exact ? "open" : "blocked", exact ? "blocked" : "open");
	return true;
}

/* At the gate, by the event at k? Leaves the guest on its way to the end or back to k. */
static int at_gate(struct storm *s, const struct storm_run *run, const struct storm_event *e,
		   const struct storm_step *k, const struct storm_regs *before, bool *ended)
{
	uint64_t end = symbol(s, run->path->end);
	uint64_t from;
	bool exact;
	int r;

	for (;;) {
		if (storm_registers(s))
			return lost(s, "after the event", 2);
		*ended = s->here.rip == end;
		if (*ended)
			return not_taken(s, e);
		storm_say(s, "m%" PRIx64 ",8", s->here.gpr[GPR_RSP]);
		storm_say(s, "z0,%" PRIx64 ",1", s->guest.gate[e->vector]);
		if (storm_send(s) != 1)
			return lost(s, "at the gate", 2);
		from = storm_word(s->guest.g.answer[0]);
		/* What it brings may come first, if it is not blocked. */
		exact = from == k->rip ||
			(e->behind >= 0 && !k->blocked && from == s->guest.gate[e->behind]);
		if (exact || !e->word[0])
			break;
		/* A single step of the path's own: a breakpoint of ours is still to come. */
		r = over(s);
		if (!r) {
			storm_say(s, "Z0,%" PRIx64 ",1", s->guest.gate[e->vector]);
			storm_say(s, "c");
			r = came(storm_send(s));
		}
		if (r)
			return lost(s, "on the way to the breakpoint", r);
	}
	s->reached |= exact;
	s->total.exact += exact;
	s->total.later += !exact;
	if (blocked_wrongly(s, e, k, exact))
		return 1;
	if (!exact || k->inside || k->blocked || !before)
		return 0;
	/* Back to where it was, with all that was there. */
	storm_say(s, "Z0,%" PRIx64 ",1", k->rip);
	storm_say(s, "c");
	r = came(storm_send(s));
	if (r)
		return lost(s, "back from the event", r);
	if (storm_registers(s))
		return lost(s, "back from the event", 2);
	storm_say(s, "z0,%" PRIx64 ",1", k->rip);
	*ended = s->here.rip == end;
	if (s->here.rip == k->rip && s->here.gpr[GPR_RSP] == before->gpr[GPR_RSP] &&
	    storm_regs_differ(&s->here, before, NULL, s->what, sizeof(s->what))) {
		size_t n = strlen(s->what);

		snprintf(s->what + n, sizeof(s->what) - n, " (right after the event)");
		return 1;
	}
	return 0;
}

static int go_on(struct storm *s, const struct storm_run *run, const struct storm_event *e,
		 const struct storm_step *k, const struct storm_regs *before)
{
	bool ended = false;
	int r = at_gate(s, run, e, k, before, &ended);

	if (r)
		return r;
	if (!ended) {
		storm_say(s, "c");
		r = came(storm_send(s));
		if (r)
			return lost(s, "on to the end", r);
	} else if (e->vector >= 0) {
		storm_say(s, "z0,%" PRIx64 ",1", s->guest.gate[e->vector]);
	}
	return finish(s, run, e, k);
}

/* To the path's start, if the guest is at the gate: what broke is in the call that armed it. */
static int pass_gate(struct storm *s, const struct storm_run *run, const struct storm_event *e)
{
	uint64_t start = symbol(s, run->path->start);
	int r = storm_registers(s);

	while (!r && s->here.rip == s->guest.gate[e->vector]) {
		storm_say(s, "m%" PRIx64 ",8", s->here.gpr[GPR_RSP]);
		if (storm_send(s) != 1)
			return 2;
		s->broke_early |= storm_word(s->guest.g.answer[0]) == s->armed;
		r = over(s);
		storm_say(s, "Z0,%" PRIx64 ",1", start);
		storm_say(s, "c");
		r = r ? r : came(storm_send(s));
		storm_say(s, "z0,%" PRIx64 ",1", start);
		r = r ? r : storm_registers(s);
	}
	return r;
}

/* A breakpoint of the guest's own, armed by the program: each time the path comes by. */
static int breakpoint(struct storm *s, const struct storm_run *run, const struct storm_event *e,
		      unsigned k)
{
	int r;

	s->armed_word = e->word;
	s->armed = run->step[k].rip;
	s->broke_early = false;
	storm_say(s, "Z0,%" PRIx64 ",1", s->guest.gate[e->vector]);
	r = go_to_start(s, run->path);
	if (!r)
		r = pass_gate(s, run, e);
	s->armed = 0; /* from the next round on */
	if (r)
		return lost(s, "on the way to the start", r);
	if (run->outer) {
		storm_say(s, "z0,%" PRIx64 ",1", s->guest.gate[e->vector]);
		r = go_from_start(s, run, UINT32_MAX);
		if (r)
			return lost(s, "on the way to the outer event", r);
		storm_say(s, "Z0,%" PRIx64 ",1", s->guest.gate[e->vector]);
	}
	storm_say(s, "Z0,%" PRIx64 ",1", symbol(s, run->path->end));
	storm_say(s, "c");
	r = came(storm_send(s));
	if (r)
		return lost(s, "on the way to the breakpoint", r);
	return go_on(s, run, e, &run->step[k], NULL);
}

int storm_point(struct storm *s, const struct storm_run *run, const struct storm_event *e,
		unsigned k)
{
	const struct storm_step *p = &run->step[k];
	struct storm_regs before;
	/* A child's stack in the kernel may be another page each time. */
	uint64_t same = run->path->whole ? 4095 : UINT64_MAX;
	unsigned tries = 0;
	int r;

	s->what[0] = 0;
	s->reached = s->drifted = false;
	if (e->word[0])
		return breakpoint(s, run, e, k);
	for (;;) {
		r = storm_go(s, run, k);
		if (r)
			return lost(s, "on the way to the point", r);
		if (storm_registers(s))
			return lost(s, "at the point", 2);
		if (s->here.rip == p->rip && !((s->here.gpr[GPR_RSP] ^ p->rsp) & same) &&
		    s->here.cr3 == p->cr3)
			break;
		/* A timer came in between: let it go, and again. */
		if (++tries == 20) {
			s->drifted = true;
			snprintf(s->what, sizeof(s->what), "this step does not come again");
			return 1;
		}
		r = storm_home(s);
		if (r)
			return lost(s, "home", r);
	}
	before = s->here;
	s->reached = true;
	storm_say_event(s, e);
	/* A breakpoint where the guest stands would stop it at once. Its own gate is nowhere open
	 * to an event, so it can be stepped over first. */
	if (e->vector >= 0 && s->guest.gate[e->vector] == p->rip) {
		r = over(s);
		if (r)
			return lost(s, "over the gate", r);
	}
	if (e->vector >= 0)
		storm_say(s, "Z0,%" PRIx64 ",1", s->guest.gate[e->vector]);
	storm_say(s, "Z0,%" PRIx64 ",1", symbol(s, run->path->end));
	storm_say(s, "c");
	r = came(storm_send(s));
	if (r)
		return lost(s, "after the event", r);
	return go_on(s, run, e, p, &before);
}

/* The program's words that storm itself writes, or that the file of paths names. */
static void ignore(struct storm *s)
{
	struct storm_memory *m = &s->base.memory;

	for (unsigned i = 0; i < s->c.ignores; i++) {
		uint64_t va = symbol(s, s->c.ignore[i]);
		size_t at = 0;

		for (unsigned k = 0; k < m->ranges; k++) {
			if (va >= m->range[k][0] && va + 8 <= m->range[k][1])
				memset(m->noise + at + (va - m->range[k][0]), 1, 8);
			at += m->range[k][1] - m->range[k][0];
		}
	}
}

int storm_baseline(struct storm *s, const struct storm_path *path)
{
	struct storm_memory *m = &s->base.memory;
	struct storm_run run = {.path = path};
	uint64_t range[MAX_RANGES][2];
	struct storm_regs one;

	free(m->want);
	free(m->noise);
	free(m->got);
	memset(&s->base, 0, sizeof(s->base));
	m->ranges = storm_image_data(s->program, range, MAX_RANGES);
	for (unsigned i = 0; i < m->ranges; i++) {
		memcpy(m->range[i], range[i], sizeof(range[i]));
		m->size += range[i][1] - range[i][0];
	}
	m->want = calloc(1, m->size + 1);
	m->noise = calloc(1, m->size + 1);
	m->got = calloc(1, m->size + 1);
	if (!m->want || !m->noise || !m->got)
		return 2;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t end = symbol(s, path->end);
		uint8_t page[4096];
		int r = storm_go(s, &run, UINT32_MAX);

		if (!r) {
			storm_say(s, "Z0,%" PRIx64 ",1", end);
			storm_say(s, "c");
			r = came(storm_send(s));
		}
		if (r)
			return lost(s, "on to the end", r);
		storm_say(s, "z0,%" PRIx64 ",1", end);
		if (storm_look(s, m->got, page))
			return 2;
		one = s->here;
		if (i == 0)
			s->base.end = one;
		storm_regs_noise(&s->base.noise, &one, &s->base.end);
		if (i == 0) {
			memcpy(m->want, m->got, m->size);
			m->residue = s->c.visible[1] ? s->here.kernel_gs : 0;
		}
		ignore(s);
		for (size_t b = 0; b < m->size; b++)
			m->noise[b] |= m->got[b] != m->want[b];
		r = storm_home(s);
		if (r)
			return lost(s, "undisturbed, after the end", r);
		if (storm_look_at_page(s, page))
			return 2;
		if (i == 0)
			memcpy(m->page, page, sizeof(page));
		memcpy(m->calls, s->calls, sizeof(m->calls));
		for (unsigned b = 0; b < 4096; b++)
			m->page_noise[b] |= page[b] != m->page[b];
	}
	return 0;
}
