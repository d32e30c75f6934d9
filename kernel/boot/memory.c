/* SPDX-License-Identifier: MIT */
/*
 * The memory map: what may be allocated, and what the direct map reaches. Maps may overlap, be
 * unsorted and not page aligned: usable ranges shrink to whole pages, every other kind wins over
 * them.
 */
#include "local.h"

#define LOW_MEMORY      MIB(1)
#define NEEDED_AT_LEAST MIB(2) /* left for the kernel, the initrd not counted */
#define ABUTTING_MAX    MIB(16)

static bool is_ram(const struct mem_entry *e)
{
	return e->type == MEM_USABLE || e->type == MEM_ACPI || e->type == MEM_ACPI_NVS;
}

static void find_usable(const struct loader *l, struct range_set *usable)
{
	struct mem_entry e;
	unsigned i;

	for (i = 0; i < l->mmap_count; i++) {
		e = loader_mem(l, i);
		if (e.type == MEM_USABLE)
			range_add(usable, ALIGN_UP(e.start, PAGE_SIZE),
				  ALIGN_DOWN(e.end, PAGE_SIZE));
	}
	for (i = 0; i < l->mmap_count; i++) {
		e = loader_mem(l, i);
		if (e.type != MEM_USABLE)
			range_remove(usable, ALIGN_DOWN(e.start, PAGE_SIZE),
				     ALIGN_UP(e.end, PAGE_SIZE));
	}
}

/* Firmware reserves the end of RAM for its ACPI tables without saying that it is RAM. A reserved
 * range that begins where RAM ends is taken for that, up to a size that no device window has. */
static void add_firmware_ram(const struct loader *l, struct range_set *mapped)
{
	for (unsigned i = 0; i < l->mmap_count; i++) {
		struct mem_entry e = loader_mem(l, i);
		uint64_t start = ALIGN_DOWN(e.start, PAGE_SIZE);
		uint64_t end = ALIGN_UP(MIN(e.end, e.start + ABUTTING_MAX), PAGE_SIZE);

		if (e.type == MEM_USABLE || e.start >= e.end)
			continue;
		for (unsigned j = 0; j < mapped->n; j++) {
			if (mapped->r[j].start < start && start <= mapped->r[j].end) {
				range_add(mapped, start, end);
				break;
			}
		}
	}
}

static void find_mapped(const struct loader *l, struct range_set *mapped)
{
	for (unsigned i = 0; i < l->mmap_count; i++) {
		struct mem_entry e = loader_mem(l, i);

		if (is_ram(&e) && e.start < e.end)
			range_add(mapped, ALIGN_DOWN(e.start, PAGE_SIZE),
				  ALIGN_UP(e.end, PAGE_SIZE));
	}
	add_firmware_ram(l, mapped);
	/* BIOS data, EBDA; and the BIOS itself, where the RSDP may be. Not VGA's hole. */
	range_remove(mapped, 0, LOW_MEMORY);
	range_add(mapped, 0, 0xa0000);
	range_add(mapped, 0xe0000, LOW_MEMORY);
}

/* QEMU 10 puts the initrd of a microvm over the last page of RAM, which its firmware says it
 * keeps: what was loaded last is there, and the page is not ours to give away afterwards. */
static void take_initrd(const struct loader *l, struct boot_info *bi, struct range_set *usable,
			const struct range_set *mapped)
{
	uint64_t start = ALIGN_DOWN(l->initrd, PAGE_SIZE);
	uint64_t end;

	if (!l->initrd_bytes)
		return;
	if (l->initrd_bytes > BOOT_PHYS_LIMIT || l->initrd > BOOT_PHYS_LIMIT)
		boot_fatal("the initrd's place makes no sense: 0x%lx, %lu bytes", l->initrd,
			   l->initrd_bytes);
	end = ALIGN_UP(l->initrd + l->initrd_bytes, PAGE_SIZE);
	bi->initrd_kept = !range_contains(usable, start, end);
	if (bi->initrd_kept && !range_contains(mapped, start, end))
		boot_fatal("the initrd (%lu KiB at 0x%lx) does not lie in memory",
			   l->initrd_bytes >> 10, l->initrd);
	range_remove(usable, start, end);
	bi->initrd = l->initrd;
	bi->initrd_bytes = l->initrd_bytes;
}

void boot_memory(const struct loader *l, struct boot_info *bi, struct range_set *usable,
		 struct range_set *mapped)
{
	uint64_t image_end = bi->image_phys + bi->image_bytes;

	find_usable(l, usable);
	find_mapped(l, mapped);
	if (usable->lost || mapped->lost)
		boot_warn("the memory map has more than %u ranges: %u small ones are not used",
			  BOOT_MAX_RANGES, usable->lost + mapped->lost);
	range_remove(usable, 0, LOW_MEMORY);
	if (!range_contains(usable, bi->image_phys, image_end))
		boot_fatal("too little memory: the kernel needs RAM at [0x%lx, 0x%lx)",
			   bi->image_phys, image_end);
	range_remove(usable, bi->image_phys, image_end);
	take_initrd(l, bi, usable, mapped);
	if (range_total(usable) < NEEDED_AT_LEAST)
		boot_fatal("too little memory: %lu KiB are free beside the kernel and the initrd, "
			   "%lu KiB are needed",
			   range_total(usable) >> 10, NEEDED_AT_LEAST >> 10);
	bi->phys_top = mapped->r[mapped->n - 1].end;
}
