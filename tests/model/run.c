/* SPDX-License-Identifier: MIT */
/* Programs: made from a seed, run, printed and read back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

/* How often, of the sum. */
static const uint8_t weights[OPS] = {
	[OP_MAP] = 40,      [OP_UNMAP] = 24,  [OP_PROTECT] = 12,  [OP_FREE_TABLE] = 8,
	[OP_UNMAP_ALL] = 2, [OP_TOP] = 3,     [OP_SWITCH] = 40,   [OP_LAZY] = 24,
	[OP_USER] = 20,     [OP_KERNEL] = 10, [OP_SYSCALL] = 10,  [OP_FORK] = 6,
	[OP_EXEC] = 4,      [OP_EXIT] = 5,    [OP_EVICT] = 2,     [OP_MIGRATE] = 12,
	[OP_KMAP] = 8,      [OP_KUNMAP] = 8,  [OP_FLUSH_ALL] = 1, [OP_NMI] = 12,
	[OP_FOREIGN] = 1,   [OP_LEAVE] = 2,   [OP_MODE] = 2,      [OP_ISOLATE] = 2,
	[OP_LDT] = 4,
};

static struct step make_step(uint64_t *rng)
{
	unsigned sum = 0, pick, op = 0;

	for (unsigned i = 0; i < OPS; i++)
		sum += weights[i];
	pick = rnd(rng, sum);
	while (pick >= weights[op])
		pick -= weights[op++];
	return (struct step){
		.op = (uint8_t)op,
		.cpu = (uint8_t)rnd(rng, CPUS),
		.space = (uint8_t)rnd(rng, SPACES),
		.page = (uint8_t)rnd(rng, rnd(rng, 2) ? 16 : PAGES), /* few pages meet often */
		.n = (uint8_t)rnd(rng, 256),
		.arg = (uint8_t)rnd(rng, 256),
	};
}

/* Rounds come in bursts on few spaces: what matters happens between two uses of one space. */
void program_make(struct program *p, uint64_t seed, unsigned rounds)
{
	uint64_t rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	unsigned focus = 0;

	rnd(&rng, 2);
	p->cpus = 1 + rnd(&rng, CPUS);
	p->conf = (rnd(&rng, 4) ? CONF_PCID : 0) | (rnd(&rng, 4) ? CONF_NX : 0) |
		  (rnd(&rng, 8) ? CONF_ON : 0);
	if ((p->conf & CONF_PCID) && rnd(&rng, 2))
		p->conf |= CONF_INVPCID;
	p->rounds = rounds;
	p->round = realloc(p->round, rounds * sizeof(*p->round));
	for (unsigned i = 0; i < rounds; i++) {
		struct round *r = &p->round[i];
		r->seed = (uint64_t)rnd(&rng, 1u << 30);
		r->steps = 1 + rnd(&rng, ROUND_STEPS);
		if (rnd(&rng, 16) == 0)
			focus = rnd(&rng, SPACES);
		for (unsigned j = 0; j < r->steps; j++) {
			r->step[j] = make_step(&rng);
			if (rnd(&rng, 3) == 0)
				r->step[j].space = (uint8_t)focus;
			if (r->step[j].op == OP_LEAVE && !model_by_interrupts)
				r->steps = 1;
		}
	}
}

static void run_round(const struct round *r)
{
	m.round_steps = r->steps;
	for (unsigned j = 0; j < r->steps; j++) {
		struct cpu *c = &m.cpu[r->step[j].cpu % m.cpus];
		if (!c->job)
			c->job = &r->step[j];
	}
	machine_round(r->seed);
	if (!m.failed)
		check_quiet();
}

/* True if it ends well; else m.message says how not, and *failed_round where. */
bool program_run(const struct program *p, unsigned *failed_round)
{
	model_bring_up(p->cpus, p->conf);
	for (unsigned i = 0; i < p->rounds && !m.failed; i++) {
		run_round(&p->round[i]);
		*failed_round = i;
	}
	return !m.failed;
}

void program_print(const struct program *p, void *file)
{
	fprintf(file, "cpus %u conf %u\n", p->cpus, p->conf);
	for (unsigned i = 0; i < p->rounds; i++) {
		fprintf(file, "round %lu\n", (unsigned long)p->round[i].seed);
		for (unsigned j = 0; j < p->round[i].steps; j++) {
			const struct step *s = &p->round[i].step[j];
			fprintf(file, "  cpu %u %s space %u page %u n %u arg %u\n",
				s->cpu % p->cpus, op_names[s->op], s->space, s->page, s->n, s->arg);
		}
	}
}

static bool read_step(const char *line, struct step *s)
{
	char name[32];
	unsigned v[5];

	if (sscanf(line, " cpu %u %31s space %u page %u n %u arg %u", &v[0], name, &v[1], &v[2],
		   &v[3], &v[4]) != 6)
		return false;
	for (unsigned op = 0; op < OPS; op++)
		if (!strcmp(name, op_names[op])) {
			*s = (struct step){(uint8_t)op,   (uint8_t)v[0], (uint8_t)v[1],
					   (uint8_t)v[2], (uint8_t)v[3], (uint8_t)v[4]};
			return true;
		}
	return false;
}

bool program_read(struct program *p, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[256];
	unsigned n = 0;

	if (!f) {
		perror(path);
		return false;
	}
	while (fgets(line, sizeof(line), f)) {
		struct round *r;
		unsigned long seed;
		n++;
		if (line[0] == '#' || line[0] == '\n' ||
		    (sscanf(line, "cpus %u conf %u", &p->cpus, &p->conf) == 2 && p->cpus > 0 &&
		     p->cpus <= CPUS))
			continue;
		if (sscanf(line, "round %lu", &seed) == 1) {
			p->round = realloc(p->round, (p->rounds + 1) * sizeof(*p->round));
			p->round[p->rounds++] = (struct round){.seed = seed};
			continue;
		}
		r = p->rounds ? &p->round[p->rounds - 1] : NULL;
		if (!r || r->steps == ROUND_STEPS || !read_step(line, &r->step[r->steps])) {
			fprintf(stderr, "%s:%u: not understood: %s", path, n, line);
			fclose(f);
			return false;
		}
		r->steps++;
	}
	fclose(f);
	return p->cpus > 0;
}
