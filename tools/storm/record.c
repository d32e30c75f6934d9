/* SPDX-License-Identifier: MIT */
/*
 * What a path really executes, from QEMU's log of a free run: each instruction of the entry code
 * and of user mode with the registers before it. The kernel's C code is not logged, nor swept.
 *
 * From it follows how to get to a step later: by a breakpoint if its address was not passed before,
 * else by way of an earlier step after that passing.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storm.h"

#define TRIES 16
#define INT_N 0xcd

static uint64_t field(const char *line, const char *name)
{
	const char *p = strstr(line, name);

	return p ? strtoull(p + strlen(name), NULL, 16) : 0;
}

static bool in_entry(const struct storm_guest *g, uint64_t rip)
{
	for (unsigned i = 0; i < g->entries; i++)
		if (rip >= g->entry[i][0] && rip < g->entry[i][1])
			return true;
	return false;
}

/* The steps of the log; NULL if it cannot be. */
static struct storm_step *parse(struct storm *s, unsigned *count)
{
	struct storm_step *step = calloc(MAX_STEPS, sizeof(*step)), *now = NULL;
	FILE *f = fopen(s->guest.log, "r");
	char line[400];
	unsigned n = 0;

	while (step && f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Trace ", 6) && n < MAX_STEPS) {
			const char *pc = strchr(line, '/');

			now = &step[n++];
			now->rip = pc ? strtoull(pc + 1, NULL, 16) : 0;
			now->entry = in_entry(&s->guest, now->rip);
		} else if (now && !strncmp(line, "Stopped execution", 17)) {
			/* Looked up, but something else came first. */
			now = --n ? &step[n - 1] : NULL;
		} else if (!now) {
			continue;
		} else if (!strncmp(line + 1, "SI=", 3)) { /* RSI, or ESI in 32-bit code */
			now->rsp = field(line, "SP=");
		} else if (!strncmp(line + 1, "IP=", 3)) {
			now->flags = field(line, "RFL=");
			now->cpl = (uint8_t)field(line, "CPL=");
		} else if (!strncmp(line, "GS =", 4)) {
			now->gs = strtoull(line + 9, NULL, 16);
		} else if (!strncmp(line, "CR0=", 4)) {
			now->cr3 = field(line, "CR3=");
		}
	}
	if (f)
		fclose(f);
	*count = n;
	return step;
}

/* The instruction at a step of the entry code is this one: its first bytes. */
static int code(const struct storm *s, const struct storm_step *p, unsigned byte)
{
	return p->entry ? storm_image_byte(s->kernel, p->rip - s->guest.moved + byte) : -1;
}

static bool jumps_to(const struct storm *s, const struct storm_step *p, uint64_t rip)
{
	int op = code(s, p, 0);
	int32_t by = 0;

	if (op == 0xeb)
		return p->rip + 2 + (uint64_t)(int64_t)(int8_t)code(s, p, 1) == rip;
	for (unsigned i = 0; i < 4; i++)
		by |= (int32_t)((uint32_t)(code(s, p, 1 + i) & 255) << 8 * i);
	return op == 0xe9 && p->rip + 5 + (uint64_t)(int64_t)by == rip;
}

/* SYSCALL or SYSENTER: what comes right after it comes at CPL 0. */
static bool enters(const struct storm *s, const struct storm_step *p)
{
	int op = storm_image_byte(s->program, p->rip + 1);

	return storm_image_byte(s->program, p->rip) == 0x0f && (op == 0x05 || op == 0x34);
}

/* In this boot an NMI's handler ends the blocking. */
static bool handlers_unblock(const struct storm *s)
{
	for (unsigned i = 0; i < s->c.events; i++)
		if (s->c.event[i].unblocks && strstr(s->append, s->c.event[i].append))
			return true;
	return false;
}

/* Which IST event each step belongs to, and whether NMIs are blocked: from a gate to an IRET. */
static void contexts(struct storm *s, struct storm_run *run)
{
	const struct storm_step *before = NULL;
	uint8_t stack[16] = {0};
	unsigned depth = 0;
	bool blocked = false, unblocks = handlers_unblock(s);

	if (run->outer) {
		before = &run->outer->step[run->at];
		blocked = before->blocked;
		stack[0] = before->inside;
		depth = before->inside != 0;
	}
	for (unsigned i = 0; i < run->steps; i++) {
		struct storm_step *p = &run->step[i];
		bool jumped = before && jumps_to(s, before, p->rip);

		/* An IRET, or a call whose handler holds one. */
		if (before && before != p && i && code(s, before, 0) == 0x48 &&
		    code(s, before, 1) == 0xcf) {
			blocked = false;
			depth -= depth > 0;
		}
		if (before && i && unblocks && code(s, before, 0) == 0xe8 &&
		    (!depth || stack[depth - 1] == 2))
			blocked = false;
		if (!jumped && depth < sizeof(stack) &&
		    (p->rip == s->guest.gate[1] || p->rip == s->guest.gate[2] ||
		     p->rip == s->guest.gate[18])) {
			bool user = !before || (before->cpl == 3 && !(i && enters(s, before)));

			blocked |= p->rip == s->guest.gate[2];
			if (!user)
				stack[depth++] = p->rip == s->guest.gate[1]   ? 1
						 : p->rip == s->guest.gate[2] ? 2
									      : 18;
		}
		p->blocked = blocked;
		p->inside = depth ? stack[depth - 1] : 0;
		before = p;
	}
}

/* The way to each step in the fewest stops. */
static void ways(struct storm_run *run)
{
	struct storm_step *step = run->step;

	for (unsigned k = 0; k < run->steps; k++) {
		unsigned last = k;

		step[k].via = -1;
		step[k].stops = 1;
		step[k].by_step = false;
		while (last > 0 && step[last - 1].rip != step[k].rip)
			last--;
		if (!last)
			continue;
		/* It was passed at last - 1. */
		step[k].via = (int32_t)k - 1;
		step[k].by_step = true;
		step[k].stops = (uint16_t)(step[k - 1].stops + 1);
		for (unsigned w = last; w < k; w++) {
			if (step[w].stops + 1 > step[k].stops ||
			    (step[w].stops + 1 == step[k].stops && !step[k].by_step))
				continue;
			step[k].via = (int32_t)w;
			step[k].by_step = false;
			step[k].stops = (uint16_t)(step[w].stops + 1);
		}
	}
}

/* One logged run to the path's end; 0, 1 it does not come there, 2. */
static int logged(struct storm *s, struct storm_run *run)
{
	char command[128];
	uint64_t end = 0;
	int r = run->outer ? storm_go(s, run->outer, run->at) : storm_go(s, run, UINT32_MAX);

	if (r)
		return r;
	storm_image_find(s->program, run->path->end, &end);
	if (run->fixed)
		storm_say_event(s, run->fixed);
	unlink(s->guest.log); /* QEMU would append */
	snprintf(command, sizeof(command), "logfile %s", s->guest.log);
	storm_say_monitor(s, command);
	storm_say_monitor(s, "singlestep on");
	storm_say_monitor(s, "log exec,cpu,nochain");
	storm_say(s, "Z0,%" PRIx64 ",1", end);
	storm_say(s, "c");
	r = storm_send(s);
	if (r != 1)
		return r < 0 ? 2 : 1;
	storm_say_monitor(s, "log none");
	storm_say_monitor(s, "singlestep off");
	storm_say(s, "z0,%" PRIx64 ",1", end);
	return storm_home(s);
}

static bool same(const struct storm_step *a, unsigned n, const struct storm_step *b, unsigned m)
{
	bool equal = n == m;

	for (unsigned i = 0; equal && i < n; i++)
		equal = a[i].rip == b[i].rip;
	return equal;
}

/* An interrupt that nobody asked for: a timer's, mostly. */
static bool disturbed(const struct storm *s, const struct storm_run *run,
		      const struct storm_step *step, unsigned n)
{
	for (unsigned v = 32; v < 256; v++) {
		bool asked = false;

		for (const struct storm_run *r = run; r; r = r->outer) {
			asked |= r->fixed && r->fixed->vector == (int)v;
			/* A way that was accepted goes through it. */
			for (unsigned i = 0; r != run && i < r->steps; i++)
				asked |= r->step[i].rip == s->guest.gate[v];
		}
		if (run->path->trigger[0])
			asked |= storm_event(&s->c, run->path->trigger)->vector == (int)v;
		for (unsigned i = 0; !asked && i < n; i++)
			if (step[i].rip == s->guest.gate[v] &&
			    !(i && step[i - 1].cpl == 3 &&
			      storm_image_byte(s->program, step[i - 1].rip) == INT_N))
				return true;
	}
	return false;
}

int storm_record(struct storm *s, struct storm_run *run)
{
	free(run->step);
	run->step = NULL;
	run->steps = 0;
	/* Until two runs agree: a timer may come in between. */
	for (unsigned i = 0; i < TRIES; i++) {
		struct storm_step *step;
		unsigned n = 0;
		int r = logged(s, run);

		if (r)
			return r;
		step = parse(s, &n);
		if (!step)
			return 2;
		if (disturbed(s, run, step, n)) {
			free(step);
			continue;
		}
		if (run->step && n && same(run->step, run->steps, step, n)) {
			free(step);
			contexts(s, run);
			ways(run);
			return 0;
		}
		free(run->step);
		run->step = step;
		run->steps = n;
	}
	snprintf(s->guest.error, sizeof(s->guest.error), "path %s is not twice the same",
		 run->path->name);
	return 2;
}
