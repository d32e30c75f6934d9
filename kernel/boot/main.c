/* SPDX-License-Identifier: MIT */
/* From the loader's hand-off to kernel_main(): the order of things. */
#include "local.h"

#include "cpu.h"

/* In the image, so that it outlives the loader's memory. */
static struct boot_info info;
static struct range_set usable, mapped;

static void copy_cmdline(struct boot_info *bi, const struct loader *l)
{
	size_t max = sizeof(bi->cmdline);
	size_t n;

	if (!l->cmdline)
		return;
	n = strnlen(l->cmdline, max);
	if (n == max)
		boot_fatal("the command line is longer than %zu bytes", max - 1);
	memcpy(bi->cmdline, l->cmdline, n);
}

static void describe_image(struct boot_info *bi)
{
	bi->image_phys = (phys_t)(uintptr_t)kernel_image_start;
	bi->image_bytes = (uint64_t)(kernel_image_end - kernel_image_start);
	if (bi->image_phys != BOOT_PHYS)
		boot_fatal("the image was loaded at 0x%lx instead of 0x%x", bi->image_phys,
			   BOOT_PHYS);
}

static bool cpu_has_la57(void)
{
	uint32_t leaf[4];

	cpuid(0, 0, leaf);
	if (leaf[0] < 7)
		return false;
	cpuid(7, 0, leaf);
	return leaf[2] & BIT(16);
}

noreturn void boot_main(uint64_t by, uint64_t loader_info)
{
	struct boot_info *bi = &info;
	struct loader l = {0};
	uint64_t delta;

	boot_relocate((uint64_t)(uintptr_t)kernel_image_start);
	boot_serial_init();
	boot_idt_load();
	describe_image(bi);
	if (by == BOOT_BY_PVH)
		loader_pvh(&l, loader_info);
	else
		loader_multiboot2(&l, loader_info);
	copy_cmdline(bi, &l);
	cmdline_init(bi->cmdline);
	boot_memory(&l, bi, &usable, &mapped);
	bi->rsdp = l.rsdp;

	entropy_collect();
	entropy_absorb_bytes(bi, sizeof(*bi));
	bi->kaslr = !cmdline_has("nokaslr");
	bi->levels = !cmdline_has("no5lvl") && cpu_has_la57() ? 5 : 4;
	boot_place(bi);
	bi->entropy = entropy_draw();

	boot_tables(bi, &usable, &mapped);
	bi->ram_ranges = usable.n;
	memcpy(bi->ram, usable.r, sizeof(bi->ram));

	delta = bi->image_base - bi->image_phys;
	boot_relocate(bi->image_base);
	boot_enter(delta, bi->kernel_root, (struct boot_info *)((uintptr_t)bi + delta), bi->levels);
}

noreturn void boot_arrived(struct boot_info *bi)
{
	boot_idt_load();
	cmdline_init(bi->cmdline);
	kernel_main(bi);
}

phys_t kernel_image_phys(const void *va)
{
	return info.image_phys + (uint64_t)((const char *)va - kernel_image_start);
}
