/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: a binary buddy system. A run of 2^n pages is naturally aligned; its buddy is
 * the run whose number differs in bit n alone. Only the first page of a run has a meaningful state
 * and order, so splitting and joining touch two struct pages, whatever the size. Single pages pass
 * through pagecache.c first.
 */
#include "page.h"

#include "boot.h"
#include "internal.h"
#include "printk.h"
#include "spinlock.h"

uint64_t direct_map_base HOT_DATA;
uint64_t phys_top HOT_DATA;
unsigned paging_levels HOT_DATA;
struct page *page_array HOT_DATA;

static spinlock_t lock = SPINLOCK_INIT; /* irqsave */
static struct list runs[PAGE_MAX_ORDER + 1];
static uint64_t npages HOT_DATA; /* in page_array */
static uint64_t ntotal, nfree;   /* pages of RAM that are ours; in runs[] */

static void put_run(uint64_t pfn, unsigned order)
{
	nfree += UINT64_C(1) << order;
	page_array[pfn].state = PAGE_TAIL;
	for (; order < PAGE_MAX_ORDER; order++) {
		uint64_t buddy = pfn ^ UINT64_C(1) << order;
		struct page *b = &page_array[buddy];

		if (buddy >= npages || b->state != PAGE_FREE || b->order != order)
			break;
		list_del(&b->link);
		b->state = PAGE_TAIL;
		pfn &= ~(UINT64_C(1) << order);
	}
	page_array[pfn].state = PAGE_FREE;
	page_array[pfn].order = (uint8_t)order;
	list_add(&runs[order], &page_array[pfn].link);
}

static struct page *take_run(unsigned order)
{
	unsigned o = order;
	struct page *p;

	while (o <= PAGE_MAX_ORDER && list_empty(&runs[o]))
		o++;
	if (o > PAGE_MAX_ORDER)
		return NULL;
	p = list_first(&runs[o], struct page, link);
	kassert(p->state == PAGE_FREE && p->order == o);
	list_del(&p->link);
	while (o-- > order) {
		struct page *half = p + (UINT64_C(1) << o);

		half->state = PAGE_FREE;
		half->order = (uint8_t)o;
		list_add(&runs[o], &half->link);
	}
	nfree -= UINT64_C(1) << order;
	p->state = PAGE_TAIL;
	p->order = (uint8_t)order;
	return p;
}

unsigned buddy_take(struct list *to, unsigned n)
{
	unsigned got = 0;

	spin_lock(&lock);
	while (got < n) {
		struct page *p = take_run(0);

		if (!p)
			break;
		p->state = PAGE_CACHED;
		list_add(to, &p->link);
		got++;
	}
	spin_unlock(&lock);
	return got;
}

void buddy_give(struct list *from, unsigned n)
{
	spin_lock(&lock);
	while (n--) {
		struct page *p = container_of(from->prev, struct page, link);

		list_del(&p->link);
		put_run((uint64_t)(p - page_array), 0);
	}
	spin_unlock(&lock);
}

struct page *page_alloc(unsigned order, unsigned flags)
{
	struct page *p = NULL;
	uint64_t irq;

	if (order > PAGE_MAX_ORDER)
		return NULL;
	irq = irq_save();
	if (order == 0)
		p = page_cache_get();
	if (!p) {
		do {
			spin_lock(&lock);
			p = take_run(order);
			spin_unlock(&lock);
		} while (!p && page_cache_drain());
	}
	if (p) {
		p->state = PAGE_USED;
		p->order = (uint8_t)order;
		p->slab_class = 0;
		__atomic_store_n(&p->refs, 1, __ATOMIC_RELAXED);
		list_init(&p->link);
	}
	irq_restore(irq);
	if (p && (flags & PAGE_ZERO))
		memset(page_to_virt(p), 0, PAGE_SIZE << order);
	return p;
}

static void free_run(struct page *p, unsigned order)
{
	uint64_t irq = irq_save();

	kassert(p->state == PAGE_USED && p->order == order);
	p->state = PAGE_CACHED;
	if (order != 0 || !page_cache_put(p)) {
		spin_lock(&lock);
		put_run((uint64_t)(p - page_array), order);
		spin_unlock(&lock);
	}
	irq_restore(irq);
}

void page_free(struct page *p, unsigned order)
{
	int32_t refs;

	kassert(p >= page_array && p < page_array + npages);
	refs = __atomic_exchange_n(&p->refs, 0, __ATOMIC_ACQ_REL);
	kassert(refs == 1);
	free_run(p, order);
}

void page_put(struct page *p)
{
	int32_t refs = __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL);

	kassert(refs >= 0);
	if (refs == 0)
		free_run(p, 0);
}

void *page_zalloc(void)
{
	struct page *p = page_alloc(0, PAGE_ZERO);

	return p ? page_to_virt(p) : NULL;
}

void page_free_virt(void *va)
{
	kassert(((uintptr_t)va & (PAGE_SIZE - 1)) == 0);
	page_free(phys_to_page(virt_to_phys(va)), 0);
}

void page_stats(struct page_stats *st)
{
	uint64_t irq = spin_lock_irqsave(&lock);

	st->total = ntotal;
	st->free = nfree + page_cache_count();
	spin_unlock_irqrestore(&lock, irq);
}

void page_add_range(phys_t start, phys_t end)
{
	uint64_t pfn = ALIGN_UP(start, PAGE_SIZE) >> PAGE_SHIFT;
	uint64_t last = MIN(end >> PAGE_SHIFT, npages);

	while (pfn < last) {
		unsigned order = 0;
		uint64_t irq;

		while (order < PAGE_MAX_ORDER && !(pfn & UINT64_C(1) << order) &&
		       pfn + (UINT64_C(2) << order) <= last)
			order++;
		for (uint64_t i = pfn; i < pfn + (UINT64_C(1) << order); i++) {
			kassert(page_array[i].state == PAGE_RESERVED);
			page_array[i].state = PAGE_TAIL;
		}
		irq = spin_lock_irqsave(&lock);
		ntotal += UINT64_C(1) << order;
		put_run(pfn, order);
		spin_unlock_irqrestore(&lock, irq);
		pfn += UINT64_C(1) << order;
	}
}

void page_init(const struct boot_info *bi)
{
	phys_t home = 0;
	uint64_t bytes;

	direct_map_base = bi->direct_map_base;
	phys_top = bi->phys_top;
	paging_levels = bi->levels;
	npages = phys_top >> PAGE_SHIFT;
	bytes = ALIGN_UP(npages * sizeof(struct page), PAGE_SIZE);
	for (unsigned i = 0; i <= PAGE_MAX_ORDER; i++)
		list_init(&runs[i]);

	for (unsigned i = 0; i < bi->ram_ranges && !home; i++)
		if (bi->ram[i].end - bi->ram[i].start >= bytes)
			home = bi->ram[i].start;
	if (!home)
		panic("no RAM range holds %llu bytes of page descriptors",
		      (unsigned long long)bytes);
	page_array = phys_to_virt(home);
	memset(page_array, 0, bytes); /* all PAGE_RESERVED */

	for (unsigned i = 0; i < bi->ram_ranges; i++) {
		phys_t start = bi->ram[i].start;

		page_add_range(start == home ? start + bytes : start, bi->ram[i].end);
	}
}
