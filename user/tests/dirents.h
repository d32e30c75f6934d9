/* SPDX-License-Identifier: MIT */
#ifndef USER_TESTS_DIRENTS_H
#define USER_TESTS_DIRENTS_H

#include <stdbool.h>

/* Whether getdents() tells of that directory what getdents64() does, in its own form. */
bool old_dirents(const char *dir);

#endif
