/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storm.h"

static const char help[] =
	"usage: kaiser storm [OPTION...] --kernel ELF [-- QEMU ARGUMENTS]\n"
	"\n"
	"Gives a kernel an event (an NMI, say) at every instruction of its entry and exit code, "
	"and\n"
	"looks whether user mode and the kernel's state are afterwards as without it.\n"
	"\n"
	"What\n"
	"  --kernel ELF         the kernel, with symbols; QEMU boots it\n"
	"  --paths FILE         which paths, events and configurations there are "
	"(docs/storm.md);\n"
	"                       kaiser (the default) and linux-6.12 are installed\n"
	"  --program ELF        what runs as /init, and goes round the paths for ever, other "
	"than\n"
	"                       the one installed\n"
	"  --initrd FILE        instead of one that holds the program alone\n"
	"  --append WORDS       more of the kernel's command line\n"
	"  --config REGEX       configurations (all)\n"
	"  --path REGEX         paths (all)\n"
	"  --event LIST         nmi,mce,...; A>B: B at each instruction of A's handling; depth 3 "
	"at\n"
	"                       most (nmi)\n"
	"  --list               name what there is\n"
	"Where\n"
	"  --mode MODE          none, log, linear, exhaustive (the default)\n"
	"  --step N             for linear: every Nth instruction (10)\n"
	"  --points LIST        3,7,9-12\n"
	"  --outer MODE         where the outer events of A>B come: log (the default), linear:N,\n"
	"                       exhaustive, or steps: 3,7; 12/40 for two outer events\n"
	"  --shard I/N          the Ith part of N, from 1\n"
	"How\n"
	"  --max-failures N     of a path, then the next one (3)\n"
	"  --timeout MS         for the guest to come back (10000)\n"
	"  --no-count           do not trace each path once more by a plugin of QEMU's\n"
	"  --json               for programs\n"
	"\n"
	"Exit: 0 clean, 1 failures, 2 could not run.\n";

enum {
	OPT_KERNEL = 256,
	OPT_PROGRAM,
	OPT_PATHS,
	OPT_INITRD,
	OPT_APPEND,
	OPT_CONFIG,
	OPT_PATH,
	OPT_EVENT,
	OPT_LIST,
	OPT_MODE,
	OPT_STEP,
	OPT_POINTS,
	OPT_OUTER,
	OPT_SHARD,
	OPT_FAILURES,
	OPT_TIMEOUT,
	OPT_NO_COUNT,
	OPT_JSON,
	OPT_HELP,
};

static const struct option longs[] = {
	{"kernel", 1, NULL, OPT_KERNEL},
	{"program", 1, NULL, OPT_PROGRAM},
	{"paths", 1, NULL, OPT_PATHS},
	{"initrd", 1, NULL, OPT_INITRD},
	{"append", 1, NULL, OPT_APPEND},
	{"config", 1, NULL, OPT_CONFIG},
	{"path", 1, NULL, OPT_PATH},
	{"event", 1, NULL, OPT_EVENT},
	{"list", 0, NULL, OPT_LIST},
	{"mode", 1, NULL, OPT_MODE},
	{"step", 1, NULL, OPT_STEP},
	{"points", 1, NULL, OPT_POINTS},
	{"outer", 1, NULL, OPT_OUTER},
	{"shard", 1, NULL, OPT_SHARD},
	{"max-failures", 1, NULL, OPT_FAILURES},
	{"timeout", 1, NULL, OPT_TIMEOUT},
	{"no-count", 0, NULL, OPT_NO_COUNT},
	{"json", 0, NULL, OPT_JSON},
	{"help", 0, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "kaiser storm: %s%s%s\n", what, value ? " " : "", value ? value : "");
	return 2;
}

static bool number(const char *text, unsigned max, unsigned *value)
{
	char *end;
	unsigned long v = strtoul(text, &end, 0);

	*value = (unsigned)v;
	return *text && *text != '-' && !*end && v <= max;
}

/* "3,7,9-12"; '/' separates as well: one step for each outer event. */
static bool list(const char *text, struct storm_points *p)
{
	free(p->list);
	p->mode = MODE_LIST;
	p->list = calloc(MAX_STEPS, sizeof(*p->list));
	p->count = 0;
	p->levels = strchr(text, '/') != NULL;
	while (p->list && *text) {
		char *end;
		unsigned long from = strtoul(text, &end, 0), to = from;

		if (end == text)
			return false;
		if (*end == '-')
			to = strtoul(text = end + 1, &end, 0);
		if (end == text || to < from || to - from >= MAX_STEPS - p->count)
			return false;
		for (unsigned long i = from; i <= to; i++)
			p->list[p->count++] = (unsigned)i;
		if (*end && *end != ',' && *end != '/')
			return false;
		text = *end ? end + 1 : end;
	}
	return p->count > 0;
}

static bool mode(const char *text, struct storm_points *p)
{
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	static const char *const names[] = {"none", "log", "linear", "exhaustive"};

	for (unsigned i = 0; i < 4; i++) {
		if (strlen(names[i]) != n || strncmp(names[i], text, n))
			continue;
		p->mode = (enum storm_mode)i;
		return !colon ||
		       (i == MODE_LINEAR && number(colon + 1, MAX_STEPS, &p->step) && p->step);
	}
	return false;
}

static bool shard(const char *text, struct storm_options *o)
{
	char *end;

	o->shard = (unsigned)strtoul(text, &end, 10);
	return *end == '/' && number(end + 1, 100000, &o->shards) && o->shard >= 1 &&
	       o->shard <= o->shards;
}

/* -1: fine. */
static int one(struct storm_options *o, int c)
{
	bool good = true;

	switch (c) {
	case OPT_KERNEL:
		o->kernel = optarg;
		break;
	case OPT_PROGRAM:
		o->program = optarg;
		break;
	case OPT_PATHS:
		o->paths = optarg;
		break;
	case OPT_INITRD:
		o->initrd = optarg;
		break;
	case OPT_APPEND:
		o->append = optarg;
		break;
	case OPT_CONFIG:
		o->setup = optarg;
		break;
	case OPT_PATH:
		o->path = optarg;
		break;
	case OPT_EVENT:
		o->events = optarg;
		break;
	case OPT_LIST:
		o->list = true;
		break;
	case OPT_MODE:
		good = mode(optarg, &o->points);
		break;
	case OPT_STEP:
		good = number(optarg, MAX_STEPS, &o->points.step) && o->points.step;
		break;
	case OPT_POINTS:
		good = list(optarg, &o->points);
		break;
	case OPT_OUTER:
		good = mode(optarg, &o->outer) || list(optarg, &o->outer);
		break;
	case OPT_SHARD:
		good = shard(optarg, o);
		break;
	case OPT_FAILURES:
		good = number(optarg, 1000000, &o->max_failures) && o->max_failures;
		break;
	case OPT_TIMEOUT: {
		unsigned ms;

		good = number(optarg, 3600000, &ms);
		o->timeout = (int)ms;
		break;
	}
	case OPT_NO_COUNT:
		o->no_count = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_HELP:
		fputs(help, stdout);
		return 0;
	default:
		return wrong("see `kaiser storm --help`", NULL);
	}
	return good ? -1 : wrong("this value cannot be:", optarg);
}

int storm_options(struct storm_options *o, int argc, char **argv)
{
	static char name[] = "kaiser storm";
	char file[TEXT];
	int c, r;

	*o = (struct storm_options){
		.events = "nmi",
		.points = {.mode = MODE_EXHAUSTIVE, .step = 10},
		.outer = {.mode = MODE_LOG, .step = 10},
		.shard = 1,
		.shards = 1,
		.max_failures = 3,
		.timeout = 10000,
	};
	argv[0] = name;
	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		r = one(o, c);
		if (r >= 0)
			return r;
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		return wrong("what is this?", argv[optind]);
	o->qemu = argv + optind;
	if (!o->list && !o->kernel)
		return wrong("which kernel? Name it by --kernel", NULL);
	if (!o->program)
		o->program = place_lib(o->place[0], "user/paths");
	if (!o->paths || !strchr(o->paths, '/')) { /* one of the command's own? */
		snprintf(file, sizeof(file), "storm/%s.json", o->paths ? o->paths : "kaiser");
		if (!access(place_data(o->place[1], file), R_OK) || !o->paths)
			o->paths = o->place[1];
	}
	return -1;
}

/* index: among the points; step: on the path. */
bool storm_chosen(const struct storm_points *p, unsigned index, unsigned step)
{
	switch (p->mode) {
	case MODE_NONE:
		return false;
	case MODE_LOG:
		return !(index & (index + 1)); /* 0, 1, 3, 7... */
	case MODE_LINEAR:
		return index % p->step == 0;
	case MODE_EXHAUSTIVE:
		return true;
	case MODE_LIST:
		for (unsigned i = 0; i < p->count; i++)
			if (p->list[i] == step)
				return true;
		return false;
	}
	return false;
}
