/* SPDX-License-Identifier: MIT */
/* The kernel half of the page tables. All its top-level entries exist from boot on and never
 * change, so every space shares them. Nothing here is ever GLOBAL. */
#ifndef KERNEL_KMAP_H
#define KERNEL_KMAP_H

#include "page.h"

#define PTE_P    BIT(0)
#define PTE_W    BIT(1)
#define PTE_U    BIT(2)
#define PTE_PWT  BIT(3)
#define PTE_PCD  BIT(4)
#define PTE_A    BIT(5)
#define PTE_D    BIT(6)
#define PTE_PS   BIT(7)
#define PTE_G    BIT(8)
#define PTE_NX   BIT(63)
#define PTE_ADDR UINT64_C(0x000ffffffffff000)

enum { KMAP_R = 0, KMAP_W = 1, KMAP_X = 2, KMAP_UNCACHED = 4 };

extern phys_t kernel_root; /* the host's kernel top-level table; never loaded once gates are live */

/* PTE_NX if the CPU has it, else 0. */
uint64_t pte_nx(void);

/* Maps [va, va+4K*pages) in the kernel half; replaces nothing: the range must be unmapped.
 * May allocate tables. 0 or -ENOMEM. */
int kmap_map(uint64_t va, phys_t pa, size_t pages, unsigned prot);
/* Unmaps and flushes everywhere; frees no page. */
void kmap_unmap(uint64_t va, size_t pages);
/* Changes rights of mapped pages (splits large ones), flushes everywhere. */
int kmap_protect(uint64_t va, size_t pages, unsigned prot);
/* What the kernel half maps at va, or 0 with *pte = 0. */
phys_t kmap_lookup(uint64_t va, uint64_t *pte);

/* Device memory at a fresh address (uncached); NULL when out of memory. Never undone. */
volatile void *kmap_mmio(phys_t pa, size_t bytes);

/* A stack of `pages` with an unmapped guard page below; returns its lowest byte. */
void *kstack_alloc(size_t pages);
void kstack_free(void *base, size_t pages);
/* True if va lies in the guard page below such a stack: a stack overflow. */
bool kstack_is_guard(uint64_t va);

/* From boot.h's information: adopts the boot tables. */
void kmap_init(const struct boot_info *bi);

#endif
