/* SPDX-License-Identifier: MIT */
/*
 * kaiser bench: the same program on this kernel and on another, in the same QEMU, counted alike.
 *
 * guest.c runs one kernel with the recorder (plugin/) loaded; trace_file.c and count.c turn what
 * was recorded into numbers; pages.c asks the guest for what only its page tables know; model.c
 * prices it; table.c, json.c and picture.c show it.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/place.h"
#include "bench.h"

#define GUESTS 3

static const char help[] =
	"usage: kaiser bench [OPTION...]\n"
	"\n"
	"Boots this kernel and a peer in the same QEMU, runs the same program on both and counts "
	"what the\n"
	"kernels do for each operation: instructions, CR3 writes, pages and lines of code and "
	"data.\n"
	"\n"
	"What is run\n"
	"  --kernel FILE        this kernel (in a build tree: its own)\n"
	"  --peer VMLINUZ       the other one; 'none': nothing to compare with\n"
	"                       (in a build tree: what scripts/peers.sh 6.12 fetched)\n"
	"  --off                this kernel with pti=off as well\n"
	"  --ops NAME,NAME...   these operations only; --list shows them\n"
	"  --reps N             measured runs of each, of which the median counts (5)\n"
	"  --procs N            with so many sleeping processes beside\n"
	"  --append TEXT        more of the kernels' command line\n"
	"On what\n"
	"  --cpus N  --memory MB  --cpu MODEL  --machine TYPE   (1, 512, max,la57=off, pc)\n"
	"  --qemu FILE          QEMU 7.2 or later (qemu-system-x86_64)\n"
	"  --timeout S          for each guest (300)\n"
	"  --initrd FILE  --recorder FILE   the guests' program and QEMU's plugin, other than "
	"those\n"
	"                       installed with this command\n"
	"How it is shown\n"
	"  --json               the same, for programs\n"
	"  --svg FILE           bars: this kernel beside the peer\n"
	"  --costs FILE         another set of constants for the modelled cycles\n"
	"  --show-costs         the constants and their sources, after the table\n"
	"  --verbose            the guests' consoles on standard error\n"
	"\n"
	"Exit: 0 measured, 2 could not run.\n";

enum {
	OPT_KERNEL = 256,
	OPT_PEER,
	OPT_OFF,
	OPT_OPS,
	OPT_LIST,
	OPT_REPS,
	OPT_PROCS,
	OPT_APPEND,
	OPT_CPUS,
	OPT_MEMORY,
	OPT_CPU,
	OPT_MACHINE,
	OPT_QEMU,
	OPT_TIMEOUT,
	OPT_INITRD,
	OPT_RECORDER,
	OPT_JSON,
	OPT_SVG,
	OPT_COSTS,
	OPT_SHOW_COSTS,
	OPT_VERBOSE,
	OPT_HELP,
};

static const struct option long_options[] = {
	{"kernel", 1, NULL, OPT_KERNEL},
	{"peer", 1, NULL, OPT_PEER},
	{"off", 0, NULL, OPT_OFF},
	{"ops", 1, NULL, OPT_OPS},
	{"list", 0, NULL, OPT_LIST},
	{"reps", 1, NULL, OPT_REPS},
	{"procs", 1, NULL, OPT_PROCS},
	{"append", 1, NULL, OPT_APPEND},
	{"cpus", 1, NULL, OPT_CPUS},
	{"memory", 1, NULL, OPT_MEMORY},
	{"cpu", 1, NULL, OPT_CPU},
	{"machine", 1, NULL, OPT_MACHINE},
	{"qemu", 1, NULL, OPT_QEMU},
	{"timeout", 1, NULL, OPT_TIMEOUT},
	{"initrd", 1, NULL, OPT_INITRD},
	{"recorder", 1, NULL, OPT_RECORDER},
	{"json", 0, NULL, OPT_JSON},
	{"svg", 1, NULL, OPT_SVG},
	{"costs", 1, NULL, OPT_COSTS},
	{"show-costs", 0, NULL, OPT_SHOW_COSTS},
	{"verbose", 0, NULL, OPT_VERBOSE},
	{"help", 0, NULL, OPT_HELP},
	{0},
};

enum { PLACE_KERNEL, PLACE_INITRD, PLACE_RECORDER, PLACE_PEER, PLACES };

struct options {
	struct guest_config guest;
	const char *kernel, *peer, *svg, *costs;
	bool off, json, show_costs;
	char path[PLACES][PLACE_SIZE];
};

static int wrong(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "kaiser bench: --%s %s: %s\n", option, value, why);
	return 2;
}

static int number(const char *option, unsigned least, unsigned most, unsigned *n)
{
	char *end;
	unsigned long v = strtoul(optarg, &end, 10);

	if (!*optarg || *end || *optarg == '-' || v < least || v > most) {
		fprintf(stderr, "kaiser bench: --%s %s: a number from %u to %u is wanted\n", option,
			optarg, least, most);
		return 2;
	}
	*n = (unsigned)v;
	return -1;
}

static void list(void)
{
	for (unsigned i = 0; i < OPS; i++)
		printf("%-15s %s\n", op_text[i].name, op_text[i].what);
}

static int check_ops(const char *names)
{
	char copy[512], *save, *name;

	if (snprintf(copy, sizeof(copy), "%s", names) >= (int)sizeof(copy))
		return wrong("ops", "...", "too long");
	for (name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		unsigned i = 0;

		while (i < OPS && strcmp(op_text[i].name, name))
			i++;
		if (i == OPS)
			return wrong("ops", name, "no such operation; --list shows them");
	}
	return -1;
}

static int one_option(struct options *o, int c)
{
	struct guest_config *g = &o->guest;

	switch (c) {
	case OPT_KERNEL:
		o->kernel = optarg;
		return -1;
	case OPT_PEER:
		o->peer = optarg;
		return -1;
	case OPT_OFF:
		o->off = true;
		return -1;
	case OPT_OPS:
		g->ops = optarg;
		return check_ops(optarg);
	case OPT_LIST:
		list();
		return 0;
	case OPT_REPS:
		return number("reps", 1, 9, &g->reps);
	case OPT_PROCS:
		return number("procs", 0, 30000, &g->procs);
	case OPT_APPEND:
		g->append = optarg;
		return -1;
	case OPT_CPUS:
		return number("cpus", 1, 64, &g->cpus);
	case OPT_MEMORY:
		return number("memory", 64, 65536, &g->memory_mb);
	case OPT_CPU:
		g->cpu = optarg;
		return -1;
	case OPT_MACHINE:
		g->machine = optarg;
		return -1;
	case OPT_QEMU:
		g->qemu = optarg;
		return -1;
	case OPT_TIMEOUT:
		return number("timeout", 1, 86400, &g->timeout);
	case OPT_INITRD:
		g->initrd = optarg;
		return -1;
	case OPT_RECORDER:
		g->recorder = optarg;
		return -1;
	case OPT_JSON:
		o->json = true;
		return -1;
	case OPT_SVG:
		o->svg = optarg;
		return -1;
	case OPT_COSTS:
		o->costs = optarg;
		return -1;
	case OPT_SHOW_COSTS:
		o->show_costs = true;
		return -1;
	case OPT_VERBOSE:
		g->keep_serial = true;
		return -1;
	case OPT_HELP:
		fputs(help, stdout);
		return 0;
	default:
		fprintf(stderr, "`kaiser bench --help` lists the options.\n");
		return 2;
	}
}

/* What scripts/peers.sh left in the build tree, or "". */
static const char *find_peer(char *path)
{
	char pattern[PLACE_SIZE];
	glob_t found;

	place_beside(pattern, "peers/6.12/vmlinuz-*");
	*path = 0;
	if (glob(pattern, 0, NULL, &found))
		return path;
	if (snprintf(path, PLACE_SIZE, "%s", found.gl_pathv[0]) >= PLACE_SIZE)
		*path = 0;
	globfree(&found);
	return path;
}

static int options_parse(struct options *o, int argc, char **argv)
{
	int c, r;

	*o = (struct options){.guest = {.qemu = "qemu-system-x86_64",
					.cpu = "max,la57=off",
					.machine = "pc",
					.append = "",
					.ops = "",
					.cpus = 1,
					.reps = 5,
					.memory_mb = 512,
					.timeout = 300}};
	o->kernel = place_beside(o->path[PLACE_KERNEL], "kaiser.elf");
	o->guest.initrd = place_lib(o->path[PLACE_INITRD], "bench.cpio.gz");
	o->guest.recorder = place_lib(o->path[PLACE_RECORDER], "kaiser-bench.so");
	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		r = one_option(o, c == 'h' ? OPT_HELP : c);
		if (r >= 0)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "kaiser bench: what is '%s'?\n", argv[optind]);
		return 2;
	}
	if (!o->peer)
		o->peer = find_peer(o->path[PLACE_PEER]);
	if (!strcmp(o->peer, "none"))
		o->peer = NULL;
	return -1;
}

/* A guest is booted once for each of these that has an operation to measure. */
enum part {
	PART_MAIN,
	PART_SYSENTER, /* needs a CPU with Intel's name: on AMD's, vDSOs use SYSCALL */
	PART_NMI,      /* in real time */
	PARTS
};

static enum part part_of(unsigned op)
{
	if (op == OP_nmi_user || op == OP_nmi_kernel)
		return PART_NMI;
	return op == OP_sysenter ? PART_SYSENTER : PART_MAIN;
}

static bool named(const char *names, unsigned op)
{
	size_t n = strlen(op_text[op].name);

	if (!*names)
		return true;
	for (const char *p = names; (p = strstr(p, op_text[op].name)); p += n)
		if ((p == names || p[-1] == ',') && (!p[n] || p[n] == ','))
			return true;
	return false;
}

/* The names among `all` that are of this part. */
static void choose(const char *all, enum part part, char *names, size_t size)
{
	size_t n = 0;

	*names = 0;
	for (unsigned op = 0; op < OPS; op++)
		if (part_of(op) == part && named(all, op) && n < size)
			n += (size_t)snprintf(names + n, size - n, "%s%s", n ? "," : "",
					      op_text[op].name);
}

/* 1: there is nothing to do. */
static int run_part(struct report *r, const struct guest_config *all, enum part part,
		    struct guest_result *g)
{
	struct guest_config c = *all;
	char names[512], cpu[300], error[400];

	choose(all->ops, part, names, sizeof(names));
	if (!*names)
		return 1;
	c.ops = names;
	c.icount = part != PART_NMI;
	if (part == PART_SYSENTER && !strstr(c.cpu, "vendor=")) {
		snprintf(cpu, sizeof(cpu), "%s,vendor=GenuineIntel", c.cpu);
		c.cpu = cpu;
	}
	if (guest_run(g, &c, error, sizeof(error))) {
		fprintf(stderr, "kaiser bench: %s\n", error);
		return -1;
	}
	g->config.ops = all->ops;
	g->config.cpu = all->cpu;
	model_guest(r->model, g);
	return 0;
}

static int run_one(struct report *r, const struct guest_config *c)
{
	struct guest_result *g = &r->guest[r->guests];
	bool first = true;

	if (access(c->kernel, R_OK)) {
		fprintf(stderr, "kaiser bench: %s cannot be read\n", c->kernel);
		return -1;
	}
	r->guests++;
	for (enum part part = 0; part < PARTS; part++) {
		struct guest_result more = {0};
		int err = run_part(r, c, part, first ? g : &more);

		if (err < 0)
			return -1;
		if (err > 0)
			continue;
		for (unsigned op = 0; !first && op < OPS; op++) {
			if (part_of(op) != part)
				continue;
			g->op[op] = more.op[op];
			more.op[op] = (struct op_result){0};
		}
		if (!first)
			guest_free(&more);
		first = false;
	}
	return 0;
}

/* All that is needed but was not named. Only a build tree has a kernel and a peer of its own. */
static bool files_are_there(const struct options *o)
{
	const struct {
		const char *path, *option;
	} file[] = {{o->guest.initrd, "initrd"}, {o->guest.recorder, "recorder"}};

	if (o->kernel == o->path[PLACE_KERNEL] && access(o->kernel, R_OK)) {
		fprintf(stderr, "kaiser bench: which kernel? Name it by --kernel\n");
		return false;
	}
	for (unsigned i = 0; i < sizeof(file) / sizeof(file[0]); i++) {
		if (!access(file[i].path, R_OK))
			continue;
		fprintf(stderr,
			"kaiser bench: %s cannot be read: `make bench` in KAISER's source tree "
			"makes it, `make install` installs it; or name it by --%s\n",
			file[i].path, file[i].option);
		return false;
	}
	if (access(o->kernel, R_OK)) {
		fprintf(stderr, "kaiser bench: %s cannot be read\n", o->kernel);
		return false;
	}
	if (o->peer && !*o->peer)
		fprintf(stderr, "kaiser bench: no peer: name one by --peer, or say --peer none "
				"(scripts/peers.sh 6.12 in KAISER's source tree fetches one)\n");
	return !o->peer || *o->peer;
}

static int run_all(const struct options *o, struct report *r)
{
	struct guest_config c = o->guest;

	if (!files_are_there(o))
		return -1;
	c.kernel = o->kernel;
	c.name = "kaiser";
	c.pti = true;
	c.gates = 3;
	if (run_one(r, &c))
		return -1;
	if (o->peer) {
		c.kernel = o->peer;
		c.name = "peer";
		c.gates = 0;
		if (run_one(r, &c))
			return -1;
	}
	if (o->off) {
		c.kernel = o->kernel;
		c.name = "kaiser, pti=off";
		c.pti = false;
		c.gates = 3;
		if (run_one(r, &c))
			return -1;
	}
	return 0;
}

int bench_main(int argc, char **argv)
{
	struct options o;
	static struct guest_result guest[GUESTS];
	struct report r = {.guest = guest};
	struct model *model;
	char error[300];
	int code = options_parse(&o, argc, argv);

	if (code >= 0)
		return code;
	model = model_open(o.costs, error, sizeof(error));
	if (!model) {
		fprintf(stderr, "kaiser bench: %s\n", error);
		return 2;
	}
	r.model = model;
	code = run_all(&o, &r) ? 2 : 0;
	if (!code && o.json)
		code = bench_json(&r, stdout) ? 2 : 0;
	else if (!code)
		bench_table(&r, stdout);
	if (!code && o.show_costs && !o.json)
		model_print(model, stdout);
	if (!code && o.svg && bench_svg(&r, o.svg)) {
		fprintf(stderr, "kaiser bench: %s cannot be written\n", o.svg);
		code = 2;
	}
	for (unsigned i = 0; i < r.guests; i++)
		guest_free(&guest[i]);
	model_close(model);
	return code;
}
