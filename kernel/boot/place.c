/* SPDX-License-Identifier: MIT */
/*
 * Where things go in the kernel half. Five draws, none derived from another, so that whoever learns
 * one address has learnt only that one:
 *   image        the top 2 GiB, 2 MiB steps          about 1000 places
 *   window       the top 2 GiB, 2 MiB steps          about 1000 places, clear of the image
 *   direct map   [0xffff888000000000, ..c880..), 1 GiB steps   about 65000 places
 *   kmap         [0xffffd00000000000, ..f000..), 512 GiB steps      64 places
 *   LDTs         [0xfffff00000000000, ffffff0000000000), two top-level entries      29 places
 * and with five levels of page tables
 *   direct map   [0xff11000000000000, ff90..), 1 GiB steps          33 million places
 *   kmap         [0xffa0000000000000, ffd2..), 512 GiB steps        25600 places
 *   LDTs         [0xffd2000000000000, fff0..), two top-level entries 29 places
 * The last 2 MiB stay empty: error pointers and -1 point there.
 */
#include "local.h"

#define TOP_2G    UINT64_C(0xffffffff80000000)
#define TOP_END   UINT64_C(0xffffffffffe00000)
#define SLOT_512G (UINT64_C(1) << 39)

struct regions {
	uint64_t direct, direct_end, kmap, kmap_end;
	unsigned ldt, ldt_last; /* indices in the top-level table */
};
static const struct regions four_levels = {
	.direct = UINT64_C(0xffff888000000000),
	.direct_end = UINT64_C(0xffffc88000000000),
	.kmap = UINT64_C(0xffffd00000000000),
	.kmap_end = UINT64_C(0xfffff00000000000),
	.ldt = 480,
	.ldt_last = 508,
};
static const struct regions five_levels = {
	.direct = UINT64_C(0xff11000000000000),
	.direct_end = UINT64_C(0xff90000000000000),
	.kmap = UINT64_C(0xffa0000000000000),
	.kmap_end = UINT64_C(0xffd2000000000000),
	.ldt = 466,
	.ldt_last = 494,
};

/* A multiple of step in [first, last]. */
static uint64_t pick(uint64_t first, uint64_t last, uint64_t step)
{
	return first + entropy_draw() % ((last - first) / step + 1) * step;
}

void boot_place(struct boot_info *bi)
{
	uint64_t image = ALIGN_UP(bi->image_bytes, PAGE_2M);
	uint64_t direct = ALIGN_UP(bi->phys_top, PAGE_1G);
	const struct regions *r = bi->levels == 5 ? &five_levels : &four_levels;

	if (!bi->kaslr) {
		bi->image_base = TOP_2G + MIB(16);
		bi->window_base = UINT64_C(0xffffffffc0000000);
		bi->direct_map_base = r->direct;
		bi->kmap_base = r->kmap + 32 * SLOT_512G;
		bi->ldt_top = r->ldt;
		return;
	}
	bi->image_base = pick(TOP_2G, TOP_END - image - PAGE_2M, PAGE_2M);
	/* An unmapped large page at least between the two. */
	do {
		bi->window_base = pick(TOP_2G, TOP_END - BOOT_WINDOW_BYTES, PAGE_2M);
	} while (bi->window_base <= bi->image_base + image &&
		 bi->image_base <= bi->window_base + BOOT_WINDOW_BYTES);
	bi->direct_map_base = pick(r->direct, r->direct_end - direct, PAGE_1G);
	bi->kmap_base = pick(r->kmap, r->kmap_end - SLOT_512G, SLOT_512G);
	bi->ldt_top = (unsigned)pick(r->ldt, r->ldt_last, 1);
}
