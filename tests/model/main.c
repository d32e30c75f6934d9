/* SPDX-License-Identifier: MIT */
/* model: random programs against libkaiser's C, or one program from a file. See model.h. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

static const char help[] =
	"usage: model [--steps N] [--seed S] [--rounds N] [--out FILE] "
	"[--interrupts]\n"
	"             [--replay FILE]\n"
	"  --steps N      operations to run in all (1000000)\n"
	"  --seed S       of the first program; the next one's is S + 1 (1)\n"
	"  --rounds N     rounds a program (1500)\n"
	"  --out FILE     where a failure goes, made short (model-failure.txt)\n"
	"  --replay FILE  runs that program alone\n"
	"  --interrupts   hosts call by interrupt_cpus, and CPUs leave at any time\n"
	"  --no-shrink    keeps a failure as long as it was found\n"
	"Exit: 0 nothing found, 1 a failure, 2 could not run.\n";

static int replay(const char *path)
{
	struct program p = {0};
	unsigned at = 0;
	int code = 0;

	if (!program_read(&p, path))
		return 2;
	if (program_run(&p, &at)) {
		printf("%s: %u rounds, no failure\n", path, p.rounds);
	} else {
		printf("%s: round %u: %s\n", path, at + 1, m.message);
		code = 1;
	}
	free(p.round);
	return code;
}

static int report(struct program *p, unsigned at, uint64_t seed, const char *out, bool shrink)
{
	uint64_t steps = m.steps;
	FILE *f;

	p->rounds = at + 1;
	printf("FOUND in program %lu after %lu steps: %s\n", (unsigned long)seed,
	       (unsigned long)steps, m.message);
	fflush(stdout);
	if (shrink)
		program_shrink(p);
	program_run(p, &at);
	printf("shrunk: %u rounds, %u CPUs: %s\n", p->rounds, p->cpus, m.message);
	f = fopen(out, "w");
	if (!f) {
		perror(out);
		return 2;
	}
	fprintf(f, "# %s\n", m.message);
	program_print(p, f);
	fclose(f);
	program_print(p, stdout);
	printf("replay: model %s--replay %s\n", model_by_interrupts ? "--interrupts " : "", out);
	return 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"steps", 1, NULL, 's'},      {"seed", 1, NULL, 'S'},   {"rounds", 1, NULL, 'r'},
		{"out", 1, NULL, 'o'},        {"replay", 1, NULL, 'p'}, {"no-shrink", 0, NULL, 'n'},
		{"interrupts", 0, NULL, 'i'}, {"help", 0, NULL, 'h'},   {NULL, 0, NULL, 0},
	};
	uint64_t steps = 1000000, seed = 1, programs = 0;
	const char *out = "model-failure.txt";
	unsigned rounds = 1500, at = 0;
	struct program p = {0};
	bool shrink = true;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 's':
			steps = strtoull(optarg, NULL, 0);
			break;
		case 'S':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			rounds = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'o':
			out = optarg;
			break;
		case 'n':
			shrink = false;
			break;
		case 'i':
			model_by_interrupts = true;
			break;
		case 'p':
			return replay(optarg);
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	for (; m.steps < steps; seed++, programs++) {
		program_make(&p, seed, rounds);
		if (!program_run(&p, &at))
			return report(&p, at, seed, out, shrink);
	}
	printf("%lu steps in %lu programs, %lu places where others could run\n",
	       (unsigned long)m.steps, (unsigned long)programs, (unsigned long)m.yields);
	printf("CR3 writes %lu, of them with NOFLUSH %lu; INVLPG %lu; INVPCID by type %lu %lu %lu "
	       "%lu\n",
	       (unsigned long)m.did.cr3, (unsigned long)m.did.kept, (unsigned long)m.did.invlpg,
	       (unsigned long)m.did.invpcid[0], (unsigned long)m.did.invpcid[1],
	       (unsigned long)m.did.invpcid[2], (unsigned long)m.did.invpcid[3]);
	printf("calls of other CPUs %lu, NMIs %lu, of them on a user root %lu\n",
	       (unsigned long)m.did.calls, (unsigned long)m.did.nmis,
	       (unsigned long)m.did.nmis_user);
	printf("looks at what a CPU could use %lu: no stale use\n", (unsigned long)m.did.checks);
	free(p.round);
	return 0;
}
