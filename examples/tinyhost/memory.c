/* SPDX-License-Identifier: MIT */
/* Pages, and this kernel's own page tables: image and direct map, each with its rights. */
#include "tiny.h"

#define MEMORY_END (UINT64_C(32) << 20) /* what is used of it, wherever it ends */

uint64_t kernel_root;
static uint64_t next_page;
static void **free_pages[2];

/* Naturally aligned, cleared. */
void *page_alloc(void *ctx, unsigned order)
{
	uint64_t bytes = PAGE << order, *p = (uint64_t *)free_pages[order];

	if (p) {
		free_pages[order] = *free_pages[order];
	} else {
		next_page = (next_page + bytes - 1) & ~(bytes - 1);
		if (next_page + bytes > MEMORY_END)
			return NULL;
		p = phys_to_virt(ctx, next_page);
		next_page += bytes;
	}
	for (unsigned i = 0; i < bytes / 8; i++)
		p[i] = 0;
	return p;
}

void page_free(void *ctx, void *va, unsigned order)
{
	*(void **)va = free_pages[order];
	free_pages[order] = va;
}

kaiser_pa_t virt_to_phys(void *ctx, const void *va)
{
	return (uint64_t)va - ((uint64_t)va >= KERNEL_BASE ? KERNEL_BASE : DIRECT_MAP);
}

void *phys_to_virt(void *ctx, kaiser_pa_t pa)
{
	return (void *)(DIRECT_MAP + pa);
}

/* Makes the tables that are missing; false if memory is out. Upper entries grant what leaves may.
 */
bool map_page(uint64_t *table, uint64_t va, uint64_t pa, uint64_t bits)
{
	for (unsigned shift = 39; shift > 12; shift -= 9) {
		uint64_t *e = &table[va >> shift & 511];
		void *page = *e & PTE_P ? NULL : page_alloc(NULL, 0);
		if (page)
			*e = virt_to_phys(NULL, page) | PTE_P | PTE_W | (bits & PTE_U);
		else if (!(*e & PTE_P))
			return false;
		table = phys_to_virt(NULL, *e & ~(PAGE - 1));
	}
	table[va >> 12 & 511] = pa | bits;
	return true;
}

static void map_image(uint64_t *top, const char *start, const char *end, uint64_t bits)
{
	for (uint64_t va = (uint64_t)start; va < (uint64_t)end; va += PAGE)
		if (!map_page(top, va, va - KERNEL_BASE, bits | PTE_P))
			panic(NULL, "out of memory for the image's tables");
}

/* Text alone is executable and nothing is in the user half. The direct map is boot.S's, with NX. */
void memory_init(void)
{
	extern char image_text[], image_rodata[], image_data[], image_end[];
	extern uint64_t boot_root[];
	uint64_t *top;

	next_page = (uint64_t)image_end - KERNEL_BASE;
	top = page_alloc(NULL, 1); /* on an even page: CR3 bit 12 says "user root" */
	top[DIRECT_MAP >> 39 & 511] = boot_root[DIRECT_MAP >> 39 & 511] | PTE_NX;
	map_image(top, image_text, image_rodata, 0);
	map_image(top, image_rodata, image_data, PTE_NX);
	map_image(top, image_data, image_end, PTE_W | PTE_NX);
	kernel_root = virt_to_phys(NULL, top);
	__asm__ volatile("movq %0, %%cr3" ::"r"(kernel_root) : "memory");
}
