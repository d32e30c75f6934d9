/* SPDX-License-Identifier: MIT */
/*
 * A real machine's run, followed from a Bochs trace, on the caches of the flush model (tlb.h). A
 * real CPU may have kept every entry that was ever walked to and not invalidated since; so each
 * walk's entries are put into an infinite, PCID-tagged cache, and each page-table entry they came
 * from is remembered with its value, which later writes change.
 *
 * A stale use is an entry that a CPU could use although the entry in memory it came from has
 *changed since (other frame, fewer rights, not present, memory used for something else): access
 *user or kernel code accesses an address that such an entry translates load	CR3 is written, and
 *such an entry is under the PCID that is then current flush	a CPU comes back from one of the
 *library's flushes, and some CPU still has such an entry under its current PCID Excused while the
 *CPU that changed it has not come back from a flush, or from a switch of spaces, since; and
 *translations of user memory under a kernel PCID while a CPU is lazy.
 */
#ifndef TRACE_FOLLOW_H
#define TRACE_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "tlb.h"

#define TRACE_CPUS 8

struct counts {
	uint64_t insns, kernel, accesses, walks, cr3, cr3_kept, cr4, invlpg, invpcid, ipis, irets;
	uint64_t user_roots; /* CR3 writes that loaded one */
};

struct cpu {
	struct tlb tlb;
	bool known; /* CR3 has been seen */
	bool guess; /* the last write of it has not: the next walk tells the root */
	bool lazy;
	uint64_t done; /* flushes and switches come back from */
	bool wrote;    /* changed page-table entries since the last of them */
	/* the walk under way */
	uint64_t walk_va;
	unsigned walk_rights;
	bool walk_global;
	/* the instruction under way */
	uint64_t rip, time;
	char text[96];
	struct counts n;
};

struct follow {
	struct cpu cpu[TRACE_CPUS];
	unsigned cpus; /* seen */
	uint64_t stale, stale_access, stale_load, stale_flush;
	uint64_t unseen; /* entries that changed without a write in the trace */
	uint64_t checks, changes, excused;
	unsigned reports; /* so many are printed in full */
};

extern struct follow f;

void follow_walk(struct cpu *c, unsigned level, uint64_t at, uint64_t entry);
void follow_access(struct cpu *c, uint64_t va, uint64_t pa, const char *what);
void follow_write(struct cpu *c, uint64_t pa, unsigned bytes, const uint32_t *words);
void follow_cr3(struct cpu *c, uint64_t v);
/* A write whose value is not known: taken for one that flushes, under the PCID that the root had.
 */
void follow_cr3_unknown(struct cpu *c);
void follow_cr4(struct cpu *c, uint64_t v);
void follow_invpcid(struct cpu *c, uint64_t type, uint64_t pcid, uint64_t va);
/* Back from a flush or a switch. */
void follow_done(struct cpu *c);

#endif
