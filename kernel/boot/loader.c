/* SPDX-License-Identifier: MIT */
/* The two loaders' hand-off structures. */
#include "local.h"

const void *loader_ptr(uint64_t pa, uint64_t bytes, const char *what)
{
	if (!pa || pa >= EARLY_MAP_END || bytes > EARLY_MAP_END - pa)
		boot_fatal("the loader put %s out of reach, at 0x%lx", what, pa);
	return (const void *)(uintptr_t)pa;
}

struct mem_entry loader_mem(const struct loader *l, unsigned i)
{
	struct mem_entry e;
	uint64_t bytes;
	const uint8_t *p = l->mmap + (size_t)i * l->mmap_stride;

	memcpy(&e.start, p, sizeof(e.start));
	memcpy(&bytes, p + 8, sizeof(bytes));
	memcpy(&e.type, p + 16, sizeof(e.type));
	e.start = MIN(e.start, BOOT_PHYS_LIMIT);
	e.end = e.start + MIN(bytes, BOOT_PHYS_LIMIT - e.start);
	return e;
}

#define PVH_MAGIC 0x336ec578

struct pvh_start_info {
	uint32_t magic, version, flags, modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct pvh_module {
	uint64_t start, bytes, cmdline, reserved;
};

void loader_pvh(struct loader *l, uint64_t info)
{
	const struct pvh_start_info *si =
		loader_ptr(info, sizeof(*si), "the PVH start information");

	if (si->magic != PVH_MAGIC)
		boot_fatal("the PVH start information has magic 0x%x, not 0x%x", si->magic,
			   PVH_MAGIC);
	if (si->version < 1 || !si->memmap_entries)
		boot_fatal("the PVH start information (version %u) has no memory map", si->version);
	l->mmap_stride = 24;
	l->mmap_count = si->memmap_entries;
	l->mmap =
		loader_ptr(si->memmap, (uint64_t)l->mmap_count * l->mmap_stride, "the memory map");
	if (si->cmdline)
		l->cmdline = loader_ptr(si->cmdline, 4096, "the command line");
	if (si->modules) {
		const struct pvh_module *m = loader_ptr(si->modlist, sizeof(*m), "the module list");

		l->initrd = m->start;
		l->initrd_bytes = m->bytes;
	}
	l->rsdp = si->rsdp;
}

enum { MB2_END = 0, MB2_CMDLINE = 1, MB2_MODULE = 3, MB2_MMAP = 6, MB2_RSDP1 = 14, MB2_RSDP2 = 15 };

struct mb2_tag {
	uint32_t type, size;
	uint32_t word[2]; /* mmap: stride, version; module: start, end */
};

/* multiboot2 hands over copies of the RSDP. They are moved into the image, which stays. */
static uint8_t rsdp_copy[64] __attribute__((__aligned__(16)));

static void keep_rsdp(struct loader *l, const struct mb2_tag *tag)
{
	size_t n = MIN(tag->size - 8, sizeof(rsdp_copy));

	memcpy(rsdp_copy, (const uint8_t *)tag + 8, n);
	l->rsdp = (uintptr_t)rsdp_copy;
}

static void take_tag(struct loader *l, const struct mb2_tag *tag)
{
	const uint8_t *body = (const uint8_t *)tag + 8;

	switch (tag->type) {
	case MB2_CMDLINE:
		l->cmdline = (const char *)body;
		break;
	case MB2_MODULE:
		if (!l->initrd && tag->size >= 16 && tag->word[1] > tag->word[0]) {
			l->initrd = tag->word[0];
			l->initrd_bytes = tag->word[1] - tag->word[0];
		}
		break;
	case MB2_MMAP:
		if (tag->size < 16 || tag->word[0] < 20)
			break;
		l->mmap = body + 8;
		l->mmap_stride = tag->word[0];
		l->mmap_count = (tag->size - 16) / tag->word[0];
		break;
	case MB2_RSDP1:
		if (!l->rsdp)
			keep_rsdp(l, tag);
		break;
	case MB2_RSDP2:
		keep_rsdp(l, tag);
		break;
	}
}

void loader_multiboot2(struct loader *l, uint64_t info)
{
	const uint32_t *head = loader_ptr(info, 8, "the multiboot2 information");
	const uint8_t *p = loader_ptr(info, head[0], "the multiboot2 information");
	const uint8_t *end = p + head[0];
	const struct mb2_tag *tag;

	for (p += 8; end - p >= 8; p += ALIGN_UP(tag->size, 8)) {
		tag = (const struct mb2_tag *)p;
		if (tag->type == MB2_END)
			break;
		if (tag->size < 8 || tag->size > (uint64_t)(end - p))
			boot_fatal("multiboot2 tag %u has the wrong size %u", tag->type, tag->size);
		take_tag(l, tag);
	}
	if (!l->mmap_count)
		boot_fatal("the multiboot2 information has no memory map");
}
