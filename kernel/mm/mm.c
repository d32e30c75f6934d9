/* SPDX-License-Identifier: MIT */
/* Address spaces: making, running, ending. */
#include "mm.h"

#include "cpu.h"
#include "internal.h"
#include "port.h"
#include "printk.h"
#include "random.h"
#include "slab.h"
#include "vfs.h"

#define MMAP_RANDOM_PAGES BIT(28)

struct mm *mm_blank(void)
{
	struct mm *mm = kzalloc(sizeof(*mm));
	uint64_t *top = table_new();

	if (!mm || !top || kaiser_space_init(&kaiser, &mm->space, top) != KAISER_OK) {
		if (top)
			page_free_virt(top);
		kfree(mm);
		return NULL;
	}
	mm->refs = 1;
	mutex_init(&mm->lock);
	list_init(&mm->areas);
	return mm;
}

struct mm *mm_create(void)
{
	struct mm *mm = mm_blank();
	uint64_t shift;

	if (!mm)
		return NULL;
	random_bytes(&shift, sizeof(shift));
	mm->mmap_top = USER_END - MM_STACK_ROOM - shift % MMAP_RANDOM_PAGES * PAGE_SIZE;
	return mm;
}

void mm_get(struct mm *mm)
{
	__atomic_add_fetch(&mm->refs, 1, __ATOMIC_RELAXED);
}

void mm_put(struct mm *mm)
{
	int refs = __atomic_sub_fetch(&mm->refs, 1, __ATOMIC_ACQ_REL);

	kassert(refs >= 0);
	if (refs > 0)
		return;
	/* No CPU has it in a root from here on, so nothing below needs a flush. */
	if (mm->space.opted_out)
		port_isolate(&mm->space, true);
	kaiser_space_evict(&mm->space);
	tree_destroy(mm_live(mm));
	tree_destroy(mm_stash(mm));
	list_for_each_entry_safe (v, next, &mm->areas, struct vma, link) {
		vma_remove(mm, v);
		vma_free(v);
	}
	if (mm->exe) {
		inode_end_exec(mm->exe);
		inode_put(mm->exe);
	}
	kfree(mm);
}

void mm_switch(struct mm *mm)
{
	if (mm)
		kaiser_space_switch(&kaiser, &mm->space);
	else
		kaiser_space_lazy(&kaiser);
}
