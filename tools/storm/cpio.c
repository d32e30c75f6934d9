/* SPDX-License-Identifier: MIT */
/* An initial file tree that holds one program, as /init: a newc archive. */
#include <stdlib.h>
#include <string.h>

#include "storm.h"

static void entry(FILE *f, unsigned inode, unsigned mode, const char *name, const void *data,
		  size_t size)
{
	size_t len = strlen(name) + 1;

	fprintf(f, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s", inode, mode, 0,
		0, 1, 0, size, 0, 0, 0, 0, len, 0, name);
	fputc(0, f);
	for (size_t n = 110 + len; n % 4; n++)
		fputc(0, f);
	if (size)
		fwrite(data, 1, size, f);
	for (size_t n = size; n % 4; n++)
		fputc(0, f);
}

int storm_initrd(const char *to, const char *program)
{
	FILE *in = fopen(program, "rb"), *out = NULL;
	char *data = NULL;
	long size = -1;
	int r = -1;

	if (in && !fseek(in, 0, SEEK_END))
		size = ftell(in);
	if (size >= 0 && !fseek(in, 0, SEEK_SET))
		data = malloc((size_t)size + 1);
	if (data && fread(data, 1, (size_t)size, in) == (size_t)size)
		out = fopen(to, "wb");
	if (out) {
		entry(out, 1, 040755, "dev", NULL, 0);
		entry(out, 2, 0100755, "init", data, (size_t)size);
		entry(out, 0, 0, "TRAILER!!!", NULL, 0);
		r = ferror(out) ? -1 : 0;
		r = fclose(out) ? -1 : r;
	}
	if (in)
		fclose(in);
	free(data);
	return r;
}
