/* SPDX-License-Identifier: MIT */
/*
 * Kernel stacks, each at the upper end of a 32 KiB cell of the kmap slot: what is below it in the
 * cell is never mapped, so an overflow faults. kstack_free() may run where no other CPU can be
 * waited for, so it only chains the stack, mapped as it is; kstack_alloc() takes from that chain
 * first and unmaps what is too much of it.
 */
#include "boot.h"
#include "kmap.h"
#include "kmap_internal.h"
#include "printk.h"
#include "spinlock.h"

enum { CELL_PAGES = 8, CELLS = 65536, SPARE_MAX = 16 };
#define CELL_BYTES (CELL_PAGES * PAGE_SIZE)

struct spare { /* in the lowest bytes of a free stack */
	struct spare *next;
	size_t pages;
};

static spinlock_t lock = SPINLOCK_INIT; /* irqsave */
static struct spare *spares;
static unsigned nspares;
static uint64_t cell_used[CELLS / 64];
static unsigned cell_hint; /* no free cell below this word */

static long cell_get(void)
{
	uint64_t irq = spin_lock_irqsave(&lock);
	long cell = -ENOMEM;

	for (; cell_hint < ARRAY_SIZE(cell_used); cell_hint++) {
		uint64_t w = ~cell_used[cell_hint];

		if (w) {
			unsigned bit = (unsigned)__builtin_ctzll(w);

			cell_used[cell_hint] |= BIT(bit);
			cell = (long)(cell_hint * 64 + bit);
			break;
		}
	}
	spin_unlock_irqrestore(&lock, irq);
	return cell;
}

static void cell_put(uint64_t cell)
{
	uint64_t irq = spin_lock_irqsave(&lock);

	cell_used[cell / 64] &= ~BIT(cell % 64);
	cell_hint = MIN(cell_hint, (unsigned)(cell / 64));
	spin_unlock_irqrestore(&lock, irq);
}

static uint64_t stacks(void)
{
	return kmap_slot + KMAP_STACKS;
}

/* Unmaps a stack and gives its pages back. */
static void release(uint64_t base, size_t pages)
{
	struct page *frames[CELL_PAGES];

	for (size_t i = 0; i < pages; i++) {
		uint64_t pte;

		frames[i] = phys_to_page(kmap_lookup(base + i * PAGE_SIZE, &pte));
	}
	kmap_unmap(base, pages);
	for (size_t i = 0; i < pages; i++)
		page_free(frames[i], 0);
	cell_put((base - stacks()) / CELL_BYTES);
}

/* A spare stack of that size, if any; and what is over the limit, into *surplus. */
static void *take_spare(size_t pages, struct spare **surplus)
{
	uint64_t irq = spin_lock_irqsave(&lock);
	struct spare **link = &spares, *found;

	while (*link && (*link)->pages != pages)
		link = &(*link)->next;
	found = *link;
	if (found) {
		*link = found->next;
		nspares--;
	}
	*surplus = NULL;
	while (nspares > SPARE_MAX) {
		struct spare *s = spares;

		spares = s->next;
		s->next = *surplus;
		*surplus = s;
		nspares--;
	}
	spin_unlock_irqrestore(&lock, irq);
	return found;
}

void *kstack_alloc(size_t pages)
{
	struct spare *surplus, *next;
	void *stack;
	uint64_t base;
	size_t done;
	long cell;

	kassert(pages > 0 && pages < CELL_PAGES);
	stack = take_spare(pages, &surplus);
	for (; surplus; surplus = next) {
		next = surplus->next;
		release((uint64_t)surplus, surplus->pages);
	}
	if (stack)
		return stack;

	cell = cell_get();
	if (cell < 0)
		return NULL;
	base = stacks() + ((uint64_t)cell + 1) * CELL_BYTES - pages * PAGE_SIZE;
	for (done = 0; done < pages; done++) {
		struct page *p = page_alloc(0, PAGE_ZERO);

		if (!p)
			break;
		if (kmap_map(base + done * PAGE_SIZE, page_to_phys(p), 1, KMAP_W) != 0) {
			page_free(p, 0);
			break;
		}
	}
	if (done == pages)
		return (void *)base;
	if (done > 0)
		release(base, done); /* frees the cell, too */
	else
		cell_put((uint64_t)cell);
	return NULL;
}

void kstack_free(void *base, size_t pages)
{
	struct spare *s = base;
	uint64_t irq;

	kassert((uint64_t)base >= stacks() && (uint64_t)base < stacks() + CELLS * CELL_BYTES);
	irq = spin_lock_irqsave(&lock);
	s->pages = pages;
	s->next = spares;
	spares = s;
	nspares++;
	spin_unlock_irqrestore(&lock, irq);
}

bool kstack_is_guard(uint64_t va)
{
	uint64_t pte, cell;

	if (va < stacks() || va >= stacks() + CELLS * CELL_BYTES)
		return false;
	cell = (va - stacks()) / CELL_BYTES;
	kmap_lookup(va, &pte);
	return pte == 0 && cell_used[cell / 64] & BIT(cell % 64);
}
