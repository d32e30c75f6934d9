/* SPDX-License-Identifier: MIT */
/*
 * A client of QEMU's gdbstub on a unix socket (-gdb unix:PATH,server=on,wait=off): stop, step,
 * read, write, break. One connection, one thread, all CPUs stop together.
 *
 * Functions return 0 or a count, or -1 with a sentence in g->error; an error of the connection
 * itself is final. Times are milliseconds; a timeout < 0 waits for ever.
 */
#ifndef TOOLS_GDBSTUB_H
#define TOOLS_GDBSTUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* QEMU's numbers on x86-64. */
enum {
	GDB_RAX,
	GDB_RBX,
	GDB_RCX,
	GDB_RDX,
	GDB_RSI,
	GDB_RDI,
	GDB_RBP,
	GDB_RSP,
	GDB_RIP = 16,
	GDB_EFLAGS,
	GDB_CS
};

/* For gdb_step_mask: what a step leaves pending. 0 lets events be taken. */
#define GDB_HOLD_IRQS   2
#define GDB_HOLD_TIMERS 4

#define GDB_BATCH 24 /* packets sent at once */

struct gdb {
	int fd;
	size_t got, used;
	char buf[65536];
	char packet[65536];
	char error[200];
	char answers[65536]; /* of the last batch, each with a 0 behind it */
	const char *answer[GDB_BATCH];
	char thread[32]; /* which CPU the last stop was on, as the stub writes it */
	int signal;      /* and why: 5 is a breakpoint or a step, 2 an interrupt */
};

/* Tries for timeout to connect; the guest is stopped then. */
int gdb_open(struct gdb *g, const char *path, int timeout);
void gdb_close(struct gdb *g); /* detaches: the guest goes on */

/* One packet and its answer, which stays in g->packet until the next call. */
int gdb_command(struct gdb *g, const char *command, int timeout);
/*
 * Packets sent in one go, without acknowledgements, and their answers in g->answer: one wake-up of
 * each side instead of one a packet. Only the last may resume the guest ("c" or "s"); its answer is
 * the stop. 1: all came; 0: still running after timeout; -1: error or the guest is gone.
 */
int gdb_batch(struct gdb *g, const char *const *command, unsigned n, int timeout);
/* Bytes of the hexadecimal digits at p, at most n. */
size_t gdb_unhex(const char *p, void *buf, size_t n);
/* A monitor command; its output goes to out, cut to size. */
int gdb_monitor(struct gdb *g, const char *command, char *out, size_t size);

int gdb_reg(struct gdb *g, int reg, uint64_t *value); /* of the CPU that stopped */
int gdb_read(struct gdb *g, uint64_t addr, void *buf, size_t len);
int gdb_write(struct gdb *g, uint64_t addr, const void *buf, size_t len);
int gdb_break(struct gdb *g, uint64_t addr, bool set); /* a virtual address, in any address space */

int gdb_step_mask(struct gdb *g, unsigned hold);
int gdb_step(struct gdb *g); /* the CPU that stopped, alone */
int gdb_continue(struct gdb *g);
/* 1: stopped, 0: still running after timeout, -1: error or the guest is gone. */
int gdb_wait(struct gdb *g, int timeout);
int gdb_interrupt(struct gdb *g); /* stop; to be waited for */

#endif
