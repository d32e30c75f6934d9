/* SPDX-License-Identifier: MIT */
/* kaiser storm: what its files share. main.c tells how they work together. */
#ifndef TOOLS_STORM_H
#define TOOLS_STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../lib/gdbstub.h"
#include "../lib/place.h"
#include "../lib/symbols.h"

#define MAX_PATHS    64
#define MAX_EVENTS   16
#define MAX_CONFIGS  8
#define MAX_RANGES   8
#define EVENT_RANGES 4
#define MAX_CALLS    4
#define MAX_DEPTH    3
#define MAX_STEPS    65536
#define TEXT         256

int storm_main(int argc, char **argv);

/* ---- config.c: the file of paths ---------------------------------------------------------- */

struct storm_range {
	char from[64], to[64]; /* symbols or numbers */
};

/* Where CPL 0 code runs, as far as what it may believe of GS and CR3 differs. */
enum { CONTEXT_PLAIN, CONTEXT_EXCEPTION, CONTEXT_NMI, CONTEXTS };

#define STATE(kernel_gs, kernel_cr3) (2 * !!(kernel_gs) + !!(kernel_cr3))

/* What can happen to a CPU between two instructions. */
struct storm_event {
	char name[32];
	char command[4][96]; /* of QEMU's monitor, all at the same instruction */
	unsigned commands;
	int msi;       /* data of a message to the local APIC, or -1 */
	char word[64]; /* symbol of the program: the address of a breakpoint goes there */
	int vector;    /* whose gate it takes, or -1 */
	int behind;    /* another event that it brings, whose gate may be taken first, or -1 */
	uint8_t calls[MAX_CALLS]; /* how often it makes the kernel count each of its calls */
	bool bochs;               /* Bochs's debugger can make it */
	bool blocks;              /* an NMI: blocked until an IRET */
	bool pends;               /* it waits for interrupts to be on */
	bool unblocks;            /* its handler ends the blocking of NMIs by an IRET */
	char append[96];          /* what the kernel has to be told for it */
	struct storm_range only[EVENT_RANGES]; /* of the entry code: nowhere else can it be stood */
	unsigned onlys;                        /* 0: everywhere */
};

struct storm_path {
	char name[48], start[64], end[64], select[64];
	char trigger[32]; /* event given at the start */
	char append[96];
	bool bochs_only, qemu_only;
	bool whole; /* C code it goes through faults, or does not return: its stack may move */
	char why[TEXT];
};

struct storm_setup {
	char name[32], append[160];
	uint8_t allowed[CONTEXTS][2]; /* states that the design allows, NMIs open and blocked: bit
				       * STATE(gs, cr3) */
	bool told;                    /* they are */
};

struct storm_config {
	struct storm_path path[MAX_PATHS];
	unsigned paths;
	struct storm_event event[MAX_EVENTS];
	unsigned events;
	struct storm_setup setup[MAX_CONFIGS];
	unsigned setups;
	struct storm_range entry[MAX_RANGES]; /* of the kernel: where points are */
	unsigned entries;
	char anchor[64]; /* symbol of a gate, which tells how far the code was moved */
	unsigned anchor_vector;
	uint64_t image_offset; /* of the rest of the kernel, for names in messages */
	/* Bytes of the entry page, from the kernel's GS base: what user mode can read, and what of
	 * it must be as without the event. */
	uint64_t visible[2], wiped[2];
	char call[MAX_CALLS][64]; /* the kernel's counters of its handlers' calls */
	unsigned calls;
	char loop[64], select[64]; /* of the program */
	char ignore[MAX_RANGES][64];
	unsigned ignores;
	char forbid[4][64]; /* words on the serial line that are a failure */
	unsigned forbids;
	char qemu[16][96]; /* more arguments */
	unsigned qemus;
};

int storm_config_read(struct storm_config *c, const char *path, char *error, size_t size);

/* ---- options.c ---------------------------------------------------------------------------- */

enum storm_mode { MODE_NONE, MODE_LOG, MODE_LINEAR, MODE_EXHAUSTIVE, MODE_LIST };

struct storm_points {
	enum storm_mode mode;
	unsigned step;
	unsigned *list, count;
	bool levels; /* of the list: one step for each outer event */
};

struct storm_options {
	const char *kernel, *program, *paths, *initrd, *append;
	const char *path, *setup; /* regular expressions */
	const char *events;       /* "nmi,mce,nmi>nmi" */
	struct storm_points points, outer;
	unsigned shard, shards;
	unsigned max_failures;
	int timeout; /* ms for the guest to come back */
	bool json, no_count, list;
	char **qemu;               /* more arguments, behind -- */
	char place[2][PLACE_SIZE]; /* of program and paths, if they are this command's own */
};

/* -1: go on, else the exit code. */
int storm_options(struct storm_options *o, int argc, char **argv);
/* Is this one to be swept? Its number among the points, and among the path's steps. */
bool storm_chosen(const struct storm_points *p, unsigned index, unsigned step);

/* ---- image.c: names, lines and memory of the kernel's and the program's ELF file ----------- */

struct json_t;

struct storm_image;

struct storm_image *storm_image_open(const char *path, char *error, size_t size);
void storm_image_close(struct storm_image *i);
/* A symbol or a number; false if neither. Without any offset. */
bool storm_image_find(const struct storm_image *i, const char *name, uint64_t *va);
/* "symbol+0x12 (file.S:34)" of an address as linked; cut to size. */
void storm_image_place(const struct storm_image *i, uint64_t va, char *buf, size_t size);
/* A byte of code as linked; -1. */
int storm_image_byte(const struct storm_image *i, uint64_t va);
/* Where the ELF file says that an address as linked lies in memory; false if nowhere. */
bool storm_image_physical(const struct storm_image *i, uint64_t va, uint64_t *pa);
/* The writable part that is loaded; how many ranges, at most max. */
unsigned storm_image_data(const struct storm_image *i, uint64_t (*range)[2], unsigned max);

int storm_initrd(const char *to, const char *program); /* cpio.c; -1: errno */

/* ---- machine.c: registers ----------------------------------------------------------------- */

enum { SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEGS };

struct storm_regs {
	uint64_t gpr[16]; /* rax rbx rcx rdx rsi rdi rbp rsp r8... */
	uint64_t rip, flags, seg[SEGS];
	uint64_t fs_base, gs_base, kernel_gs, cr0, cr2, cr3, cr4, efer;
	uint64_t fpu[48]; /* x87, SSE and MXCSR, as the stub has them */
};

#define GPR_RSP    7
#define FLAG_RF    UINT64_C(0x10000)
#define FLAG_IF    UINT64_C(0x200)
#define CR3_SWITCH UINT64_C(0x1000)

bool storm_regs_parse(struct storm_regs *r, const char *hex);
/* The first difference in words; 0: none. */
bool storm_regs_differ(const struct storm_regs *got, const struct storm_regs *want,
		       const struct storm_regs *noise, char *what, size_t size);
/* Marks in noise what two undisturbed runs disagree about. */
void storm_regs_noise(struct storm_regs *noise, const struct storm_regs *a,
		      const struct storm_regs *b);

/* ---- guest.c: QEMU ------------------------------------------------------------------------ */

struct storm_guest {
	struct gdb g;
	int pid;
	char dir[64], gdb_path[96], serial[96], log[96], initrd[96], trace_path[96];
	struct storm_trace *trace; /* shared with the plugin; NULL: there is none */
	uint64_t moved;            /* how far the entry code was moved */
	uint64_t entry[MAX_RANGES][2];
	unsigned entries;
	uint64_t gate[256];
	bool stopped;
	char error[300];
};

struct storm;
int storm_guest_open(struct storm *s, const struct storm_setup *setup, const char *append);
void storm_guest_close(struct storm *s);
bool storm_guest_says(struct storm *s, char *line, size_t size); /* a forbidden word */

/* ---- record.c: the path, as it is without the event to be swept ---------------------------- */

struct storm_step {
	uint64_t rip, rsp, cr3, gs, flags;
	uint8_t cpl;
	bool entry;     /* in the entry code */
	bool blocked;   /* NMIs are */
	uint8_t inside; /* 0 an ordinary path, else the vector of the IST event at CPL 0 */
	int32_t via;    /* the step to stop at before this one can be waited for; -1: none */
	uint16_t stops; /* how many in all */
	bool by_step;   /* one step from via */
};

/* A way from the path's start to its end: undisturbed, or with an event at a step of another way.
 */
struct storm_run {
	const struct storm_path *path;
	struct storm_run *outer; /* NULL: undisturbed, but for the path's trigger */
	const struct storm_event *fixed;
	unsigned at;             /* the outer one's step at which the fixed event comes */
	struct storm_step *step; /* from the start, or from the fixed event on */
	unsigned steps;
};

int storm_record(struct storm *s, struct storm_run *run);

/* ---- count.c: the same path, by a plugin in QEMU ------------------------------------------- */

int storm_count_open(struct storm_guest *g); /* -1: errno */
void storm_count_close(struct storm_guest *g);
/* Instructions of entry code and user mode on the path; -1. If they are not those of the log, in
 * their order, that is told as a failure. */
int storm_count(struct storm *s, struct storm_run *run);

/* ---- inject.c ----------------------------------------------------------------------------- */

struct storm_memory {
	uint64_t range[MAX_RANGES][2];
	unsigned ranges;
	uint8_t *want, *noise, *got;
	size_t size;
	uint64_t residue; /* address of the entry page */
	uint8_t page[4096], page_noise[4096];
	uint8_t left[4096]; /* what the outer events alone leave there */
	uint64_t calls[MAX_CALLS];
};

struct storm_baseline {
	struct storm_regs end, noise;
	struct storm_memory memory;
};

/* An undisturbed run's end, three times. */
int storm_baseline(struct storm *s, const struct storm_path *path);
/* One point: 0 as it should, 1 a failure (in s->what), 2 the guest or QEMU is gone. */
int storm_point(struct storm *s, const struct storm_run *run, const struct storm_event *event,
		unsigned k);
/* From home by the outer events to step k, or as far as these if that is UINT32_MAX; 0, 1 it did
 * not come, 2. */
int storm_go(struct storm *s, const struct storm_run *run, unsigned k);
int storm_home(struct storm *s);
const struct storm_event *storm_event(const struct storm_config *c, const char *name);

/* ---- look.c ------------------------------------------------------------------------------- */

/* Registers into s->here, the program's memory and the entry page to these. 0, 2. */
int storm_look(struct storm *s, uint8_t *memory, uint8_t *page);
/* At home: the entry page, and how often the kernel's handlers ran since the last time. */
int storm_look_at_page(struct storm *s, uint8_t *page);
/* What is not as it should be is told in s->what. */
bool storm_memory_differs(struct storm *s);
bool storm_page_differs(struct storm *s, const uint8_t *page);
bool storm_page_tells(struct storm *s, const uint8_t *page);
/* At home after a recorded run: keeps what outer events that hit user mode left in the entry page,
 * that mode's own values. 0, 2. */
int storm_outer_page(struct storm *s, const struct storm_run *run);

/* A word of memory in the stub's answer. */
uint64_t storm_word(const char *hex);

/* ---- calls.c: how often the kernel's handlers ran ------------------------------------------ */

void storm_calls_clear(struct storm *s); /* with the next batch */
/* The packets that ask, and what they are answered from `first` on. */
void storm_calls_ask(struct storm *s);
void storm_calls_told(struct storm *s, unsigned first);
bool storm_calls_differ(struct storm *s, const struct storm_run *run, const struct storm_event *e);

/* ---- talk.c: batches of packets ------------------------------------------------------------ */

void storm_say(struct storm *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void storm_say_monitor(struct storm *s, const char *command);
void storm_say_event(struct storm *s, const struct storm_event *e);
int storm_send(struct storm *s); /* as gdb_batch() */
/* The same, and the registers into s->here; 2: they cannot be had. */
int storm_registers(struct storm *s);

/* ---- states.c ------------------------------------------------------------------------------ */

struct storm_states {
	uint64_t count[CONTEXTS][4][2]; /* context, STATE(), NMIs blocked */
};

void storm_states_add(struct storm *s, const struct storm_run *run);
/* As a table, or into the JSON; the number of states that must not be met and were, and if all were
 * to be met, of those that were not. */
unsigned storm_states_report(struct storm *s, bool all);

/* ---- report.c ------------------------------------------------------------------------------ */

struct storm_total {
	/* Events: taken at their point; later; a breakpoint that the path disarmed, or that broke
	 * in the call that armed it. Points that only a new guest came to. */
	unsigned points, exact, later, disarmed, before, failed, retried, paths;
};

/* Why an instruction of a path is no point of a sweep. */
enum storm_left {
	NOT_LEFT,
	LEFT_OUTSIDE, /* breakpoints: user mode's or C's, not the entry code's */
	LEFT_AGAIN,   /* breakpoints: an address that has been a point */
	LEFT_DEBUG,   /* breakpoints: where a #DB is handled with DR7 in force */
	LEFT_OUTER,   /* breakpoints: where an outer event is given */
	LEFT_ONLY,    /* the event's `only` */
	LEFT_MODE,    /* --mode, --points, --shard */
	LEFT_KINDS,
};

/* One event over one path: every instruction is a point or left out, every point came to something.
 */
struct storm_swept {
	unsigned points, reached, failures;
	unsigned left[LEFT_KINDS];
	struct storm_total before; /* the totals when it began */
};

/* "symbol+0x12 (file:34)" of an address in the guest. */
void storm_place(struct storm *s, uint64_t rip, char *buf, size_t size);
void storm_progress(struct storm *s, const char *what, unsigned done, unsigned all);
/* e: NULL for a path that fails without any event. */
void storm_failure(struct storm *s, struct storm_run *run, const struct storm_event *e, unsigned k);
void storm_path_done(struct storm *s, const struct storm_run *run, const char *event,
		     const struct storm_swept *w, int independent);
void storm_report(struct storm *s, double seconds);
/* A list of the JSON that is printed at the end. */
struct json_t *storm_list(struct storm *s, const char *name);

/* ---- all of it ----------------------------------------------------------------------------- */

struct storm {
	struct storm_options o;
	struct storm_config c;
	struct storm_image *kernel, *program;
	struct storm_guest guest;
	const struct storm_setup *setup;
	const char *append;
	char selected[64];
	struct storm_baseline base;
	struct storm_states states;
	struct storm_total total;
	struct storm_regs here; /* of the last stop */
	char packet[GDB_BATCH][200];
	unsigned packets;
	const char *armed_word; /* of the program, for an address to break at */
	uint64_t armed;
	uint64_t calls[MAX_CALLS]; /* since the last way from home */
	bool reached;              /* the last point was */
	bool broke_early;          /* the breakpoint, in the call that armed it */
	bool drifted;              /* it was not: the path goes by other addresses by now */
	char what[600];            /* of the last failure */
	char event[64];            /* what is being swept, for replay */
	struct json_t *json;
};

#endif
