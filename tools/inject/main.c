/* SPDX-License-Identifier: MIT */
/* inject: an NMI at each instruction of a running guest. See usage(). */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inject.h"

static void usage(FILE *to)
{
	fputs("usage: inject --gdb SOCKET --start ADDR --stop ADDR [options]   along a path\n"
	      "       inject --gdb SOCKET --list FILE [options]                at each address\n"
	      "Start QEMU with -gdb unix:SOCKET,server=on,wait=off.\n"
	      "  --range FROM-TO    along a path, only there\n"
	      "  --first N          along a path, an event at step N as well, every time\n"
	      "  --qmp SOCKET       inject by QMP's inject-nmi instead of the gdb stub's monitor\n"
	      "  --event COMMANDS   instead of \"nmi\" (or of \"inject-nmi\"); several: A;B\n"
	      "  --first-event C    for --first, instead of the same\n"
	      "  --vector N         the event's (2), to count those taken exactly where they were "
	      "put\n"
	      "  --entry ADDR       its gate, instead of what the IDT says\n"
	      "  --check ADDR=V[:N] N bytes (8) must be V after each event; ADDR!=V: must not\n"
	      "  --serial FILE      the guest's serial output; must not hold --forbid TEXT "
	      "(panic)\n"
	      "  --max N            steps along a path (2000)\n"
	      "  --rounds N         times over the whole path (1)\n"
	      "  --timeout MS       for the guest to come back (10000)\n"
	      "  -v                 name late events and addresses not reached\n"
	      "FILE: one hexadecimal address a line; what follows it is ignored (objdump's "
	      "output).\n"
	      "Exit: 0 the guest stood it all, 1 it did not, 2 could not run.\n",
	      to);
}

static int bad_use(const char *what)
{
	fprintf(stderr, "inject: %s\n", what);
	usage(stderr);
	return 2;
}

static bool parse_check(struct options *o, const char *text)
{
	struct check *c = &o->checks[o->n_checks];
	char *end;

	if (o->n_checks == MAX_CHECKS)
		return false;
	*c = (struct check){.size = 8};
	c->addr = strtoull(text, &end, 0);
	if (*end == '!') {
		c->changes = true;
		end++;
	}
	if (*end != '=')
		return false;
	c->value = strtoull(end + 1, &end, 0);
	if (*end == ':')
		c->size = (unsigned)strtoul(end + 1, &end, 0);
	o->n_checks++;
	return !*end && c->size >= 1 && c->size <= 8;
}

static bool read_list(struct options *o, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[512];

	o->addrs = calloc(MAX_ADDRS, sizeof(*o->addrs));
	if (!f || !o->addrs) {
		if (f)
			fclose(f);
		return false;
	}
	while (o->n_addrs < MAX_ADDRS && fgets(line, sizeof(line), f)) {
		char *end;
		uint64_t a = strtoull(line, &end, 16);

		/* objdump writes "ffffffff81000000:" for an instruction, "... <name>:" for a label.
		 */
		if (end != line && strchr(": \t\n", *end) && !strstr(line, ">:"))
			o->addrs[o->n_addrs++] = a;
	}
	fclose(f);
	return o->n_addrs > 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"gdb", 1, 0, 'g'},     {"qmp", 1, 0, 'q'},         {"start", 1, 0, 's'},
		{"stop", 1, 0, 'e'},    {"range", 1, 0, 'r'},       {"list", 1, 0, 'l'},
		{"event", 1, 0, 'E'},   {"entry", 1, 0, 'n'},       {"check", 1, 0, 'c'},
		{"serial", 1, 0, 'S'},  {"forbid", 1, 0, 'f'},      {"max", 1, 0, 'm'},
		{"first", 1, 0, 'F'},   {"first-event", 1, 0, 'G'}, {"vector", 1, 0, 'V'},
		{"timeout", 1, 0, 't'}, {"rounds", 1, 0, 'R'},      {"help", 0, 0, 'h'},
		{0, 0, 0, 0},
	};
	static struct run r = {
		.o = {.forbid = "panic", .vector = 2, .max = 2000, .rounds = 1, .timeout = 10000}};
	struct options *o = &r.o;
	struct timespec a, b;
	char *end;
	int c, result;

	while ((c = getopt_long(argc, argv, "v", longs, NULL)) != -1) {
		switch (c) {
		case 'g':
			o->gdb = optarg;
			break;
		case 'q':
			o->qmp = optarg;
			o->use_qmp = true;
			break;
		case 's':
			o->start = strtoull(optarg, NULL, 0);
			o->path = true;
			break;
		case 'e':
			o->stop = strtoull(optarg, NULL, 0);
			break;
		case 'F':
			o->first = (unsigned)strtoul(optarg, NULL, 0);
			o->nested = true;
			break;
		case 'V':
			o->vector = (unsigned)strtoul(optarg, NULL, 0) & 255;
			break;
		case 'G':
			o->first_event = optarg;
			break;
		case 'r':
			o->from = strtoull(optarg, &end, 0);
			o->to = *end == '-' ? strtoull(end + 1, NULL, 0) : 0;
			if (o->to <= o->from)
				return bad_use("a range is FROM-TO");
			break;
		case 'l':
			o->list = true;
			if (!read_list(o, optarg))
				return bad_use("the list has no address");
			break;
		case 'E':
			o->monitor = optarg;
			break;
		case 'n':
			o->entry = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			if (!parse_check(o, optarg))
				return bad_use("a check is ADDR=VALUE[:BYTES] or ADDR!=VALUE");
			break;
		case 'S':
			o->serial = optarg;
			break;
		case 'f':
			o->forbid = optarg;
			break;
		case 'm':
			o->max = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 't':
			o->timeout = (int)strtol(optarg, NULL, 0);
			break;
		case 'R':
			o->rounds = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			return bad_use("no such option");
		}
	}
	if (!o->gdb || o->path == o->list || optind != argc)
		return bad_use("--gdb, and one of --start and --list, are needed");
	if (!o->monitor)
		o->monitor = o->use_qmp ? "inject-nmi" : "nmi";
	if (!o->first_event)
		o->first_event = o->monitor;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (gdb_open(&r.g, o->gdb, 10000)) {
		fprintf(stderr, "inject: %s: %s\n", o->gdb, r.g.error);
		return 2;
	}
	if (o->use_qmp && qmp_open(&r.q, o->qmp, 10000)) {
		fprintf(stderr, "inject: %s: %s\n", o->qmp, r.q.error);
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	result = o->path ? sweep_path(&r) : sweep_list(&r);
	clock_gettime(CLOCK_MONOTONIC, &b);
	double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;

	printf("%u events in %.1f s", r.injected, s);
	if (o->entry)
		printf(", %u of them taken exactly there", r.exact);
	printf(", %u failures\n", r.failed);
	if (r.g.fd >= 0 && result != 2)
		gdb_close(&r.g);
	if (o->use_qmp)
		qmp_close(&r.q);
	free(o->addrs);
	return result;
}
