/* SPDX-License-Identifier: MIT */
/* Copying an address space: private pages become read-only on both sides and are shared until one
 * writes; shared areas are faulted in afresh from their object. */
#include "internal.h"
#include "vfs.h"

/* Shares the pages of v with the child. *demoted: an entry of the parent has lost W. */
static int share_pages(struct tree from, struct tree to, const struct vma *v, bool *demoted)
{
	uint64_t *e;

	for (uint64_t va = v->start; (e = tree_next(from, &va, v->end)) != NULL; va += PAGE_SIZE) {
		uint64_t *c = tree_make(to, va), old;

		if (!c)
			return -ENOMEM;
		old = __atomic_fetch_and(e, ~PTE_W, __ATOMIC_ACQ_REL);
		if (old & PTE_W)
			*demoted = true;
		page_get(phys_to_page(old & PTE_ADDR));
		__atomic_store_n(c, old & ~PTE_W, __ATOMIC_RELEASE);
		to.mm->rss_pages++;
	}
	return 0;
}

static int copy_area(struct mm *parent, struct mm *child, const struct vma *v, bool *demoted)
{
	struct vma *n;
	int err;

	if (v->flags & VMA_DONTFORK)
		return 0;
	n = vma_dup(v);
	if (!n)
		return -ENOMEM;
	vma_insert(child, n);
	if (v->flags & (MAP_SHARED | VMA_WIPEONFORK))
		return 0;
	err = share_pages(mm_live(parent), mm_live(child), v, demoted);
	return err ? err : share_pages(mm_stash(parent), mm_stash(child), v, demoted);
}

struct mm *mm_fork(struct mm *parent)
{
	struct mm *child = mm_blank();
	bool demoted = false;
	int err = 0;

	if (!child)
		return NULL;
	mutex_lock(&parent->lock);
	mutex_lock(&child->lock); /* a truncation may find its areas already */
	child->brk_start = parent->brk_start;
	child->brk = parent->brk;
	child->mmap_top = parent->mmap_top;
	child->stack_top = parent->stack_top;
	child->vdso32 = parent->vdso32;
	child->arg_start = parent->arg_start;
	child->arg_end = parent->arg_end;
	child->env_start = parent->env_start;
	child->env_end = parent->env_end;
	/* Cannot be refused: the parent runs it. */
	if (parent->exe && inode_begin_exec(parent->exe) == 0) {
		inode_get(parent->exe);
		child->exe = parent->exe;
	}
	list_for_each_entry (v, &parent->areas, struct vma, link) {
		err = copy_area(parent, child, v, &demoted);
		if (err)
			break;
	}
	if (!err)
		err = ldt_copy(child, parent);
	/* Before the child can write to, or the parent's CPUs read, what they now share. */
	if (demoted)
		kaiser_flush_space(&parent->space, false);
	mutex_unlock(&child->lock);
	mutex_unlock(&parent->lock);
	if (err) {
		mm_put(child);
		return NULL;
	}
	return child;
}
