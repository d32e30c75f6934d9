/* SPDX-License-Identifier: MIT */
/* What the files of mm/ share with each other and with nobody else. */
#ifndef KERNEL_MM_INTERNAL_H
#define KERNEL_MM_INTERNAL_H

#include "kmap.h"
#include "list.h"
#include "mm.h"
#include "page.h"
#include "uaccess.h"

/* ---- page.c: the buddy allocator below the per-CPU cache ---------------------------------- */

enum page_state {
	PAGE_RESERVED, /* not ours: firmware, the kernel image, page_array itself */
	PAGE_FREE,     /* first page of a free run */
	PAGE_TAIL,     /* any other page of a run, free or not */
	PAGE_USED,     /* first page of an allocated run */
	PAGE_CACHED,   /* free, in a CPU's cache */
};

enum { PAGE_MAX_ORDER = 10 };

/* Moves up to n single pages to or from the list; returns how many. Interrupts off. */
unsigned buddy_take(struct list *to, unsigned n);
void buddy_give(struct list *from, unsigned n);

/* ---- pagecache.c -------------------------------------------------------------------------- */

struct page *page_cache_get(void);   /* NULL: no cache here yet, or no memory */
bool page_cache_put(struct page *p); /* false: no cache here yet */
bool page_cache_drain(void);         /* this CPU's; true if that gave pages back */
uint64_t page_cache_count(void);     /* of all CPUs */

/* ---- tables.c: the tables of a user half -------------------------------------------------- */

/* A mm has two trees: the one the CPU walks, and the stash. The stash has the same shape, is never
 * seen by a CPU and holds the private pages of PROT_NONE areas, so that no not-present entry of a
 * live table has to hold an address (L1TF) and no supervisor entry is left in a user half. */
struct tree {
	struct mm *mm;
	bool stash;
};

static inline struct tree mm_live(struct mm *mm)
{
	return (struct tree){mm, false};
}

static inline struct tree mm_stash(struct mm *mm)
{
	return (struct tree){mm, true};
}

/* An empty table; NULL when out of memory. */
uint64_t *table_new(void);
/* The leaf entry for va, or NULL if its tables do not exist. Only an entry that tree_make() gave
 * out, in this or an earlier call, may become one that is not zero. */
uint64_t *tree_find(struct tree t, uint64_t va);
/* The same, making tables; NULL when out of memory. */
uint64_t *tree_make(struct tree t, uint64_t va);
/* The first leaf entry that is not zero in [*va, end): *va is set to its address. NULL: none. */
uint64_t *tree_next(struct tree t, uint64_t *va, uint64_t end);
/* Drops the pages and tables of a space that no CPU can walk any more. */
void tree_destroy(struct tree t);

/* Takes all leaves of [start, end) out of both trees, and the tables that map nothing but [lo, hi),
 * in which there are no other leaves; flushes once; then drops the pages and frees the tables. */
void unmap_range(struct mm *mm, uint64_t start, uint64_t end, uint64_t lo, uint64_t hi);
/* The same where only [start, end) itself is known to be empty afterwards. */
void zap_range(struct mm *mm, uint64_t start, uint64_t end);

/* ---- vma.c -------------------------------------------------------------------------------- */

#define MMAP_MIN  UINT64_C(0x10000) /* nothing is mapped below: NULL dereferences fault */
#define STACK_MAX UINT64_C(0x800000)
#define STACK_GAP UINT64_C(0x10000) /* kept free below an area that grows down */

enum {
	VMA_DONTFORK = 1 << 29,
	VMA_WIPEONFORK = 1 << 30,
};

/* The first area that ends above addr, or NULL. */
struct vma *vma_after(struct mm *mm, uint64_t addr);
struct vma *vma_prev(struct mm *mm, struct vma *v);
struct vma *vma_next(struct mm *mm, struct vma *v);
struct vma *vma_new(uint64_t start, uint64_t end, uint32_t prot, uint32_t flags);
/* A copy with references of its own, in no list. */
struct vma *vma_dup(const struct vma *v);
/* Drops the references; not in any list. */
void vma_free(struct vma *v);
/* Puts v in its place; its range is free. Counts its pages. */
void vma_insert(struct mm *mm, struct vma *v);
/* Takes it out, uncounted. */
void vma_remove(struct mm *mm, struct vma *v);
/* After it, no area crosses addr. 0 or -ENOMEM. */
int vma_split_at(struct mm *mm, uint64_t addr);
/* Joins areas that touch in [start, end], ends included, and are otherwise alike. */
void vma_merge(struct mm *mm, uint64_t start, uint64_t end);
/* True if [start, end) is mapped without a hole. */
bool vma_covers(struct mm *mm, uint64_t start, uint64_t end);
/* True if nothing is mapped in [start, end), nor would a stack above be choked. */
bool vma_range_free(struct mm *mm, uint64_t start, uint64_t end);
/* The highest free place of len bytes below mmap_top, and below 4 GiB if the flag MM_BELOW_4G is
 * there; or -ENOMEM. */
long vma_find_gap(struct mm *mm, uint64_t len, uint32_t flags);

/* ---- filemap.c: from a file to the areas that show it ------------------------------------- */

/* When v has its place in v->mm, and before it goes. Nothing is done for areas without a file. */
void filemap_add(struct vma *v);
void filemap_remove(struct vma *v);

/* ---- anon.c: memory shared between processes without a file ------------------------------- */

struct shared_anon;
struct shared_anon *shared_anon_create(uint64_t bytes); /* NULL */
void shared_anon_get(struct shared_anon *a);
void shared_anon_put(struct shared_anon *a);
/* A reference for the caller; err_ptr(-EIO) beyond the end, -ENOMEM. */
struct page *shared_anon_page(struct shared_anon *a, uint64_t pos);

/* ---- mm.c --------------------------------------------------------------------------------- */

/* Without a place for its mappings yet: fork takes the parent's. */
struct mm *mm_blank(void);

/* ---- fault.c, mmap.c ---------------------------------------------------------------------- */

/* The leaf bits for a page of v; `writable` is whether W may be set now. */
uint64_t leaf_bits(const struct vma *v, bool writable);
/* mm_fault() with the lock held. */
int fault_locked(struct mm *mm, uint64_t va, bool write, bool exec);
/* Faults in [start, end), as far as it goes: 0, or the first error. */
int populate_locked(struct mm *mm, uint64_t start, uint64_t end);
/* mm_munmap() of a valid range, lock held. */
int munmap_locked(struct mm *mm, uint64_t start, uint64_t end);
/* mm_mmap(); rights that mprotect() may add later are limited to max_prot. */
long mmap_limited(struct mm *mm, uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags,
		  struct inode *inode, uint64_t offset, uint32_t max_prot);

#endif
