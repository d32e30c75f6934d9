/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fuzz.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../tools/audit/audit.h"

#define SLOTS     2
#define ARGUMENTS 16

const char *fuzz_file(unsigned slot, const uint8_t *data, size_t size)
{
	static int fd[SLOTS] = {-1, -1};
	static char path[SLOTS][32];

	if (fd[slot] < 0)
		fd[slot] = memfd_create("fuzz", 0);
	if (fd[slot] < 0 || ftruncate(fd[slot], 0) || pwrite(fd[slot], data, size, 0) < 0)
		abort();
	snprintf(path[slot], sizeof(path[slot]), "/proc/self/fd/%d", fd[slot]);
	return path[slot];
}

void fuzz_audit(const char *first, ...)
{
	char *argv[ARGUMENTS] = {(char *)(uintptr_t) "audit", (char *)(uintptr_t)first};
	int argc = 2, code;
	va_list ap;

	va_start(ap, first);
	while (argc < ARGUMENTS - 1 && (argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	argv[argc] = NULL;
	optind = 0; /* GNU's getopt begins anew */
	code = audit_main(argc, argv);
	if (code < 0 || code > 2)
		abort();
}
