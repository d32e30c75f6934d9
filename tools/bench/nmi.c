/* SPDX-License-Identifier: MIT */
/*
 * NMIs at exact places, by QEMU's gdb stub: at an instruction of user mode, or STEPS instructions
 * into a system call, well behind its gate. The guest waits for `go` first.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../tools/lib/gdbstub.h"
#include "bench.h"

#define ANSWER 20000 /* ms */
#define STEPS  70

struct site {
	unsigned op;
	uint64_t at, next; /* where to stop, and the instruction behind it */
};

static int stop_at(struct gdb *g, uint64_t va)
{
	if (gdb_break(g, va, true) || gdb_continue(g) || gdb_wait(g, ANSWER) != 1)
		return -1;
	return gdb_break(g, va, false);
}

static int one(struct gdb *g, const struct site *s)
{
	char out[256];

	if (stop_at(g, s->at))
		return -1;
	if (s->op == OP_nmi_kernel)
		for (unsigned i = 0; i < STEPS; i++)
			if (gdb_step(g))
				return -1;
	if (gdb_monitor(g, "nmi", out, sizeof(out)))
		return -1;
	return stop_at(g, s->next);
}

int nmi_serve(const char *path, const char *line, unsigned reps, char *error, size_t size)
{
	struct gdb *g = calloc(1, sizeof(*g));
	struct site s;
	unsigned long at, go_at;
	uint32_t go = 1;
	int err = 0;

	if (!g || sscanf(line, "BENCH: nmi %u at %lx go %lx", &s.op, &at, &go_at) != 3) {
		free(g);
		snprintf(error, size, "the guest's request for an NMI makes no sense");
		return -1;
	}
	s.at = at;
	s.next = at + (s.op == OP_nmi_kernel ? 2 : 1);
	err = gdb_open(g, path, ANSWER);
	if (!err)
		err = gdb_step_mask(g, GDB_HOLD_IRQS | GDB_HOLD_TIMERS) ||
		      gdb_write(g, go_at, &go, sizeof(go));
	for (unsigned i = 0; !err && i < reps; i++)
		err = one(g, &s);
	if (err)
		snprintf(error, size, "NMIs by the gdb stub: %s", g->error);
	if (g->fd >= 0)
		gdb_close(g);
	free(g);
	return err ? -1 : 0;
}
