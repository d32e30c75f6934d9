/* SPDX-License-Identifier: MIT */
/* What the files of the check table share. They include nothing of the library but this, pte.h and
 * the public header: tools build them for a host of their own. */
#ifndef KAISER_VERIFY_INTERNAL_H
#define KAISER_VERIFY_INTERNAL_H

#include <kaiser/verify.h>

#include "pte.h"

#define PAGE UINT64_C(0x1000)

/* Findings of one kind that are reported one by one; the rest is counted. */
#define REPORT_MAX 16

struct kaiser_run {
	const struct kaiser_machine *m;
	const struct kaiser_sink *sink;
	const struct kaiser_check *check;
	int errors;
};

static inline bool same_name(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static inline bool known(const struct kaiser_machine *m, unsigned what)
{
	return (m->known & what) == what;
}

/* verify_walk.c */
uint64_t kaiser_root_of(uint64_t cr3);
bool kaiser_nx_usable(const struct kaiser_machine *m);
/* A leaf that the kernel owns: see struct kaiser_totals. */
bool kaiser_is_visible(const struct kaiser_machine *m, const struct kaiser_visit *v);
bool kaiser_kernel_address(const struct kaiser_machine *m, uint64_t va);
bool kaiser_canonical(const struct kaiser_machine *m, uint64_t va);
uint64_t kaiser_table_address(const struct kaiser_machine *m, uint64_t entry);
/* n bytes at va as `root` maps them; false if any of it is not mapped or cannot be read. */
bool kaiser_read_virtual(const struct kaiser_machine *m, uint64_t root, uint64_t va, void *buf,
			 size_t n);

/* verify.c */
void kaiser_report(struct kaiser_run *r, const struct kaiser_finding *f);
/* A finding of no particular place. */
void kaiser_report_text(struct kaiser_run *r, enum kaiser_severity severity, const char *text,
			uint64_t number);
/* At [start, end), of severity r->check->severity. */
void kaiser_report_at(struct kaiser_run *r, uint64_t start, uint64_t end, unsigned rights,
		      const char *text);

/* Joins neighbours: call kaiser_merge_add() in order of address, kaiser_merge_end() last. */
struct merge {
	struct kaiser_run *r;
	enum kaiser_severity severity;
	const char *text;
	uint64_t start, end, number;
	unsigned rights;
	const char *name;
};
void kaiser_merge_add(struct merge *g, uint64_t start, uint64_t end, unsigned rights,
		      uint64_t number, const char *name);
void kaiser_merge_end(struct merge *g);

/* The checks: verify_tables.c */
void kaiser_check_tables(struct kaiser_run *r);
void kaiser_check_wx(struct kaiser_run *r);
void kaiser_check_user_bit(struct kaiser_run *r);
void kaiser_check_foreign(struct kaiser_run *r);
void kaiser_check_not_present(struct kaiser_run *r);
void kaiser_check_self_map(struct kaiser_run *r);
void kaiser_check_direct_map(struct kaiser_run *r);
void kaiser_check_readable(struct kaiser_run *r);
/* verify_roots.c */
void kaiser_check_isolated(struct kaiser_run *r);
void kaiser_check_allowlist(struct kaiser_run *r);
void kaiser_check_same_va_same_pa(struct kaiser_run *r);
void kaiser_check_nx_poison(struct kaiser_run *r);
void kaiser_check_sync(struct kaiser_run *r);
/* verify_cpu.c */
void kaiser_check_sufficient(struct kaiser_run *r);
void kaiser_check_ldt(struct kaiser_run *r);
/* verify_pointers.c */
void kaiser_check_pointers(struct kaiser_run *r);
/* verify_tlb.c */
void kaiser_check_global(struct kaiser_run *r);
void kaiser_check_pcid(struct kaiser_run *r);
/* verify_compare.c */
void kaiser_check_kaslr(struct kaiser_run *r);
void kaiser_check_residue(struct kaiser_run *r);

#endif
