/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_INIT_ARGS_H
#define KERNEL_INIT_ARGS_H

#include "base.h"

struct init_args {
	char **argv, **envp; /* NULL-ended */
};

/* The given arguments and environment, and what the command line adds. 0 or -ENOMEM:
 * what it took stays taken, because either process 1 runs on it or nothing does. */
int init_args(struct init_args *a, const char *cmdline, char *const argv[], char *const envp[]);

#endif
