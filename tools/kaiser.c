/* SPDX-License-Identifier: MIT */
/* The `kaiser` command: finds the subcommand and hands it the rest. */
#include <stdio.h>
#include <string.h>

#include <kaiser/version.h>

#include "audit/audit.h"
#include "bench/bench.h"
#include "storm/storm.h"

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *what;
} commands[] = {
	{"audit", audit_main, "what does user mode's page table map? A verdict for any kernel"},
	{"bench", bench_main, "what does isolation cost? This kernel and another, counted alike"},
	{"storm", storm_main,
	 "an event at every instruction of the entry code: is all as without it?"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *to)
{
	fprintf(to, "usage: kaiser COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
	fprintf(to, "\n`kaiser COMMAND --help` tells more. "
		    "Exit: 0 clean, 1 findings, 2 could not run.\n");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("kaiser %d.%d.%d\n", KAISER_VERSION_MAJOR, KAISER_VERSION_MINOR,
		       KAISER_VERSION_PATCH);
		return 0;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].fn(argc - 1, argv + 1);
	fprintf(stderr, "kaiser: no command '%s'; `kaiser --help` lists them\n", argv[1]);
	return 2;
}
