/* SPDX-License-Identifier: MIT */
/*
 * The check table: what must hold of the page tables under which user mode runs, as named checks
 * over a walk. The kernel that embeds libkaiser runs them on itself with kaiser_verify(); a tool
 * runs the same code on somebody else's kernel from outside. So the checks read memory through a
 * callback only and know of the machine no more than they are told: a check whose facts are not
 * known says so, and is never silently passed.
 *
 * Nothing here allocates, waits, or needs more than 6 KiB of stack; whatever the tables hold, every
 * function ends (table_limit) and reads only through the callback.
 */
#ifndef KAISER_VERIFY_H
#define KAISER_VERIFY_H

#include <kaiser/kaiser.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is known of one CPU ------------------------------------------------------------ */

/* Rights of a page: what walking to it grants. Readable it is if it is present. */
enum {
	KAISER_MAY_WRITE = 1,
	KAISER_MAY_EXEC = 2,
	KAISER_MAY_USER = 4, /* user mode itself may access it */
	KAISER_IS_GLOBAL = 8,
};

/* Supervisor memory [start, end) that a user root is allowed to map, with these rights at most. */
struct kaiser_allowed {
	uint64_t start, end;
	unsigned rights;
	bool two_views; /* the two roots map different frames here, and must */
	bool optional;  /* may be absent */
	bool users;     /* holds what the program chose: not searched for pointers */
	const char *name;
};

enum kaiser_known {
	KAISER_KNOWN_CR3 = 1u << 0, /* the CR3 value under which user mode runs */
	KAISER_KNOWN_KERNEL_ROOT = 1u << 1,
	KAISER_KNOWN_CR4 = 1u << 2,
	KAISER_KNOWN_EFER = 1u << 3,
	KAISER_KNOWN_IDT = 1u << 4,
	KAISER_KNOWN_GDT = 1u << 5,
	KAISER_KNOWN_TR = 1u << 6,
	KAISER_KNOWN_LSTAR = 1u << 7,
	KAISER_KNOWN_CSTAR = 1u << 8,
	KAISER_KNOWN_SYSENTER = 1u << 9, /* CS and EIP */
	KAISER_KNOWN_WINDOW = 1u << 10,  /* window_start, window_end */
	KAISER_KNOWN_ALLOWED = 1u << 11,
	KAISER_KNOWN_GS = 1u << 12,
	KAISER_KNOWN_KERNEL_CR3 = 1u << 13, /* kernel_cr3 */
	KAISER_KNOWN_IMAGE = 1u << 14,      /* image_start, image_end */
	KAISER_KNOWN_DIRECT = 1u << 15,     /* direct_start, direct_end */
	KAISER_KNOWN_LDT = 1u << 16,        /* ldt_base, ldt_limit */
};

/* What one boot of a kernel showed, for `kaslr`: it compares several. */
struct kaiser_boot {
	uint64_t image;          /* where the kernel's image begins; 0: not known */
	uint64_t direct_map;     /* where physical memory is mapped; 0: not known */
	const uint64_t *visible; /* where the ranges begin that user mode's root maps, ascending */
	size_t count;
};

struct kaiser_machine {
	unsigned known; /* which of the following hold anything: enum kaiser_known */
	uint64_t cr3;   /* user root and whatever else CR3 carries */
	uint64_t kernel_root;
	uint64_t kernel_cr3; /* what CR3 holds while the kernel runs, low bits and all */
	uint64_t switch_bit; /* set in cr3 if a user root is loaded; 0: this kernel has none such */
	uint64_t cr4, efer;
	uint64_t idt_base, gdt_base, tr_base;
	uint32_t idt_limit, gdt_limit, tr_limit; /* inclusive, as the CPU has them */
	uint64_t ldt_base;                       /* 0: LDTR is empty */
	uint32_t ldt_limit;
	uint64_t lstar, cstar, sysenter_eip;
	uint16_t sysenter_cs;
	uint64_t gs_base, kernel_gs_base;
	uint64_t window_start, window_end; /* addresses in here are no secret to user mode */
	/* Bytes that hold the values of whatever thread or event runs. `pointers` leaves them out:
	 * user mode chooses them, so one that equals a kernel address is no proof of a leak, and to
	 * report it would tell user mode which of its guesses are right. Both 0: search everything,
	 * right when the machine is stopped and what it holds of user mode is known. */
	uint64_t live_start, live_end;
	const struct kaiser_allowed *allowed;
	size_t allowed_count;

	/* Where the kernel's own code and data lie, and where it maps all physical memory: what
	 * KASLR hides. */
	uint64_t image_start, image_end;
	uint64_t direct_start, direct_end;
	const struct kaiser_boot *boots; /* the first is this one; fewer than 2: not compared */
	size_t boot_count;

	unsigned pa_bits;   /* MAXPHYADDR; 0: not known, 52 */
	uint64_t ram_pages; /* of physical memory; 0: not known */
	uint64_t enc_mask;  /* address bits that mean memory encryption, not an address */
	/* The tables of the user half stand still: walk them too. Else only their top level is
	 * looked at, since a live kernel may free what lies below meanwhile. */
	bool user_half_stable;
	/* Somebody else's kernel, seen from outside. What its user root maps is no secret, wherever
	 * it lies; and what only libkaiser promises (nothing global, equal rights) is looked at for
	 * what harm it does. */
	bool foreign_kernel;
	unsigned table_limit; /* tables visited in one walk; 0: 65536 */
	unsigned scan_limit;  /* pages searched for pointers; 0: 4096 */

	void *ctx;
	/* n bytes at physical address pa, never across a page. 0, or anything else if there is no
	 * such memory. */
	int (*read)(void *ctx, uint64_t pa, void *buf, size_t n);
	/* Whether the page at pa is a top-level table of anybody. NULL: only the two above are. */
	bool (*is_root)(void *ctx, uint64_t pa);
	/* Whether the page at pa belongs to another CPU alone. NULL: not known. */
	bool (*is_foreign)(void *ctx, uint64_t pa);
	/* Whether another process held this value, and the one that runs never did. NULL: not
	 * known. */
	bool (*is_others)(void *ctx, uint64_t value);
	/* Whether the n bytes of visible code at va are what they would be wherever the kernel lay,
	 * so that they cannot tell its place. NULL: not known. Then bytes that look like a branch
	 * into the kernel are a warning only: some of any code does, by chance. */
	bool (*is_constant)(void *ctx, uint64_t va, unsigned n);
};

/* ---- findings ---------------------------------------------------------------------------- */

enum kaiser_severity {
	KAISER_INFO,
	KAISER_UNKNOWN, /* could not be checked, wholly or in part */
	KAISER_WARNING,
	KAISER_ERROR,
};

struct kaiser_check;

struct kaiser_finding {
	const struct kaiser_check *check;
	enum kaiser_severity severity;
	uint64_t start, end; /* virtual addresses; both 0: of no particular place */
	unsigned rights;     /* of that range, where it is mapped memory */
	uint64_t value;      /* the pointer, the entry or the address found there; 0: none */
	const char *text;    /* one clause, static; a # stands for number */
	uint64_t number;
	const char *name; /* of the allowed range or the table concerned, or NULL */
};

/* Writes a finding as one line: "<check>: <text>", and " (<name>)" if there is a name; no address
 * in it. Returns the length; always terminated if n > 0. any. */
size_t kaiser_finding_text(const struct kaiser_finding *f, char *buf, size_t n);

struct kaiser_sink {
	void *ctx;
	void (*finding)(void *ctx, const struct kaiser_finding *f);
};

/* ---- the table --------------------------------------------------------------------------- */

struct kaiser_run;

struct kaiser_check {
	const char *name;
	enum kaiser_severity severity; /* the worst it reports */
	const char *sentence;          /* what it asserts */
	void (*fn)(struct kaiser_run *run);
	unsigned needs; /* enum kaiser_known: without all of these it reports KAISER_UNKNOWN */
};

/* The checks, in the order in which they run; their number goes to *n. Static. any. */
const struct kaiser_check *kaiser_checks(size_t *n);

/* Runs all checks, or the one named `only`. Returns the number of KAISER_ERROR findings;
 * KAISER_E_ARG if there is no such check or m has no reader. any. */
int kaiser_check_run(const struct kaiser_machine *m, const struct kaiser_sink *sink,
		     const char *only);

/* ---- the walk, for tools of their own ---------------------------------------------------- */

enum kaiser_visit_kind {
	KAISER_VISIT_TABLE, /* present, leads to a table */
	KAISER_VISIT_LEAF,
	KAISER_VISIT_NOT_PRESENT, /* but not zero */
	KAISER_VISIT_RESERVED,    /* a reserved bit is set: the CPU would raise #PF */
	KAISER_VISIT_BEYOND,      /* an address beyond the physical bits */
	KAISER_VISIT_UNREADABLE,  /* leads to a table that cannot be read */
	KAISER_VISIT_LOOP,        /* leads to a table it was reached through; not followed */
	KAISER_VISIT_LIMIT,       /* too many tables; the walk ends */
};

struct kaiser_visit {
	enum kaiser_visit_kind kind;
	unsigned level;    /* of the entry: 0 is the lowest, 4K leaves */
	uint64_t va, size; /* what the entry spans */
	uint64_t entry;
	uint64_t pa;     /* of the page, or of the table it leads to */
	unsigned rights; /* granted by this entry and all above it */
};

/* Nonzero ends the walk. */
typedef int (*kaiser_visit_fn)(void *arg, const struct kaiser_visit *v);

enum kaiser_half { KAISER_USER_HALF = 1, KAISER_KERNEL_HALF = 2, KAISER_BOTH_HALVES = 3 };

/* All entries but zero ones, in order of address. top_only: not below the top level. Returns what
 * the callback did, or 0. */
int kaiser_walk(const struct kaiser_machine *m, uint64_t root, enum kaiser_half half, bool top_only,
		kaiser_visit_fn fn, void *arg);

/* The walk to one address: true if it is mapped, and *v is its leaf; else *v is where it ended. */
bool kaiser_translate(const struct kaiser_machine *m, uint64_t root, uint64_t va,
		      struct kaiser_visit *v);

/* Levels of page tables: 4 or 5, by CR4; 4 if that is not known. any. */
unsigned kaiser_levels(const struct kaiser_machine *m);

/* Pages of 4 KiB that the user root maps for the kernel's use: all in the kernel half, and those
 * without the user bit in the user half. Measured by a walk. */
struct kaiser_totals {
	uint64_t pages, writable, executable, writable_executable, global;
	bool complete; /* all of it could be walked */
};
void kaiser_totals(const struct kaiser_machine *m, struct kaiser_totals *t);

/* ---- the library looks at itself ---------------------------------------------------------- */

/* Runs the table on every CPU that has entered, with the roots its next exit to user mode loads.
 * One line a finding and one a CPU, without addresses unless built with KAISER_DEBUG. Other CPUs
 * may run and switch spaces meanwhile. The part of the entry page that holds the running thread's
 * values is searched for pointers only on the calling CPU and before there is any space: afterwards
 * that is left to a look from outside, as are `kaslr` and `residue`, which compare boots and
 * processes. Returns the number of errors, or KAISER_E_ARG. Where
 * isolation is off by policy it says so in one line and returns 0; of a CPU that runs a space which
 * opted out, in a line of its own. Not while kaiser_set_mode() or kaiser_space_isolate() runs.
 * task, boot. */
int kaiser_verify(struct kaiser *k, void (*line)(void *arg, const char *text), void *arg);

#ifdef __cplusplus
}
#endif

#endif
