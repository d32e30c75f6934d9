/* SPDX-License-Identifier: MIT */
/*
 * Page faults. A page is made when it is first touched; a private page that others refer to is
 * mapped without W and copied at the first write, unless by then nobody else is left. Adding a
 * right needs no flush: a CPU with the older entry faults once more, which drops it, and finds
 * nothing to do here.
 */
#include "internal.h"
#include "printk.h"
#include "vfs.h"

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

uint64_t leaf_bits(const struct vma *v, bool writable)
{
	uint64_t bits = PTE_P | PTE_U | PTE_A;

	if (writable && v->prot & PROT_WRITE)
		bits |= PTE_W | PTE_D;
	if (!(v->prot & PROT_EXEC))
		bits |= pte_nx();
	return bits;
}

static void set_leaf(uint64_t *e, struct page *p, uint64_t bits)
{
	__atomic_store_n(e, page_to_phys(p) | bits, __ATOMIC_RELEASE);
}

static struct page *copy_of(struct page *p)
{
	struct page *copy = page_alloc(0, 0);

	if (copy)
		memcpy(page_to_virt(copy), page_to_virt(p), PAGE_SIZE);
	return copy;
}

static int fault_absent(struct mm *mm, struct vma *v, uint64_t *e, uint64_t va, bool write)
{
	uint64_t pos = v->offset + (va - v->start);
	bool writable = true;
	struct page *p;

	if (v->anon)
		p = shared_anon_page(v->anon, pos);
	else if (v->inode)
		p = inode_get_page(v->inode, pos, v->flags & MAP_SHARED && v->prot & PROT_WRITE);
	else
		p = page_alloc(0, PAGE_ZERO);
	if (!p)
		return -ENOMEM;
	if (is_err(p))
		return (int)ptr_err(p);

	if (v->inode && !(v->flags & MAP_SHARED)) {
		if (write) {
			struct page *copy = copy_of(p);

			page_put(p);
			if (!copy)
				return -ENOMEM;
			p = copy;
		} else {
			writable = false;
		}
	}
	set_leaf(e, p, leaf_bits(v, writable));
	mm->rss_pages++;
	return 0;
}

static int fault_readonly(struct mm *mm, struct vma *v, uint64_t *e, uint64_t va)
{
	struct page *p = phys_to_page(*e & PTE_ADDR), *copy;

	/* Nobody can gain a reference meanwhile: that takes this mm's lock, or another owner. */
	if (v->flags & MAP_SHARED || __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE) == 1) {
		set_leaf(e, p, leaf_bits(v, true));
		return 0;
	}
	copy = copy_of(p);
	if (!copy)
		return -ENOMEM;
	set_leaf(e, copy, leaf_bits(v, true));
	kaiser_flush_page(&mm->space, va);
	page_put(p);
	return 0;
}

/* The area that grows down to hold va, or NULL. */
static struct vma *grow_down(struct mm *mm, uint64_t va)
{
	struct vma *v = vma_after(mm, va), *prev;

	if (!v || !(v->flags & MAP_GROWSDOWN) || v->end - va > STACK_MAX || va < MMAP_MIN)
		return NULL;
	prev = vma_prev(mm, v);
	if (prev && prev->end + STACK_GAP > va)
		return NULL;
	mm->total_pages += (v->start - va) >> PAGE_SHIFT;
	v->start = va;
	return v;
}

int fault_locked(struct mm *mm, uint64_t va, bool write, bool exec)
{
	struct vma *v;
	uint64_t *e;

	if (va >= USER_END)
		return -EFAULT;
	va = ALIGN_DOWN(va, PAGE_SIZE);
	v = mm_find(mm, va);
	if (!v)
		v = grow_down(mm, va);
	if (!v)
		return -EFAULT;
	if (!(v->prot & PROT_ALL) || (write && !(v->prot & PROT_WRITE)) ||
	    (exec && !(v->prot & PROT_EXEC)))
		return -EACCES;

	e = tree_make(mm_live(mm), va);
	if (!e)
		return -ENOMEM;
	if (!(*e & PTE_P))
		return fault_absent(mm, v, e, va, write);
	if (write && !(*e & PTE_W))
		return fault_readonly(mm, v, e, va);
	return 0; /* another thread was first */
}

int mm_fault(struct mm *mm, uint64_t va, bool write, bool exec)
{
	int err;

	mutex_lock(&mm->lock);
	err = fault_locked(mm, va, write, exec);
	mutex_unlock(&mm->lock);
	return err;
}

int populate_locked(struct mm *mm, uint64_t start, uint64_t end)
{
	for (uint64_t va = start; va < end; va += PAGE_SIZE) {
		struct vma *v = mm_find(mm, va);
		int err;

		if (!v || !(v->prot & PROT_ALL))
			continue;
		err = fault_locked(mm, va, v->prot & PROT_WRITE, false);
		if (err)
			return err;
	}
	return 0;
}
