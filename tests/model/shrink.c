/* SPDX-License-Identifier: MIT */
/*
 * A failing program made short: rounds left out in ever smaller pieces, then single steps, then
 * CPUs and pages. Any failure counts; most often it is the same one. Each trial is a whole run.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

static unsigned budget;

static bool still_fails(struct program *p)
{
	unsigned at;

	if (!budget)
		return false;
	budget--;
	if (program_run(p, &at))
		return false;
	p->rounds = at + 1;
	return true;
}

static struct program copy_of(const struct program *p)
{
	struct program c = *p;

	c.round = malloc((p->rounds + 1) * sizeof(*c.round));
	memcpy(c.round, p->round, p->rounds * sizeof(*c.round));
	return c;
}

static bool keep(struct program *p, struct program *c)
{
	bool better = still_fails(c);

	if (better) {
		free(p->round);
		*p = *c;
	} else {
		free(c->round);
	}
	return better;
}

static bool without_rounds(struct program *p, unsigned first, unsigned n)
{
	struct program c = copy_of(p);

	memmove(&c.round[first], &c.round[first + n], (c.rounds - first - n) * sizeof(*c.round));
	c.rounds -= n;
	return keep(p, &c);
}

static bool without_step(struct program *p, unsigned round, unsigned step)
{
	struct program c = copy_of(p);
	struct round *r = &c.round[round];

	r->steps--;
	memmove(&r->step[step], &r->step[step + 1], (r->steps - step) * sizeof(r->step[0]));
	return keep(p, &c);
}

static void fewer_rounds(struct program *p)
{
	for (unsigned n = p->rounds / 2; n > 0; n /= 2)
		for (unsigned first = 0; first + n < p->rounds;)
			if (!without_rounds(p, first, n))
				first += n;
}

static void fewer_steps(struct program *p)
{
	for (unsigned i = p->rounds; i-- > 0;)
		for (unsigned j = i < p->rounds ? p->round[i].steps : 0; j-- > 0;)
			if (i < p->rounds && p->round[i].steps > 1)
				without_step(p, i, j);
}

static void fewer_cpus(struct program *p)
{
	for (unsigned cpus = 1; cpus < p->cpus; cpus++) {
		struct program c = copy_of(p);
		c.cpus = cpus;
		if (keep(p, &c))
			return;
	}
}

void program_shrink(struct program *p)
{
	unsigned before;

	budget = 4000;
	do {
		before = p->rounds;
		fewer_rounds(p);
		fewer_steps(p);
	} while (p->rounds < before && budget);
	fewer_cpus(p);
	fewer_rounds(p);
}
