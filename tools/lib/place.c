/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "place.h"
#include "places.h"

/* dir is seen from the command's folder. */
static const char *from_here(char path[PLACE_SIZE], const char *dir, const char *name)
{
	char here[PLACE_SIZE / 2];
	ssize_t n = readlink("/proc/self/exe", here, sizeof(here) - 1);
	char *slash;

	here[n > 0 ? n : 0] = 0;
	slash = strrchr(here, '/');
	if (slash)
		*slash = 0;
	if (snprintf(path, PLACE_SIZE, "%s/%s%s", here, dir, name) >= PLACE_SIZE)
		*path = 0;
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
