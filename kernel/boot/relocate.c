/* SPDX-License-Identifier: MIT */
/*
 * R_X86_64_RELATIVE, the only kind of relocation the image has: the word at `offset` becomes the
 * link-time address `addend` moved along with the image. The addends are in the table, not in the
 * words, so the image can be relocated as often as it moves.
 */
#include "local.h"

#define LINK_BASE  UINT64_C(0xffffffff80000000)
#define R_RELATIVE 8

struct rela {
	uint64_t offset, info;
	int64_t addend;
};

void boot_relocate(uint64_t base)
{
	const struct rela *r = (const struct rela *)(uintptr_t)boot_rela_start;
	const struct rela *end = (const struct rela *)(uintptr_t)boot_rela_end;

	for (; r < end; r++) {
		uint64_t value = (uint64_t)r->addend - LINK_BASE + base;

		if (r->info != R_RELATIVE)
			boot_fatal("relocation of type 0x%lx in the image", r->info);
		memcpy(kernel_image_start + (r->offset - LINK_BASE), &value, sizeof(value));
	}
}
