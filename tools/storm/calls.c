/* SPDX-License-Identifier: MIT */
/*
 * How often the kernel's handlers ran: an event whose handler is not called, or an NMI that is
 * latched and then forgotten, leaves everything else as it was. The kernel counts; the counters are
 * set to 0 when the program leaves home, and read when it is there again. They lie in the kernel's
 * data, which the program's root does not map, so they are reached by their physical addresses.
 */
#include <inttypes.h>
#include <string.h>

#include "storm.h"

static void all(struct storm *s, const char *format)
{
	uint64_t va, pa;

	if (!s->c.calls)
		return;
	storm_say(s, "Qqemu.PhyMemMode:1");
	for (unsigned i = 0; i < s->c.calls; i++)
		if (storm_image_find(s->kernel, s->c.call[i], &va) &&
		    storm_image_physical(s->kernel, va, &pa))
			storm_say(s, format, pa);
	storm_say(s, "Qqemu.PhyMemMode:0");
}

void storm_calls_clear(struct storm *s)
{
	all(s, "M%" PRIx64 ",8:0000000000000000");
}

void storm_calls_ask(struct storm *s)
{
	all(s, "m%" PRIx64 ",8");
}

void storm_calls_told(struct storm *s, unsigned first)
{
	for (unsigned i = 0; i < s->c.calls; i++)
		s->calls[i] = storm_word(s->guest.g.answer[first + 1 + i]);
}

/* An event that user mode takes, at the start of the path or as an outer one. */
static bool hit_user(const struct storm *s, const struct storm_run *run, unsigned i)
{
	const char *trigger = run->path->trigger;
	bool user = trigger[0] && storm_event(&s->c, trigger)->calls[i];

	for (const struct storm_run *r = run; r->outer; r = r->outer)
		user |= r->outer->step[r->at].cpl == 3 && r->fixed->calls[i];
	return user;
}

/* NMIs may become one where the handler runs after both: of those that come while another one runs
 * the CPU, and the entry code, keep one in mind; and one that comes while user mode's is on its way
 * to its handler is served by that. */
bool storm_calls_differ(struct storm *s, const struct storm_run *run, const struct storm_event *e)
{
	for (unsigned i = 0; i < s->c.calls; i++) {
		uint64_t most = s->base.memory.calls[i] + e->calls[i], least;

		for (const struct storm_run *r = run; r->outer; r = r->outer)
			most += r->fixed->calls[i];
		least = most < 2 ? most : 2;
		least -= least == 2 && hit_user(s, run, i);
		if (s->calls[i] >= least && s->calls[i] <= most)
			continue;
		snprintf(s->what, sizeof(s->what),
			 "%s is %" PRIu64 ", should be %" PRIu64 ": so often did the handler run",
			 s->c.call[i], s->calls[i], most);
		return true;
	}
	return false;
}
