/* SPDX-License-Identifier: MIT */
/* What is looked at when a path has ended: registers, the program's memory, the entry page. */
#include <inttypes.h>
#include <string.h>

#include "storm.h"

#define CHUNK 1800 /* bytes of memory in a packet */

int storm_look(struct storm *s, uint8_t *memory, uint8_t *page)
{
	const struct storm_memory *m = &s->base.memory;
	unsigned first;
	size_t at = 0;

	storm_say(s, "g");
	first = s->packets;
	for (unsigned i = 0; i < m->ranges; i++)
		for (uint64_t a = m->range[i][0]; a < m->range[i][1]; a += CHUNK)
			storm_say(s, "m%" PRIx64 ",%x", a,
				  (unsigned)(m->range[i][1] - a < CHUNK ? m->range[i][1] - a
									: CHUNK));
	unsigned pages = s->packets;

	for (uint64_t a = 0; m->residue && a < 4096; a += CHUNK)
		storm_say(s, "m%" PRIx64 ",%x", m->residue + a,
			  (unsigned)(4096 - a < CHUNK ? 4096 - a : CHUNK));
	unsigned all = s->packets;

	if (!memory)
		storm_calls_ask(s);
	if (storm_send(s) != 1 || !storm_regs_parse(&s->here, s->guest.g.answer[first - 1]))
		return 2;
	if (!memory)
		storm_calls_told(s, all);
	for (unsigned i = first; i < all; i++) {
		uint8_t *to = i < pages ? memory : page;
		size_t size = i < pages ? m->size : 4096;

		if (i == pages)
			at = 0;
		at += gdb_unhex(s->guest.g.answer[i], to + at, size - at);
	}
	return 0;
}

int storm_look_at_page(struct storm *s, uint8_t *page)
{
	struct storm_memory *m = &s->base.memory;
	unsigned ranges = m->ranges;

	if (!m->residue && !s->c.calls)
		return 0;
	m->ranges = 0;
	int r = storm_look(s, NULL, page);

	m->ranges = ranges;
	return r;
}

int storm_outer_page(struct storm *s, const struct storm_run *run)
{
	struct storm_memory *m = &s->base.memory;

	for (const struct storm_run *r = run; r->outer; r = r->outer)
		if (r->outer->step[r->at].cpl == 3)
			return storm_look_at_page(s, m->left);
	memcpy(m->left, m->page, sizeof(m->left));
	return 0;
}

bool storm_memory_differs(struct storm *s)
{
	const struct storm_memory *m = &s->base.memory;
	size_t at = 0;

	for (unsigned i = 0; i < m->ranges; i++) {
		for (uint64_t a = m->range[i][0]; a < m->range[i][1]; a++, at++) {
			if (m->got[at] == m->want[at] || m->noise[at])
				continue;
			snprintf(s->what, sizeof(s->what),
				 "the program's memory at %#" PRIx64 " is %#x, should be %#x", a,
				 m->got[at], m->want[at]);
			return true;
		}
	}
	return false;
}

uint64_t storm_word(const char *hex)
{
	uint64_t v = 0;

	return gdb_unhex(hex, &v, sizeof(v)) == sizeof(v) ? v : 0;
}

static uint64_t word(const uint8_t *page, uint64_t at)
{
	uint64_t v;

	memcpy(&v, page + at, sizeof(v));
	return v;
}

bool storm_page_differs(struct storm *s, const uint8_t *page)
{
	const struct storm_memory *m = &s->base.memory;

	for (uint64_t i = s->c.wiped[0]; m->residue && i < s->c.wiped[1]; i += 8) {
		/* What an earlier path left there may be gone. */
		if (!word(page, i) || word(page, i) == word(m->page, i) ||
		    word(page, i) == word(m->left, i) || word(m->page_noise, i))
			continue;
		snprintf(s->what, sizeof(s->what),
			 "the entry page at +%#" PRIx64 " still holds %#" PRIx64
			 ", should be %#" PRIx64,
			 i, word(page, i), word(m->page, i));
		return true;
	}
	return false;
}

/* Under user mode's root: no kernel address outside the window, no root. A vector is pushed
 * sign-extended. */
bool storm_page_tells(struct storm *s, const uint8_t *page)
{
	const struct storm_memory *m = &s->base.memory;
	uint64_t root = s->base.end.cr3 & ~UINT64_C(0x1fff);

	for (uint64_t i = s->c.visible[0]; m->residue && i < s->c.visible[1]; i += 8) {
		uint64_t v = word(page, i);

		if (v == word(m->page, i) || (v ^ m->residue) >> 24 == 0 || v >= UINT64_C(-128) ||
		    (v >> 47 != 0x1ffff && (v & ~UINT64_C(0x1fff)) != root))
			continue;
		snprintf(s->what, sizeof(s->what),
			 "user mode can read %#" PRIx64 " in the entry page at +%#" PRIx64, v, i);
		return true;
	}
	return false;
}
