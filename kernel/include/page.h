/* SPDX-License-Identifier: MIT */
/* Physical pages. Every frame of RAM has a struct page; the direct map reaches all of them. */
#ifndef KERNEL_PAGE_H
#define KERNEL_PAGE_H

#include "base.h"
#include "list.h"

typedef uint64_t phys_t;

struct page {
	union {
		struct list link; /* the allocator's, or the owner's while allocated */
		struct {          /* of a page table in use: mm/tables.c */
			uint64_t groups;
			struct page *unlinked; /* the next one that waits for the flush */
		};
	};
	int32_t refs;        /* mappings and other owners; 0: free. Atomic */
	uint8_t order;       /* of a free or allocated run, in its first page */
	uint8_t state;       /* enum page_state, page.c only */
	uint16_t slab_class; /* slab.c only, with the next two */
	uint16_t slab_free;  /* first free object, in 16-byte steps, + 1; 0: none */
	uint16_t slab_used;  /* objects in use */
};

/* Set once by the boot code: where the direct map begins. */
extern uint64_t direct_map_base;
extern uint64_t phys_top; /* one past the highest RAM address */
extern struct page *page_array;
extern unsigned paging_levels; /* 4 or 5: of every table that CR3 ever holds */

static inline void *phys_to_virt(phys_t pa)
{
	return (void *)(direct_map_base + pa);
}

/* Direct-map addresses only; for the kernel image see kernel_image_phys(). */
static inline phys_t virt_to_phys(const void *va)
{
	return (uint64_t)va - direct_map_base;
}

static inline struct page *phys_to_page(phys_t pa)
{
	return &page_array[pa >> PAGE_SHIFT];
}

static inline phys_t page_to_phys(const struct page *p)
{
	return (phys_t)(p - page_array) << PAGE_SHIFT;
}

static inline void *page_to_virt(const struct page *p)
{
	return phys_to_virt(page_to_phys(p));
}

enum { PAGE_ZERO = 1 };

/* 2^order contiguous pages, naturally aligned, refs = 1; NULL when there are none. Any context but
 * NMI. PAGE_ZERO clears them. */
struct page *page_alloc(unsigned order, unsigned flags);
void page_free(struct page *p, unsigned order);

/* One direct-map page, cleared, as a pointer; NULL when there is none. */
void *page_zalloc(void);
void page_free_virt(void *va);

static inline void page_get(struct page *p)
{
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
}

/* Drops one reference of an order-0 page and frees it with the last. */
void page_put(struct page *p);

/* Gives RAM to the allocator that the boot code had kept back: the initrd, once it is unpacked.
 * Partial pages at the ends stay out. */
void page_add_range(phys_t start, phys_t end);

struct page_stats {
	uint64_t total, free; /* pages */
};
void page_stats(struct page_stats *st);

/* Called once, with the memory map; see boot.h. */
struct boot_info;
void page_init(const struct boot_info *bi);

#endif
