/* SPDX-License-Identifier: MIT */
/*
 * From a file to the areas that show it, in every address space.
 *
 * A fault takes mm->lock, then inode->lock, so a truncation, which has to reach many spaces, can
 * hold neither: it sets the new size first, then goes through the file's areas and takes the lock
 * of one space after the other. A fault that saw the old size has the lock of its space until its
 * page is mapped, and so comes before that space's turn; one that comes later sees the new size.
 *
 * Areas may come and go meanwhile. Each carries the number of the last truncation that looked at
 * it, changed with the lock of its space held. Its copies (fork, splits, mremap) inherit that, and
 * so they are looked at as well if they got pages that are to go.
 */
#include "internal.h"
#include "vfs.h"

void filemap_add(struct vma *v)
{
	struct inode *in = v->inode;

	if (!in)
		return;
	spin_lock(&in->map_lock);
	list_add(&in->mappings, &v->map_link);
	spin_unlock(&in->map_lock);
}

void filemap_remove(struct vma *v)
{
	struct inode *in = v->inode;

	if (!in)
		return;
	spin_lock(&in->map_lock);
	list_del(&v->map_link);
	spin_unlock(&in->map_lock);
}

/* A reference unless the last one is gone and the space is being taken down: then its pages go
 * without our help. */
static bool get_live(struct mm *mm)
{
	int refs = __atomic_load_n(&mm->refs, __ATOMIC_RELAXED);

	do {
		if (refs == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&mm->refs, &refs, refs + 1, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return true;
}

/* The space of an area that was not looked at yet, with a reference. NULL: there is none left. */
static struct mm *next_space(struct inode *in)
{
	struct mm *mm = NULL;

	spin_lock(&in->map_lock);
	list_for_each_entry (v, &in->mappings, struct vma, map_link) {
		if (v->cut != in->cuts && get_live(v->mm)) {
			mm = v->mm;
			break;
		}
	}
	spin_unlock(&in->map_lock);
	return mm;
}

static void cut_space(struct mm *mm, struct inode *in, uint64_t end)
{
	mutex_lock(&mm->lock);
	list_for_each_entry (v, &mm->areas, struct vma, link) {
		if (v->inode != in)
			continue;
		spin_lock(&in->map_lock);
		v->cut = in->cuts;
		spin_unlock(&in->map_lock);
		if (v->offset >= end)
			zap_range(mm, v->start, v->end);
		else if (end - v->offset < v->end - v->start)
			zap_range(mm, v->start + (end - v->offset), v->end);
	}
	mutex_unlock(&mm->lock);
}

void filemap_cut(struct inode *in, uint64_t end)
{
	struct mm *mm;

	spin_lock(&in->map_lock);
	in->cuts++;
	spin_unlock(&in->map_lock);
	while ((mm = next_space(in)) != NULL) {
		cut_space(mm, in, end);
		mm_put(mm);
	}
}
