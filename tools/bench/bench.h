/* SPDX-License-Identifier: MIT */
/* kaiser bench: what its files share. main.c tells how they work together. */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "trace.h"

int bench_main(int argc, char **argv);

enum op_number {
#define OP(number, name, what) OP_##name = number,
#include "../../user/bench/ops.h"
#undef OP
	OPS
};

struct op_text {
	const char *name, *what;
};
extern const struct op_text op_text[OPS];

/* ---- count.c: from records to numbers ---------------------------------------------------- */

enum number {
	N_INSNS,  /* in the kernel; a REP instruction is one */
	N_CR3,    /* CR3 writes */
	N_IPAGES, /* distinct pages of code, by root: what both roots use counts twice */
	N_ILINES, /* 64-byte lines likewise */
	N_DPAGES, /* of data */
	N_DLINES,
	N_LOADS,
	N_STORES,
	N_STRING, /* bytes moved by REP instructions, read or written */
	N_SWAPGS,
	N_INVAL, /* INVLPG and INVPCID */
	N_FENCE,
	N_VERW,
	N_WRMSR,
	N_RETURNS,  /* IRET, SYSRET, SYSEXIT */
	N_VISITS,   /* times a CPU came from user mode */
	N_GATE_IN,  /* instructions from a gate to the first one outside the window; of one visit */
	N_GATE_OUT, /* from the last one outside it to user mode */
	NUMBERS
};

struct number_text {
	const char *name, *what;
};
extern const struct number_text number_text[NUMBERS];

struct run {
	struct trace_record *record;
	uint8_t *user_root; /* of each record: whether it used the root that user mode has */
	size_t records;
	uint64_t n[NUMBERS];
};

/* Fills run->user_root and run->n. gates: the window's text is so many pages from the gate's on, 0
 * if nothing is known of it. -1: out of memory. */
int count_run(struct run *run, unsigned gates);

/* ---- guest.c: a kernel, run once ---------------------------------------------------------- */

struct guest_config {
	const char *name, *kernel, *initrd, *recorder, *qemu, *cpu, *machine, *append, *ops;
	bool pti;
	unsigned cpus, reps, procs, memory_mb, timeout, gates;
	bool keep_serial;
	bool icount; /* false: real time, for the gdb stub's stops would let timers run out */
};

struct page_size {
	uint64_t va;
	unsigned shift;
};

struct op_result {
	bool measured, absent, overflow;
	struct run median;            /* of the runs, by instructions */
	uint64_t least, most;         /* instructions of the runs */
	uint64_t cycles[2];           /* modelled, without and with PCIDs */
	uint64_t misses[2], walks[2]; /* of the first level; of both */
};

struct guest_result {
	struct guest_config config;
	struct op_result op[OPS];
	uint64_t supervisor_pages, supervisor_writable; /* under user mode's root */
	bool totals_known;
	struct page_size *size; /* sorted; pages that are not there are 4 KiB */
	size_t sizes;
};

/* -1 and a sentence in error. */
int guest_run(struct guest_result *g, const struct guest_config *c, char *error, size_t size);
void guest_free(struct guest_result *g);
unsigned guest_page_shift(const struct guest_result *g, uint64_t va);

/* trace_file.c: sorts the recorder's runs under their operations and keeps the median of each. */
int trace_load(struct guest_result *g, const char *path, char *error, size_t size);
/* pages.c: what can only be asked while the guest is there: page sizes, the user root's size. */
int pages_ask(struct guest_result *g, const char *qmp, char *error, size_t size);
/* nmi.c: answers a "BENCH: nmi" line of the guest. */
int nmi_serve(const char *gdb, const char *line, unsigned reps, char *error, size_t size);

/* ---- model.c ------------------------------------------------------------------------------ */

struct model;

/* NULL and a sentence. path NULL: the constants this tool was built with. */
struct model *model_open(const char *path, char *error, size_t size);
void model_close(struct model *m);
void model_guest(const struct model *m, struct guest_result *g);
void model_print(const struct model *m, FILE *to);

/* ---- reports ------------------------------------------------------------------------------ */

struct report {
	struct guest_result *guest; /* ours with isolation first */
	unsigned guests;
	const struct model *model;
};

void bench_table(const struct report *r, FILE *to);
int bench_json(const struct report *r, FILE *to);
int bench_svg(const struct report *r, const char *path);

#endif
