/* SPDX-License-Identifier: MIT */
/* What the boot code hands to kernel_main(). */
#ifndef KERNEL_BOOT_H
#define KERNEL_BOOT_H

#include "page.h"

#define BOOT_MAX_RANGES 64

struct boot_range {
	phys_t start, end; /* [start, end), page aligned inwards */
};

struct boot_info {
	/* Usable RAM, sorted, merged; the kernel image, boot tables, initrd, command line and the
	 * first 1 MiB already taken out (the initrd is given back by kernel_main after unpacking).
	 */
	struct boot_range ram[BOOT_MAX_RANGES];
	unsigned ram_ranges;
	phys_t phys_top; /* one past the highest RAM address, reserved RAM included */

	uint64_t image_base; /* where the kernel image's first byte is mapped (KASLR) */
	phys_t image_phys;
	uint64_t image_bytes;
	uint64_t direct_map_base;
	uint64_t window_base; /* 2 MiB aligned, room for BOOT_WINDOW_BYTES */
	uint64_t kmap_base;   /* 512 GiB slot for stacks, MMIO and other 4K mappings */
	unsigned ldt_top;     /* the first of two top-level entries for libkaiser's LDTs */
	phys_t kernel_root;   /* the running top-level table */
	unsigned levels;      /* of paging: 4 or 5 */

	phys_t initrd; /* 0 if none */
	uint64_t initrd_bytes;
	bool initrd_kept; /* some of it is not ours: it is not given back */
	phys_t rsdp;      /* 0 if the loader gave none */
	uint64_t entropy; /* a seed, good for one use */
	bool kaslr;
	char cmdline[4096]; /* always ended; what is too long is a boot error */
};

#define BOOT_WINDOW_BYTES (16UL << 20)

/* kernel/main.c: the boot CPU, at the final addresses, interrupts off. */
noreturn void kernel_main(const struct boot_info *bi);

/* Command line: true if `key` stands alone, or as key=value (value copied, cut to n). */
bool cmdline_has(const char *key);
bool cmdline_get(const char *key, char *value, size_t n);
void cmdline_init(const char *cmdline);
/* The next word of *line, ended in place and *line moved past it; NULL at the end. */
char *cmdline_split(char **line);

/* Where the linker put things. */
extern char kernel_image_start[], kernel_text_start[], kernel_text_end[], kernel_rodata_start[],
	kernel_rodata_end[], kernel_data_start[], kernel_image_end[];
phys_t kernel_image_phys(const void *va);

#endif
