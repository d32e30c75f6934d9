/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"

static const char help[] =
	"usage: kaiser audit [OPTION...] --qmp SOCKET | --gdb SOCKET\n"
	"       kaiser audit [OPTION...] --run -- qemu-system-x86_64 ...\n"
	"       kaiser audit [OPTION...] --dump FILE | --raw FILE --cr3 VALUE [--la57]\n"
	"\n"
	"Looks at the page tables under which user mode runs, whatever kernel it is, and judges "
	"what\n"
	"they map of the kernel. The guest is stopped for moments and let go.\n"
	"\n"
	"Where from\n"
	"  --qmp SOCKET         of a running QEMU: -qmp unix:SOCKET,server=on,wait=off\n"
	"  --gdb SOCKET         likewise its stub: -gdb unix:SOCKET,server=on,wait=off\n"
	"  --run -- COMMAND     start the guest, and end it afterwards\n"
	"  --dump FILE          of QEMU's dump-guest-memory (without paging)\n"
	"  --raw FILE           RAM from address 0, with --cr3 VALUE, --la57 for 5 levels\n"
	"When\n"
	"  --when user|now      once each CPU is in user mode (the default), or as they are\n"
	"  --delay S            let the guest run so long first\n"
	"  --timeout S          give up waiting for user mode (60)\n"
	"  --samples N          of each CPU, at different moments (1)\n"
	"  --boots N            with --run: boot so often, and see what moves along (1)\n"
	"What\n"
	"  --kernel-root ADDR   the kernel's top-level table, if it cannot be found\n"
	"  --preset NAME        linux, freebsd, kaiser: explains findings, hides none\n"
	"  --allow RULES.json   what else may be mapped\n"
	"  --baseline REPORT    an earlier --json report: only growth is a finding\n"
	"  --accept-unknown     what could not be checked does not make the verdict undecided\n"
	"  --symbols ELF        name addresses; --offset N if it is not found by itself\n"
	"  --explain VA         the walk of one address in both roots\n"
	"How\n"
	"  --json               the same, for programs\n"
	"  --all                every range and finding\n"
	"  --diff A B           what differs between two --json reports; needs no guest\n"
	"  --svg FILE           a picture: kernel root beside user root; --html FILE: in a page\n"
	"\n"
	"Exit: 0 clean, 1 findings, 2 could not run or could not decide.\n";

enum {
	OPT_GDB = 256,
	OPT_QMP,
	OPT_RUN,
	OPT_DUMP,
	OPT_RAW,
	OPT_CR3,
	OPT_LA57,
	OPT_WHEN,
	OPT_DELAY,
	OPT_TIMEOUT,
	OPT_SAMPLES,
	OPT_BOOTS,
	OPT_DIFF,
	OPT_KERNEL_ROOT,
	OPT_PRESET,
	OPT_ALLOW,
	OPT_BASELINE,
	OPT_ACCEPT,
	OPT_SYMBOLS,
	OPT_OFFSET,
	OPT_EXPLAIN,
	OPT_JSON,
	OPT_ALL,
	OPT_SVG,
	OPT_HTML,
	OPT_HELP,
};

static const struct option long_options[] = {
	{"gdb", 1, NULL, OPT_GDB},
	{"qmp", 1, NULL, OPT_QMP},
	{"run", 0, NULL, OPT_RUN},
	{"dump", 1, NULL, OPT_DUMP},
	{"raw", 1, NULL, OPT_RAW},
	{"cr3", 1, NULL, OPT_CR3},
	{"la57", 0, NULL, OPT_LA57},
	{"when", 1, NULL, OPT_WHEN},
	{"delay", 1, NULL, OPT_DELAY},
	{"timeout", 1, NULL, OPT_TIMEOUT},
	{"samples", 1, NULL, OPT_SAMPLES},
	{"boots", 1, NULL, OPT_BOOTS},
	{"diff", 1, NULL, OPT_DIFF},
	{"kernel-root", 1, NULL, OPT_KERNEL_ROOT},
	{"preset", 1, NULL, OPT_PRESET},
	{"allow", 1, NULL, OPT_ALLOW},
	{"baseline", 1, NULL, OPT_BASELINE},
	{"accept-unknown", 0, NULL, OPT_ACCEPT},
	{"symbols", 1, NULL, OPT_SYMBOLS},
	{"offset", 1, NULL, OPT_OFFSET},
	{"explain", 1, NULL, OPT_EXPLAIN},
	{"json", 0, NULL, OPT_JSON},
	{"all", 0, NULL, OPT_ALL},
	{"svg", 1, NULL, OPT_SVG},
	{"html", 1, NULL, OPT_HTML},
	{"help", 0, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "kaiser audit: %s%s%s\n", what, value ? " " : "", value ? value : "");
	return 2;
}

static bool number(const char *text, uint64_t *value)
{
	char *end;

	*value = strtoull(text, &end, 0);
	return *text && *text != '-' && !*end;
}

static bool small(const char *text, unsigned max, unsigned *value)
{
	uint64_t v;

	if (!number(text, &v) || v > max)
		return false;
	*value = (unsigned)v;
	return true;
}

/* -1: fine. */
static int one(struct options *o, int c, bool *run)
{
	bool good = true;

	switch (c) {
	case OPT_GDB:
		o->gdb = optarg;
		break;
	case OPT_QMP:
		o->qmp = optarg;
		break;
	case OPT_RUN:
		*run = true;
		break;
	case OPT_DUMP:
		o->dump = optarg;
		break;
	case OPT_RAW:
		o->raw = optarg;
		break;
	case OPT_CR3:
		good = o->have_cr3 = number(optarg, &o->cr3);
		break;
	case OPT_LA57:
		o->five_levels = true;
		break;
	case OPT_WHEN:
		o->when = !strcmp(optarg, "now") ? WHEN_NOW : WHEN_USER;
		good = o->when == WHEN_NOW || !strcmp(optarg, "user");
		break;
	case OPT_DELAY:
		good = small(optarg, 86400, &o->delay);
		break;
	case OPT_TIMEOUT:
		good = small(optarg, 86400, &o->timeout);
		break;
	case OPT_SAMPLES:
		good = small(optarg, 100000, &o->samples) && o->samples;
		break;
	case OPT_BOOTS:
		/* Two may agree by chance. */
		good = small(optarg, BOOTS_MAX, &o->boots) && (o->boots == 1 || o->boots >= 3);
		break;
	case OPT_DIFF:
		o->diff[0] = optarg;
		break;
	case OPT_KERNEL_ROOT:
		good = o->have_kernel_root = number(optarg, &o->kernel_root);
		break;
	case OPT_PRESET:
		o->preset = optarg;
		good = preset_exists(optarg);
		break;
	case OPT_ALLOW:
		o->allow = optarg;
		break;
	case OPT_BASELINE:
		o->baseline = optarg;
		break;
	case OPT_ACCEPT:
		o->accept_unknown = true;
		break;
	case OPT_SYMBOLS:
		o->symbols = optarg;
		break;
	case OPT_OFFSET:
		good = o->have_offset = number(optarg, &o->offset);
		break;
	case OPT_EXPLAIN:
		good = o->explain = number(optarg, &o->explain_va);
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_ALL:
		o->all = true;
		break;
	case OPT_SVG:
		o->svg = optarg;
		break;
	case OPT_HTML:
		o->html = optarg;
		break;
	case OPT_HELP:
		fputs(help, stdout);
		return 0;
	default:
		return wrong("see `kaiser audit --help`", NULL);
	}
	return good ? -1 : wrong("this value cannot be:", optarg);
}

int options_parse(struct options *o, int argc, char **argv)
{
	static char name[] = "kaiser audit";
	bool run = false;
	int c, r;

	*o = (struct options){.samples = 1, .boots = 1, .timeout = 60};
	argv[0] = name;
	while ((c = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
		r = one(o, c, &run);
		if (r >= 0)
			return r;
	}
	if (o->diff[0]) {
		o->diff[1] = argv[optind];
		return argv[optind] && !argv[optind + 1] ? -1
							 : wrong("--diff needs two reports", NULL);
	}
	if (run)
		o->run = argv + optind;
	if (run && !argv[optind])
		return wrong("--run needs a command behind --", NULL);
	if (!run && argv[optind])
		return wrong("what is this?", argv[optind]);
	if ((o->gdb || o->qmp) + run + (o->dump != NULL) + (o->raw != NULL) != 1)
		return wrong("one source is needed: --qmp or --gdb, --run, --dump, --raw", NULL);
	if (o->boots > 1 && !run)
		return wrong("--boots needs --run", NULL);
	if (o->raw && !o->have_cr3)
		return wrong("--raw needs --cr3", NULL);
	return -1;
}
