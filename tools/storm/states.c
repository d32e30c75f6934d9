/* SPDX-License-Identifier: MIT */
/*
 * In which states CPL 0 code was met: whose GS, whose CR3, NMIs blocked or not; apart for ordinary
 * code, for #DB and #MC that hit CPL 0, and for NMIs. What the design allows must be met, and what
 * it does not allow must not.
 */
#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "storm.h"

static const char *const contexts[CONTEXTS] = {"ordinary", "#DB, #MC", "NMI"};

/* Of an NMI or #MC that came from user mode only the head runs on the IST stack: the rest is
 * ordinary code, with NMIs blocked. */
void storm_states_add(struct storm *s, const struct storm_run *run)
{
	for (unsigned i = 0; i < run->steps; i++) {
		const struct storm_step *p = &run->step[i];
		unsigned context = p->inside == 1 || p->inside == 18 ? CONTEXT_EXCEPTION
				   : p->inside == 2                  ? CONTEXT_NMI
								     : CONTEXT_PLAIN;

		if (p->cpl == 0 && p->entry)
			s->states.count[context][STATE(p->gs == s->base.end.kernel_gs,
						       !(p->cr3 & CR3_SWITCH))][p->blocked]++;
	}
}

static const char *verdict(const struct storm_setup *setup, unsigned context, unsigned state,
			   unsigned blocked, bool met)
{
	bool allowed = setup->allowed[context][blocked] >> state & 1;

	return !setup->told      ? ""
	       : met && !allowed ? "must not be"
	       : !met && allowed ? "not met"
	       : !met            ? "excluded"
				 : "met";
}

unsigned storm_states_report(struct storm *s, bool all)
{
	json_t *list = s->o.json ? storm_list(s, "states") : NULL;
	unsigned wrong = 0;

	if (!list)
		printf("  %-10s %-7s %-7s %11s %-12s %11s %s\n", "CPL 0 in", "GS", "CR3",
		       "NMIs open", "", "blocked", "");
	for (unsigned i = 0; i < CONTEXTS * 4; i++) {
		const uint64_t *n = s->states.count[i / 4][i % 4];
		const char *gs = i & 2 ? "kernel" : "user", *cr3 = i & 1 ? "kernel" : "user";
		const char *is[2];

		for (unsigned b = 0; b < 2; b++) {
			is[b] = verdict(s->setup, i / 4, i % 4, b, n[b]);
			wrong +=
				!strcmp(is[b], "must not be") || (all && !strcmp(is[b], "not met"));
		}
		if (list)
			json_array_append_new(
				list,
				json_pack("{ss ss ss ss sI sI ss ss}", "configuration",
					  s->setup->name, "context", contexts[i / 4], "gs", gs,
					  "cr3", cr3, "open", (json_int_t)n[0], "blocked",
					  (json_int_t)n[1], "open_is", is[0], "blocked_is", is[1]));
		else
			printf("  %-10s %-7s %-7s %11" PRIu64 " %-12s %11" PRIu64 " %s\n",
			       contexts[i / 4], gs, cr3, n[0], is[0], n[1], is[1]);
	}
	return wrong;
}
