/* SPDX-License-Identifier: MIT */
/*
 * Where the files lie that the command needs: beside itself in a build tree, else where make
 * install put them. That is told as a way from the command's own folder (build/places.h), so an
 * installation can be moved as a whole. Each function writes a path, names it even if nothing is
 * there, and returns it.
 */
#ifndef TOOLS_LIB_PLACE_H
#define TOOLS_LIB_PLACE_H

#define PLACE_SIZE 512

/* In the build tree only. */
const char *place_beside(char path[PLACE_SIZE], const char *name);
/* For one machine: beside the command, or in LIBDIR/kaiser under the last part of the name. */
const char *place_lib(char path[PLACE_SIZE], const char *name);
/* Text: in the source tree's tools/, or in DATADIR/kaiser. */
const char *place_data(char path[PLACE_SIZE], const char *name);

#endif
