/* SPDX-License-Identifier: MIT */
/*
 * The kernel half of the page tables, for good: every top-level entry it will ever have exists when
 * this is done, so that all address spaces can share them. The image is mapped by 4 KiB pages with
 * no page both writable and executable, not through the direct map either: there the image's text
 * and constants are read-only. Nothing is GLOBAL, nothing is mapped to itself.
 *
 * The top-level table lies on an even page frame, as a kernel root must.
 */
#include "local.h"

#include "cpu.h"
#include "kmap.h"

#define ENTRIES      512
#define SHIFT(level) (12 + 9 * (level)) /* level 0 holds 4 KiB pages */
#define TABLE        (PTE_P | PTE_W | PTE_A)

static uint64_t pool, pool_end; /* zeroed on use */
static bool has_1g;
static uint64_t nx;
static unsigned top; /* the root's level: 3 or 4 */

static void *table_alloc(void)
{
	void *table = (void *)(uintptr_t)pool;

	if (pool >= pool_end)
		boot_fatal("the page tables need more than %lu KiB", pool_end >> 10);
	memset(table, 0, PAGE_SIZE);
	pool += PAGE_SIZE;
	return table;
}

static unsigned slot(uint64_t va, unsigned level)
{
	return (unsigned)(va >> SHIFT(level)) % ENTRIES;
}

/* The table below table[i], made if missing. */
static uint64_t *descend(uint64_t *table, unsigned i)
{
	if (!(table[i] & PTE_P))
		table[i] = (uintptr_t)table_alloc() | TABLE;
	return (uint64_t *)(uintptr_t)(table[i] & PTE_ADDR);
}

static unsigned largest_level(uint64_t va, uint64_t pa, uint64_t bytes, unsigned max_level)
{
	unsigned level = max_level;

	while (level && (((va | pa) & (BIT(SHIFT(level)) - 1)) || bytes < BIT(SHIFT(level))))
		level--;
	return level;
}

static void map(uint64_t *root, uint64_t va, phys_t pa, uint64_t bytes, uint64_t flags,
		unsigned max_level)
{
	uint64_t end = va + bytes;

	while (va < end) {
		unsigned level = largest_level(va, pa, end - va, max_level);
		uint64_t *table = root;

		for (unsigned l = top; l > level; l--)
			table = descend(table, slot(va, l));
		table[slot(va, level)] = pa | flags | (level ? PTE_PS : 0);
		va += BIT(SHIFT(level));
		pa += BIT(SHIFT(level));
	}
}

static void map_image(uint64_t *root, const struct boot_info *bi, char *from, char *to,
		      uint64_t flags)
{
	uint64_t offset = (uint64_t)(from - kernel_image_start);

	map(root, bi->image_base + offset, bi->image_phys + offset, (uint64_t)(to - from), flags,
	    0);
}

static void map_direct(uint64_t *root, const struct boot_info *bi, uint64_t start, uint64_t end,
		       uint64_t flags)
{
	if (start < end)
		map(root, bi->direct_map_base + start, start, end - start, flags, has_1g ? 2 : 1);
}

static void map_all(uint64_t *root, const struct boot_info *bi, const struct range_set *mapped)
{
	uint64_t rx = PTE_P | PTE_A, ro = PTE_P | PTE_A | nx,
		 rw = PTE_P | PTE_W | PTE_A | PTE_D | nx;
	uint64_t ro_start = bi->image_phys;
	uint64_t ro_end = bi->image_phys + (uint64_t)(kernel_rodata_end - kernel_image_start);
	uint64_t *table = root;

	map_image(root, bi, kernel_text_start, kernel_text_end, rx);
	map_image(root, bi, kernel_rodata_start, kernel_rodata_end, ro);
	map_image(root, bi, kernel_data_start, boot_stack_guard, rw);
	map_image(root, bi, boot_stack_guard + PAGE_SIZE, kernel_image_end, rw);

	for (unsigned i = 0; i < mapped->n; i++) {
		uint64_t start = mapped->r[i].start, end = mapped->r[i].end;

		map_direct(root, bi, start, MIN(end, ro_start), rw);
		map_direct(root, bi, MAX(start, ro_start), MIN(end, ro_end), ro);
		map_direct(root, bi, MAX(start, ro_end), end, rw);
	}

	descend(root, slot(bi->kmap_base, top));
	for (unsigned l = top; l > 2; l--)
		table = descend(table, ENTRIES - 1);
	descend(table, ENTRIES - 2);
	descend(table, ENTRIES - 1);
}

/* An upper bound of what map_all() takes. */
static uint64_t tables_needed(const struct boot_info *bi, const struct range_set *mapped)
{
	uint64_t pages = 20 + bi->image_bytes / PAGE_2M + (bi->phys_top >> SHIFT(3));

	for (unsigned i = 0; i <= mapped->n; i++)
		pages += 4;
	if (!has_1g)
		for (unsigned i = 0; i < mapped->n; i++)
			pages += (mapped->r[i].end - mapped->r[i].start) / PAGE_1G + 1;
	return pages;
}

void boot_tables(struct boot_info *bi, struct range_set *usable, const struct range_set *mapped)
{
	uint32_t leaf[4];
	uint64_t need, start = 0;
	uint64_t *root, *early = (uint64_t *)(uintptr_t)boot_early_root;

	cpuid(0x80000001, 0, leaf);
	has_1g = leaf[3] & BIT(26);
	nx = (leaf[3] & BIT(20)) ? PTE_NX : 0;
	top = bi->levels - 1;

	need = tables_needed(bi, mapped) * PAGE_SIZE;
	for (unsigned i = 0; i < usable->n && !start; i++) {
		uint64_t at = ALIGN_UP(usable->r[i].start, 2 * PAGE_SIZE);

		if (at + need <= MIN(usable->r[i].end, EARLY_MAP_END))
			start = at;
	}
	if (!start)
		boot_fatal("too little memory: no %lu KiB in one piece for page tables",
			   need >> 10);
	pool = start;
	pool_end = start + need;

	root = table_alloc();
	map_all(root, bi, mapped);
	range_remove(usable, start, pool);
	bi->kernel_root = (uintptr_t)root;
	/* For boot_enter(), which is at both addresses while it crosses over. With five levels it
	 * enters by a root above the early one. */
	if (bi->levels == 5) {
		uint64_t *early5 = (uint64_t *)(uintptr_t)boot_early_root5;

		early5[0] = (uintptr_t)early | TABLE;
		early5[ENTRIES - 1] = root[ENTRIES - 1];
	} else {
		early[ENTRIES - 1] = root[ENTRIES - 1];
	}
}
