/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_INJECT_H
#define TOOLS_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "../lib/gdbstub.h"
#include "../lib/qmp.h"

#define MAX_CHECKS 16
#define MAX_ADDRS  65536

struct check {
	uint64_t addr, value;
	unsigned size;
	bool changes; /* the value must not be what it was at the event, instead of equal */
};

struct options {
	const char *gdb, *qmp, *serial, *forbid, *monitor, *first_event;
	uint64_t start, stop, from, to, entry;
	bool path, list, nested, use_qmp, verbose;
	unsigned first;  /* the step at which the outer of two nested events comes */
	unsigned vector; /* of the event: where to look in the IDT for its gate */
	unsigned max, rounds;
	int timeout;
	struct check checks[MAX_CHECKS];
	unsigned n_checks;
	uint64_t *addrs;
	unsigned n_addrs;
};

struct run {
	struct options o;
	struct gdb g;
	struct qmp q;
	unsigned injected, exact, failed;
};

/* 0 all done, 1 the guest failed, 2 could not go on; each failure is printed with how to repeat. */
int sweep_path(struct run *r);
int sweep_list(struct run *r);

/* The event at the stopped CPU's next instruction, one step, and what is to hold after it. */
int inject_here(struct run *r, const char *event, const char *where);
/* The checks and the serial line; prints what does not hold. */
int look(struct run *r, const char *where);

#endif
