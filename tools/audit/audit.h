/* SPDX-License-Identifier: MIT */
/* kaiser audit: what its files share. main.c tells how they work together. */
#ifndef TOOLS_AUDIT_H
#define TOOLS_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/symbols.h"
#include "source.h"

int audit_main(int argc, char **argv);

/* ---- options.c --------------------------------------------------------------------------- */

enum when { WHEN_USER, WHEN_NOW };

struct options {
	const char *gdb, *qmp; /* sockets */
	char **run;            /* a QEMU command to start; NULL: none */
	const char *raw, *dump;
	uint64_t cr3, kernel_root, offset;
	bool have_cr3, have_kernel_root, have_offset, five_levels;
	enum when when;
	unsigned delay, timeout; /* seconds */
	unsigned samples, boots;
	const char *preset, *allow, *baseline, *symbols;
	const char *svg, *html;
	const char *diff[2]; /* two reports to compare, and nothing else */
	bool explain, json, all, accept_unknown;
	uint64_t explain_va;
};

/* Fills o; -1: go on, else the exit code. */
int options_parse(struct options *o, int argc, char **argv);

/* ---- rules.c ----------------------------------------------------------------------------- */

struct kaiser_allowed;

struct rules {
	struct kaiser_allowed *rule;
	size_t count;
};

/* The user's own allow-list; -1 and a sentence. */
int rules_read(struct rules *r, const char *path, const struct symbols *s, char *error,
	       size_t size);
void rules_free(struct rules *r);

/* ---- places.c ---------------------------------------------------------------------------- */

struct kaiser_machine;

struct places {
	bool looked;
	uint64_t image_start, image_end; /* both 0: not found; likewise */
	uint64_t direct_start, direct_end;
};

/* In the kernel's root, which must be known. */
void places_find(struct places *p, const struct kaiser_machine *m, const struct symbols *symbols);
/* Where the ranges begin that the user root maps for the kernel, ascending; their number. */
size_t places_visible(const struct kaiser_machine *m, uint64_t *list, size_t max);

/* ---- processes.c ------------------------------------------------------------------------- */

struct processes;
struct process;

/* Notes what the CPUs that are in user mode have in their registers. *all is made at need. */
void processes_look(struct processes **all, struct source *s);
const struct process *processes_own(const struct processes *all, struct source *s, unsigned cpu);
unsigned processes_on(const struct processes *all, unsigned cpu); /* how many were seen there */
/* Whether a process other than `own` had that value, and `own` nothing near it. */
bool processes_others(const struct processes *all, const struct process *own, uint64_t v);

/* ---- judge.c ----------------------------------------------------------------------------- */

#define CPU_WORDS (SOURCE_CPUS / 64)

/* A finding, and where it was seen. */
struct record {
	const char *check;
	int severity; /* enum kaiser_severity */
	uint64_t start, end, value;
	unsigned rights;
	char text[200]; /* without the check's name */
	uint64_t cpu[CPU_WORDS];
	unsigned seen;
};

struct range {
	uint64_t start, end;
	unsigned rights;
	char name[64]; /* what the CPU needs there, or ""; "allowed: X" by a rule */
	uint64_t cpu[CPU_WORDS];
};

/* A part of the kernel half that the kernel's root maps, with small holes or none. */
struct region {
	uint64_t start, end, pages;
};

#define REGIONS_MAX 64

struct totals {
	uint64_t pages, writable, executable, writable_executable, global;
};

/* An entry into the kernel that was watched: entry.c. */
struct entry {
	uint64_t user_cr3, kernel_cr3; /* equal: the kernel goes on under user mode's root */
	unsigned steps;
};

#define BOOTS_MAX 64
#define VISIBLE   4096 /* places of one boot that are compared */

struct judgement {
	const struct options *options;
	struct source *source;
	const struct rules *rules;
	struct symbols *symbols;
	struct places places;
	struct processes *processes;
	/* Of the boots before this one; [0] is filled in for each CPU that is judged. */
	struct kaiser_boot *boot;
	unsigned boots;
	struct record *record;
	size_t records, record_space;
	struct range *range;
	size_t ranges;
	unsigned *bucket;                  /* hash table: place in range[] + 1; 0: free */
	struct region region[REGIONS_MAX]; /* of the first CPU judged, for pictures */
	size_t regions;
	bool compared;      /* processes, on some CPU */
	bool overflow;      /* more than are kept */
	struct totals most; /* of any CPU and sample */
	unsigned samples[SOURCE_CPUS];
	unsigned total_samples;
	uint64_t bits32[CPU_WORDS]; /* CPUs seen in 32-bit code */
	uint64_t last_cr3[SOURCE_CPUS], last_kernel_root[SOURCE_CPUS];
	uint64_t root[256]; /* every root ever seen */
	unsigned roots;
	uint64_t kernel_root[64]; /* seen in kernel code that had interrupts on */
	unsigned kernel_roots;
	struct {
		uint64_t cr3; /* 0: none yet */
		unsigned cpu;
	} kernel_cr3[256]; /* values of CR3 seen at CPL 0; the latest */
	unsigned kernel_cr3s;
	uint64_t user_root[256]; /* under which a CPU was seen at CPL 3 */
	unsigned user_roots;
	uint64_t lstar[SOURCE_CPUS]; /* where SYSCALL was seen to lead; 0: not seen */
	struct entry entry[64];      /* that were watched */
	unsigned entries;
	uint64_t code[64]; /* gate targets and the like, for symbols.c */
	unsigned codes;
};

/* Notes what the CPUs' registers tell about roots. At every stop. */
void judge_look(struct judgement *j);
/* Finds by how far the kernel was moved; false if that cannot be told, or there are none. */
bool judge_place_symbols(struct judgement *j);
/* Whether the kernel's root that goes with that CPU's is known. */
bool judge_knows_root(struct judgement *j, unsigned cpu);
void judge_take_entry(struct judgement *j, const struct entry *e);
/* Judges one CPU as it stands. -1: out of memory. */
int judge_cpu(struct judgement *j, unsigned cpu);
/* Puts the ranges in order of address, when all are in. */
void judge_sort(struct judgement *j);
void judge_free(struct judgement *j);
/* Of a check: the worst severity found, or -1 if nothing was. */
int judge_worst(const struct judgement *j, const char *check);
/* The walk of one address in both roots, as text. */
void judge_explain(struct judgement *j, unsigned cpu, uint64_t va, const struct symbols *s,
		   char *buf, size_t size);

/* ---- entry.c ----------------------------------------------------------------------------- */

/* Lets a stopped guest run until it enters the kernel. 1: *e is filled in; 0: nothing was seen;
 * -1: the guest is gone. It is stopped again, somewhere else. */
int entry_watch(struct judgement *j, unsigned cpu, struct entry *e);
/* Likewise, until a program calls by SYSCALL: j->lstar of the CPU that did. */
int entry_find_lstar(struct judgement *j, unsigned cpu);

/* ---- machine.c --------------------------------------------------------------------------- */

struct machine;

/* What verify.c is told of one CPU. Freed by machine_free(); NULL: out of memory. */
struct machine *machine_of(struct judgement *j, unsigned cpu);
void machine_free(struct machine *x);
const struct kaiser_machine *machine_facts(const struct machine *x);

/* ---- preset.c ---------------------------------------------------------------------------- */

bool preset_exists(const char *name);
uint64_t preset_switch_bit(const char *name);
/* What is known of kernels of that kind about this place, or NULL. */
const char *preset_range(const char *preset, uint64_t start, uint64_t end, unsigned rights);
const char *preset_check(const char *preset, const char *check);

/* ---- report*.c --------------------------------------------------------------------------- */

enum verdict { VERDICT_CLEAN, VERDICT_FINDINGS, VERDICT_UNDECIDED };

struct verdict_line {
	enum verdict verdict;
	char text[500];
};

struct baseline {
	bool used;
	unsigned grown;
	char text[400]; /* what grew */
};

/* -1 and a sentence. */
int baseline_compare(struct baseline *b, const char *path, const struct judgement *j, char *error,
		     size_t size);
/* `missing`: why not all was looked at, or "". */
void verdict_of(struct verdict_line *v, const struct judgement *j, const struct baseline *b,
		const char *missing);
void report_people(const struct judgement *j, const struct symbols *s, const struct verdict_line *v,
		   const char *explanation);
int report_json(const struct judgement *j, const struct symbols *s, const struct verdict_line *v,
		const char *explanation);
/* diff.c: what differs between two reports by --json. 0 nothing, 1 something, 2 they cannot be
 * read. */
int diff_reports(const char *a, const char *b);
/* picture.c; -1 if it cannot be written. */
int picture_svg(const char *path, const struct judgement *j, const struct symbols *s,
		const struct verdict_line *v);
int picture_html(const char *path, const struct judgement *j, const struct symbols *s,
		 const struct verdict_line *v);
const char *severity_name(int severity);
/* The state of a check: severity_name(), or that nobody asked for what it needs. */
const char *state_of(const struct judgement *j, const char *check);
/* `kaslr` needs several boots, `residue` several samples: whether they were asked for. */
bool judge_asked(const struct judgement *j, const char *check);
/* "0-3,7" */
void cpu_list(const uint64_t *set, char *buf, size_t size);
/* "r-x", and u, g where they apply. */
void rights_text(unsigned rights, char *buf);

#endif
