/* SPDX-License-Identifier: MIT */
/*
 * The kernel half. The boot tables are adopted as they are; top-level entries are final after
 * kmap_init(), because each of libkaiser's roots holds a copy of them. Tables below are shared by
 * all roots, so a change here is seen everywhere at once, up to the TLBs. A table, once linked, is
 * never freed: kmap_lookup() walks without a lock, even from a double fault.
 */
#include "kmap.h"

#include "boot.h"
#include "cpu.h"
#include "kmap_internal.h"
#include "port.h"
#include "printk.h"

#define TABLE_ENTRIES 512
#define EFER_MSR      0xc0000080
#define EFER_NXE      BIT(11)
#define PTE_PAT_LARGE BIT(12) /* in entries of 2 MiB and 1 GiB; of 4 KiB it is bit 7 */

phys_t kernel_root;
uint64_t kmap_slot;

static spinlock_t lock = SPINLOCK_INIT; /* irqsave; all tables of the kernel half */
static uint64_t mmio_next;

uint64_t pte_nx(void)
{
	static uint64_t nx HOT_DATA;

	if (!nx && rdmsr(EFER_MSR) & EFER_NXE)
		nx = PTE_NX;
	return nx;
}

static unsigned shift_of(unsigned level)
{
	return PAGE_SHIFT + 9 * level;
}

/* The entry that decides about va, and its level: 0 for 4 KiB. With `make`, always of level 0
 * unless a large page is there; NULL then means out of memory. */
static uint64_t *walk(uint64_t va, unsigned *level, bool make)
{
	uint64_t *table = phys_to_virt(kernel_root);

	for (unsigned l = paging_levels - 1;; l--) {
		uint64_t *e = &table[va >> shift_of(l) & (TABLE_ENTRIES - 1)];

		*level = l;
		if (l == 0 || (*e & PTE_P && *e & PTE_PS))
			return e;
		if (!(*e & PTE_P)) {
			void *t;

			if (!make)
				return e;
			kassert(l != paging_levels - 1); /* top-level entries are final */
			t = page_zalloc();
			if (!t)
				return NULL;
			__atomic_store_n(e, virt_to_phys(t) | PTE_P | PTE_W, __ATOMIC_RELEASE);
		}
		table = phys_to_virt(*e & PTE_ADDR);
	}
}

/* Replaces a large page by a table of the next size down that maps the same. The translation does
 * not change, so stale TLB entries stay right until the caller's flush. */
static int split(uint64_t *e, unsigned level)
{
	uint64_t old = *e, flags, pa;
	uint64_t *t = page_zalloc();

	if (!t)
		return -ENOMEM;
	pa = old & PTE_ADDR & ~(BIT(shift_of(level)) - 1);
	flags = old & (~PTE_ADDR | PTE_PAT_LARGE);
	if (level == 1) {
		flags &= ~(PTE_PS | PTE_PAT_LARGE);
		if (old & PTE_PAT_LARGE)
			flags |= BIT(7);
	}
	for (uint64_t i = 0; i < TABLE_ENTRIES; i++)
		t[i] = (pa + (i << shift_of(level - 1))) | flags;
	__atomic_store_n(e, virt_to_phys(t) | PTE_P | PTE_W, __ATOMIC_RELEASE);
	return 0;
}

static uint64_t prot_bits(unsigned prot)
{
	uint64_t bits = PTE_P | PTE_A;

	if (prot & KMAP_W)
		bits |= PTE_W | PTE_D;
	if (!(prot & KMAP_X))
		bits |= pte_nx();
	if (prot & KMAP_UNCACHED)
		bits |= PTE_PCD | PTE_PWT;
	return bits;
}

static void flush(uint64_t start, uint64_t end)
{
	if (percpu_ready) {
		kaiser_flush_kernel(&kaiser, start, end);
		return;
	}
	for (uint64_t va = start; va < end; va += PAGE_SIZE)
		__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

int kmap_map(uint64_t va, phys_t pa, size_t pages, unsigned prot)
{
	uint64_t bits = prot_bits(prot);
	uint64_t irq = spin_lock_irqsave(&lock);
	size_t done;

	for (done = 0; done < pages; done++) {
		unsigned level;
		uint64_t *e = walk(va + done * PAGE_SIZE, &level, true);

		if (!e)
			break;
		kassert(level == 0 && !(*e & PTE_P));
		__atomic_store_n(e, (pa + done * PAGE_SIZE) | bits, __ATOMIC_RELEASE);
	}
	spin_unlock_irqrestore(&lock, irq);
	if (done == pages)
		return 0;
	kmap_unmap(va, done);
	return -ENOMEM;
}

void kmap_unmap(uint64_t va, size_t pages)
{
	uint64_t irq;

	if (pages == 0)
		return;
	irq = spin_lock_irqsave(&lock);
	for (size_t i = 0; i < pages; i++) {
		unsigned level;
		uint64_t *e = walk(va + i * PAGE_SIZE, &level, false);

		kassert(level == 0 && *e & PTE_P);
		__atomic_store_n(e, 0, __ATOMIC_RELEASE);
	}
	spin_unlock_irqrestore(&lock, irq);
	flush(va, va + pages * PAGE_SIZE);
}

int kmap_protect(uint64_t va, size_t pages, unsigned prot)
{
	const uint64_t start = va, end = va + pages * PAGE_SIZE;
	uint64_t bits = prot_bits(prot);
	uint64_t irq = spin_lock_irqsave(&lock);
	int err = 0;

	while (va < end && !err) {
		unsigned level;
		uint64_t *e = walk(va, &level, false);
		uint64_t size = BIT(shift_of(level));

		kassert(*e & PTE_P);
		if (level > 0 && (va & (size - 1) || end - va < size)) {
			err = split(e, level);
			continue;
		}
		if (level > 0)
			__atomic_store_n(e,
					 (*e & PTE_ADDR & ~(size - 1)) | (*e & PTE_PAT_LARGE) |
						 bits | PTE_PS,
					 __ATOMIC_RELEASE);
		else
			__atomic_store_n(e, (*e & (PTE_ADDR | BIT(7))) | bits, __ATOMIC_RELEASE);
		va += size;
	}
	spin_unlock_irqrestore(&lock, irq);
	if (va > start)
		flush(start, va);
	return err;
}

phys_t kmap_lookup(uint64_t va, uint64_t *pte)
{
	unsigned level;
	uint64_t e = *walk(va, &level, false);
	uint64_t mask = BIT(shift_of(level)) - 1;

	if (!(e & PTE_P)) {
		*pte = 0;
		return 0;
	}
	*pte = e;
	return (e & PTE_ADDR & ~mask) | (va & mask);
}

volatile void *kmap_mmio(phys_t pa, size_t bytes)
{
	phys_t first = ALIGN_DOWN(pa, PAGE_SIZE);
	size_t pages = (ALIGN_UP(pa + bytes, PAGE_SIZE) - first) >> PAGE_SHIFT;
	uint64_t irq = spin_lock_irqsave(&lock);
	uint64_t va = mmio_next;

	mmio_next += (pages + 1) * PAGE_SIZE; /* one unmapped page between any two */
	spin_unlock_irqrestore(&lock, irq);
	if (va + pages * PAGE_SIZE > kmap_slot + KMAP_SLOT_BYTES ||
	    kmap_map(va, first, pages, KMAP_W | KMAP_UNCACHED) != 0)
		return NULL;
	return (volatile char *)(uintptr_t)(va + (pa - first));
}

/* A top-level entry that must be there before libkaiser copies the kernel half. */
static void ensure_top(uint64_t va)
{
	uint64_t *e =
		(uint64_t *)phys_to_virt(kernel_root) + (va >> shift_of(paging_levels - 1) & 511);
	void *t;

	if (*e & PTE_P)
		return;
	t = page_zalloc();
	if (!t)
		panic("no memory for the kernel's page tables");
	*e = virt_to_phys(t) | PTE_P | PTE_W;
}

void kmap_init(const struct boot_info *bi)
{
	kernel_root = bi->kernel_root & PTE_ADDR;
	kmap_slot = bi->kmap_base;
	mmio_next = kmap_slot + KMAP_MMIO;
	ensure_top(kmap_slot);
	ensure_top(bi->window_base);
}
