/* SPDX-License-Identifier: MIT */
/* The names of futexes, and the lists of those a thread holds. */
#ifndef PROC_FUTEX_H
#define PROC_FUTEX_H

#include "mm.h"

/* A word of private memory: mm and address. A word of shared memory: its frame with bit 0 set, and
 * the offset in it; the key then holds a reference of the page, so that the frame stays what it
 * is while somebody sleeps under its name. */
struct futex_key {
	uint64_t base, where;
};

/* mm is the current task's. private: the caller knows that no other mm is concerned. 0; -EINVAL if
 * addr is not aligned; -EFAULT. May fault and sleep. */
int futex_key_get(struct mm *mm, uint64_t addr, bool private, struct futex_key *key);
void futex_key_ref(const struct futex_key *key);
void futex_key_put(const struct futex_key *key);

/* Takes mm->lock with the word's page present, and returns the word in the direct map: valid until
 * mm->lock is dropped. NULL, nothing locked, if the address is bad. */
const volatile uint32_t *futex_word_lock(struct mm *mm, uint64_t addr);

#endif
