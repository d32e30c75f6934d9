/* SPDX-License-Identifier: MIT */
/*
 * In which states CPL 0 code was met: whose GS, whose CR3, NMIs blocked or not; apart for ordinary
 * code, for #DB and #MC that hit CPL 0, and for NMIs. What the design allows must be met, and what
 * it does not allow must not.
 */
#include <inttypes.h>
#include <string.h>

#include "storm.h"

static const char *const contexts[CONTEXTS] = {"ordinary", "#DB, #MC", "NMI"};

void storm_states_add(struct storm *s, const struct storm_run *run)
{
	for (unsigned i = 0; i < run->steps; i++) {
		const struct storm_step *p = &run->step[i];
		unsigned context = p->inside == 1 || p->inside == 18 ? CONTEXT_EXCEPTION
				   : p->blocked || p->inside == 2    ? CONTEXT_NMI
								     : CONTEXT_PLAIN;

		if (p->cpl == 0 && p->entry)
			s->states.count[context][STATE(p->gs == s->base.end.kernel_gs,
						       !(p->cr3 & CR3_SWITCH))][p->blocked]++;
	}
}

void storm_states_print(struct storm *s)
{
	printf("  %-10s %-7s %-7s %14s %14s\n", "CPL 0 in", "GS", "CR3", "NMIs open", "blocked");
	for (unsigned c = 0; c < CONTEXTS; c++) {
		for (unsigned i = 0; i < 4; i++) {
			const uint64_t *n = s->states.count[c][i];
			bool told = s->setup->allowed[c], allowed = s->setup->allowed[c] >> i & 1;
			bool met = n[0] || n[1];

			printf("  %-10s %-7s %-7s %14" PRIu64 " %14" PRIu64 "%s\n", contexts[c],
			       i & 2 ? "kernel" : "user", i & 1 ? "kernel" : "user", n[0], n[1],
			       !told             ? ""
			       : met && !allowed ? "  must not be"
			       : !met && allowed ? "  not met"
			       : !met            ? "  excluded"
						 : "");
		}
	}
}

unsigned storm_states_wrong(struct storm *s)
{
	unsigned wrong = 0;

	for (unsigned c = 0; c < CONTEXTS; c++)
		for (unsigned i = 0; i < 4; i++)
			wrong += s->setup->allowed[c] && !(s->setup->allowed[c] >> i & 1) &&
				 (s->states.count[c][i][0] || s->states.count[c][i][1]);
	return wrong;
}
