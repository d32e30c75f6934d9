/* SPDX-License-Identifier: MIT */
/*
 * The instructions on a path once more, by single steps instead of QEMU's log: the two must agree
 * on each. C code that the entry code calls is run through.
 */
#include <inttypes.h>

#include "storm.h"

#define MOST 400000

/* Where a call from the entry code comes back to; 0: this was none. */
static uint64_t returns_to(struct storm *s, const struct storm_step *p)
{
	return p->entry && storm_image_byte(s->kernel, p->rip - s->guest.moved) == 0xe8 ? p->rip + 5
											: 0;
}

static bool in_entry(const struct storm_guest *g, uint64_t rip)
{
	for (unsigned i = 0; i < g->entries; i++)
		if (rip >= g->entry[i][0] && rip < g->entry[i][1])
			return true;
	return false;
}

/* On, after what is said so far, to the next stop. */
static int resume(struct storm *s, const char *how)
{
	storm_say(s, "%s", how);
	return storm_send(s) == 1 ? 0 : 2;
}

int storm_count(struct storm *s, struct storm_run *run, bool whole)
{
	uint64_t end = 0, trigger = run->path->trigger[0] ? run->step[0].rip : 0;
	int n = 0, r = storm_go(s, run, UINT32_MAX);

	storm_image_find(s->program, run->path->end, &end);
	if (!r && trigger) {
		storm_say(s, "Z0,%" PRIx64 ",1", trigger);
		r = resume(s, "c");
		storm_say(s, "z0,%" PRIx64 ",1", trigger);
	}
	/* Nothing else may come in between. */
	storm_say(s, "Qqemu.sstep=7");
	if (r || storm_registers(s))
		return -1;
	for (unsigned i = 0; i < MOST && s->here.rip != end; i++) {
		struct storm_step now = {.rip = s->here.rip,
					 .entry = in_entry(&s->guest, s->here.rip)};
		uint64_t back = whole ? 0 : returns_to(s, &now);

		/* Where nothing can be fetched there is no instruction. */
		n += s->here.seg[SEG_CS] & 3 ? !(now.rip >> 47) : now.entry;
		if (resume(s, "s") || storm_registers(s))
			return -1;
		if (!back || in_entry(&s->guest, s->here.rip) || s->here.rip == end)
			continue;
		storm_say(s, "Z0,%" PRIx64 ",1", back);
		if (resume(s, "c"))
			return -1;
		storm_say(s, "z0,%" PRIx64 ",1", back);
		if (storm_registers(s))
			return -1;
	}
	storm_say(s, "Qqemu.sstep=1");
	return storm_home(s) ? -1 : n;
}
