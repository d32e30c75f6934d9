/* SPDX-License-Identifier: MIT */
/*
 * ELF programs: ET_EXEC, and ET_DYN without an interpreter (static PIE), at a random base.
 *
 * Nothing in a header is trusted. Every sum is checked for overflow, every file range against the
 * file's size, every address range against user space; segments must ascend without sharing a
 * page; the entry must lie in a segment that may be executed.
 */
#include "proc.h"
#include "slab.h"
#include "uaccess.h"
#include "vfs.h"

#define LOAD_MIN   UINT64_C(0x10000) /* nothing below: NULL stays unmapped */
#define LOAD_MAX   (USER_END - MM_STACK_ROOM)
#define PIE_BASE   UINT64_C(0x555555554000)
#define PIE_PAGES  BIT(28) /* 1 TiB of places */
#define ALIGN_MOST (UINT64_C(1) << 30)

enum { ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62 };
enum { PT_LOAD = 1, PT_INTERP = 3, PT_GNU_STACK = 0x6474e551 };
enum { PF_X = 1, PF_W = 2, PF_R = 4 };

struct ehdr {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

_Static_assert(sizeof(struct ehdr) == 64 && sizeof(struct phdr) == 56, "ELF64's own sizes");

struct elf {
	struct ehdr eh;
	struct phdr ph[ELF_MAX_PHDRS];
	uint64_t file_size, bias, low, high, align; /* [low, high): of all segments, unbiased */
	bool exec_stack;
};

static bool ends_within(uint64_t start, uint64_t n, uint64_t limit)
{
	return n <= limit && start <= limit - n;
}

static int read_exactly(struct file *f, void *buf, size_t n, uint64_t pos)
{
	long got = file_pread(f, buf, n, pos);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -ENOEXEC;
}

static int read_headers(struct file *f, struct elf *e)
{
	static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	struct ehdr *h = &e->eh;
	int err = read_exactly(f, h, sizeof(*h), 0);

	if (err)
		return err;
	if (memcmp(h->ident, ident, sizeof(ident)) != 0 || h->version != 1 ||
	    h->machine != EM_X86_64 || (h->type != ET_EXEC && h->type != ET_DYN))
		return -ENOEXEC;
	if (h->phentsize != sizeof(struct phdr) || h->phnum == 0 || h->phnum > ELF_MAX_PHDRS)
		return -ENOEXEC;
	if (!ends_within(h->phoff, h->phnum * sizeof(struct phdr), e->file_size))
		return -ENOEXEC;
	return read_exactly(f, e->ph, h->phnum * sizeof(struct phdr), h->phoff);
}

/* One segment that is to be loaded: all of its fields, and its place above the ones before. */
static int check_segment(struct elf *e, const struct phdr *p)
{
	if (p->filesz > p->memsz || !ends_within(p->offset, p->filesz, e->file_size) ||
	    !ends_within(p->vaddr, p->memsz, LOAD_MAX - PAGE_SIZE))
		return -ENOEXEC;
	if ((p->vaddr ^ p->offset) & (PAGE_SIZE - 1))
		return -ENOEXEC;
	if (p->align & (p->align - 1) || p->align > ALIGN_MOST)
		return -ENOEXEC;
	if (ALIGN_DOWN(p->vaddr, PAGE_SIZE) < e->high)
		return -ENOEXEC;
	if (e->high == 0)
		e->low = ALIGN_DOWN(p->vaddr, PAGE_SIZE);
	e->high = ALIGN_UP(p->vaddr + p->memsz, PAGE_SIZE);
	e->align = MAX(e->align, p->align);
	return 0;
}

static int check(struct elf *e)
{
	bool entry_ok = false;

	e->align = PAGE_SIZE;
	for (unsigned i = 0; i < e->eh.phnum; i++) {
		const struct phdr *p = &e->ph[i];
		int err = 0;

		if (p->type == PT_INTERP)
			return -ENOEXEC;
		if (p->type == PT_GNU_STACK)
			e->exec_stack = p->flags & PF_X;
		if (p->type != PT_LOAD || p->memsz == 0)
			continue;
		err = check_segment(e, p);
		if (err)
			return err;
		if (p->flags & PF_X && e->eh.entry >= p->vaddr && e->eh.entry - p->vaddr < p->memsz)
			entry_ok = true;
	}
	return entry_ok ? 0 : -ENOEXEC;
}

static int choose_bias(struct elf *e)
{
	uint64_t base;

	if (e->eh.type == ET_EXEC)
		return e->low >= LOAD_MIN ? 0 : -ENOEXEC;
	base = PIE_BASE + layout_random() % PIE_PAGES * PAGE_SIZE;
	base = ALIGN_UP(base, e->align);
	if (!ends_within(base, e->high, LOAD_MAX))
		return -ENOEXEC;
	/* low keeps its place within the largest alignment. */
	e->bias = base - ALIGN_DOWN(e->low, e->align);
	return 0;
}

static uint32_t prot_of(const struct phdr *p)
{
	return (p->flags & PF_R ? PROT_READ : 0U) | (p->flags & PF_W ? PROT_WRITE : 0U) |
	       (p->flags & PF_X ? PROT_EXEC : 0U);
}

/* The file's pages, then pages of zeros; what the file's last page holds beyond the segment's
 * bytes is noted in *load, to be cleared when the space is loaded. */
static int map_segment(struct elf *e, const struct phdr *p, struct file *f, struct mm *mm,
		       struct elf_load *load)
{
	uint64_t vaddr = p->vaddr + e->bias, start = ALIGN_DOWN(vaddr, PAGE_SIZE);
	uint64_t file_end = vaddr + p->filesz, end = ALIGN_UP(vaddr + p->memsz, PAGE_SIZE);
	uint64_t anon = p->filesz ? ALIGN_UP(file_end, PAGE_SIZE) : start;
	bool partial = p->filesz && p->memsz > p->filesz && file_end < anon;
	uint32_t prot = prot_of(p);
	long at;

	if (anon > start) {
		uint32_t first = prot;

		if (partial) {
			first |= PROT_READ | PROT_WRITE;
			load->bss[load->nbss++] =
				(struct elf_bss){file_end, anon, start, anon, prot};
		}
		at = mm_mmap(mm, start, anon - start, first, MAP_PRIVATE | MAP_FIXED, f->inode,
			     ALIGN_DOWN(p->offset, PAGE_SIZE));
		if (at < 0)
			return (int)at;
	}
	if (end > anon) {
		at = mm_mmap(mm, anon, end - anon, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			     NULL, 0);
		if (at < 0)
			return (int)at;
	}
	return 0;
}

/* Where the program finds its own headers: in the segment that holds them, or nowhere. */
static uint64_t phdr_address(const struct elf *e)
{
	uint64_t bytes = e->eh.phnum * sizeof(struct phdr);

	for (unsigned i = 0; i < e->eh.phnum; i++) {
		const struct phdr *p = &e->ph[i];

		if (p->type == PT_LOAD && e->eh.phoff >= p->offset &&
		    ends_within(e->eh.phoff - p->offset, bytes, p->filesz))
			return e->bias + p->vaddr + (e->eh.phoff - p->offset);
	}
	return 0;
}

static int map_all(struct elf *e, struct file *f, struct mm *mm, struct elf_load *load)
{
	int err = read_headers(f, e);

	if (!err)
		err = check(e);
	if (!err)
		err = choose_bias(e);
	for (unsigned i = 0; !err && i < e->eh.phnum; i++)
		if (e->ph[i].type == PT_LOAD && e->ph[i].memsz)
			err = map_segment(e, &e->ph[i], f, mm, load);
	if (err)
		return err;
	load->image.entry = e->eh.entry + e->bias;
	load->image.phdr = phdr_address(e);
	load->image.phnum = e->eh.phnum;
	load->image.end = e->high + e->bias;
	load->image.exec_stack = e->exec_stack;
	return 0;
}

int elf_map(struct file *f, struct mm *mm, struct elf_load *load)
{
	struct elf *e = kzalloc(sizeof(*e)); /* too large for the stack */
	int err;

	if (!e)
		return -ENOMEM;
	e->file_size = f->inode->size;
	load->nbss = 0;
	err = map_all(e, f, mm, load);
	kfree(e);
	return err;
}

int elf_clear_bss(struct mm *mm, const struct elf_load *load)
{
	for (unsigned i = 0; i < load->nbss; i++) {
		const struct elf_bss *b = &load->bss[i];
		int err = clear_user(b->start, b->end - b->start);

		if (!err && (b->prot & (PROT_READ | PROT_WRITE)) != (PROT_READ | PROT_WRITE))
			err = mm_mprotect(mm, b->seg_start, b->seg_end - b->seg_start, b->prot);
		if (err)
			return err;
	}
	return 0;
}
