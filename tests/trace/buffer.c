/* SPDX-License-Identifier: MIT */
/* Preloaded into Bochs, whose debugger writes each word by itself: its standard output gets the
 * buffer that it takes away, which makes a trace six times as fast. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int fflush(FILE *f)
{
	static int (*real)(FILE *);

	if (f == stdout)
		return 0;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fflush");
	return real(f);
}

void setbuf(FILE *f, char *buffer)
{
	if (f != stdout)
		setvbuf(f, buffer, buffer ? _IOFBF : _IONBF, BUFSIZ);
}
