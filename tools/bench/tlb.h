/* SPDX-License-Identifier: MIT */
/* A set-associative TLB with LRU replacement, for the cost model. */
#ifndef TOOLS_BENCH_TLB_H
#define TOOLS_BENCH_TLB_H

#include <stdbool.h>
#include <stdint.h>

struct tlb {
	unsigned entries, ways;
	struct {
		uint64_t key, used; /* key 0: free */
	} * entry;
	uint64_t clock;
};

int tlb_init(struct tlb *t, unsigned entries, unsigned ways);
void tlb_free(struct tlb *t);
void tlb_flush(struct tlb *t);
/* True if it is there; it is then the most recently used. */
bool tlb_look(struct tlb *t, uint64_t page, unsigned tag);
void tlb_fill(struct tlb *t, uint64_t page, unsigned tag);
void tlb_drop(struct tlb *t, uint64_t page, unsigned tag);

#endif
