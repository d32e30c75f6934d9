/* SPDX-License-Identifier: MIT */
/*
 * One logical processor's translation caches, as large as they may be: an entry that was ever
 * brought in stays until an instruction must invalidate it (SDM volume 3, 4.10). Two kinds of
 * entries, each tagged with the PCID under which it was made:
 *
 *	translations              page -> frame, rights, GLOBAL or not
 *	paging-structure entries  region -> the table that translates it, rights so far
 *
 * Several that disagree about one address may be held at once: each was true at its time. A GLOBAL
 * translation serves all PCIDs; a paging-structure entry is never global.
 *
 * What is modelled of each invalidation is what the manual requires, never what a CPU does besides.
 */
#ifndef MODEL_TLB_H
#define MODEL_TLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLB_CR3_NOFLUSH (UINT64_C(1) << 63)
#define TLB_CR4_PGE     (UINT64_C(1) << 7)
#define TLB_CR4_LA57    (UINT64_C(1) << 12)
#define TLB_CR4_PCIDE   (UINT64_C(1) << 17)
#define TLB_CR4_SMEP    (UINT64_C(1) << 20)
#define TLB_PCIDS       4096

enum { TLB_W = 1, TLB_X = 2, TLB_U = 4 };

struct tlb_entry {
	uint64_t va;   /* first address of what it translates */
	uint64_t pa;   /* the frame, or the table */
	uint8_t level; /* translations: 0 4K, 1 2M, 2 1G. tables: level of the entry it came from,
			* so it covers 2^(12 + 9 * level) bytes just the same */
	uint8_t rights;
	bool table, global;
	/* The owner's, kept as it was when the entry was first made: where the entry lay that it
	 * came from, and what that held. */
	uint64_t from, made;
};

struct tlb_set {
	struct tlb_entry *e;
	unsigned n, room;
	uint64_t *index; /* open addressing: epoch << 32 | place in e */
	unsigned buckets;
	uint32_t epoch;
};

struct tlb {
	uint64_t cr3; /* as read back: bit 63 clear */
	uint64_t cr4;
	struct tlb_set *set[TLB_PCIDS]; /* NULL: never used */
	struct tlb_set global;
};

void tlb_init(struct tlb *t);
void tlb_free(struct tlb *t);

unsigned tlb_pcid(const struct tlb *t); /* the current one */

/* The instructions. False: the CPU raises #GP and changes nothing. */
bool tlb_write_cr3(struct tlb *t, uint64_t v);
bool tlb_write_cr4(struct tlb *t, uint64_t v);
void tlb_invlpg(struct tlb *t, uint64_t va);
bool tlb_invpcid(struct tlb *t, uint64_t type, uint64_t pcid, uint64_t va);

/* A walk under the current PCID found this. `e` is copied; va is cut to the start of its page. True
 * if it is new. */
bool tlb_insert(struct tlb *t, const struct tlb_entry *e);

/* All entries the CPU could use now: current PCID and GLOBAL ones. Stops if fn returns false. */
typedef bool (*tlb_fn)(void *arg, struct tlb_entry *e);
void tlb_usable(struct tlb *t, tlb_fn fn, void *arg);
/* Those of them that translate va by a page of that level, tables or translations. */
void tlb_lookup(struct tlb *t, uint64_t va, bool table, unsigned level, tlb_fn fn, void *arg);

#endif
