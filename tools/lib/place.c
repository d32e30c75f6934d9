/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "place.h"
#include "places.h"

/* dir is seen from the command's folder. A chroot may have no /proc: then by what was executed. */
static const char *from_here(char path[PLACE_SIZE], const char *dir, const char *name)
{
	const char *file = access("/proc/self/exe", F_OK) ? (const char *)getauxval(AT_EXECFN)
							  : "/proc/self/exe";
	char *here = realpath(file, NULL), *slash = here ? strrchr(here, '/') : NULL;

	if (slash)
		*slash = 0;
	if (snprintf(path, PLACE_SIZE, "%s/%s%s", here ? here : ".", dir, name) >= PLACE_SIZE)
		*path = 0;
	free(here);
	return path;
}

const char *place_beside(char path[PLACE_SIZE], const char *name)
{
	return from_here(path, "", name);
}

const char *place_lib(char path[PLACE_SIZE], const char *name)
{
	const char *slash = strrchr(name, '/');

	if (access(from_here(path, "", name), R_OK))
		from_here(path, PLACE_LIB "/", slash ? slash + 1 : name);
	return path;
}

const char *place_data(char path[PLACE_SIZE], const char *name)
{
	if (access(from_here(path, "../tools/", name), R_OK))
		from_here(path, PLACE_DATA "/", name);
	return path;
}
