/* SPDX-License-Identifier: MIT */
/*
 * ELF programs: ET_EXEC, and ET_DYN without an interpreter (static PIE), at a random base.
 *
 * Nothing in a header is trusted. Every sum is checked for overflow, every file range against the
 * file's size, every address range against user space; segments must ascend without sharing a
 * page; the entry must lie in a segment that may be executed.
 */
#include "elf.h"
#include "proc.h"
#include "slab.h"
#include "uaccess.h"
#include "vfs.h"

#define LOAD_MIN  UINT64_C(0x10000) /* nothing below: NULL stays unmapped */
#define LOAD_MAX  (USER_END - MM_STACK_ROOM)
#define PIE_BASE  UINT64_C(0x555555554000)
#define PIE_PAGES BIT(28) /* 1 TiB of places */
/* Of 32-bit programs, which leave room for mappings and the stack: compat/exec32.c. */
#define LOAD_MAX32  UINT64_C(0xf0000000)
#define PIE_BASE32  UINT64_C(0x56555000)
#define PIE_PAGES32 BIT(12) /* 16 MiB of places */
#define ALIGN_MOST  (UINT64_C(1) << 30)

struct elf {
	struct ehdr eh;
	struct phdr ph[ELF_MAX_PHDRS];
	uint64_t file_size, bias, low, high, align; /* [low, high): of all segments, unbiased */
	uint64_t load_max;                          /* segments end below it */
	bool exec_stack, ia32;
	const char *why; /* what is wrong */
};

static bool ends_within(uint64_t start, uint64_t n, uint64_t limit)
{
	return n <= limit && start <= limit - n;
}

static int bad(struct elf *e, const char *why)
{
	e->why = why;
	return -ENOEXEC;
}

static int read_exactly(struct elf *e, struct file *f, void *buf, size_t n, uint64_t pos,
			const char *why)
{
	long got = file_pread(f, buf, n, pos);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : bad(e, why);
}

static int check_ident(struct elf *e)
{
	const struct ehdr *h = &e->eh;

	if (memcmp(h->ident, "\177ELF", 4) != 0)
		return bad(e, "it is neither an ELF program nor a script");
	if (h->ident[4] != ELFCLASS32 && h->ident[4] != ELFCLASS64)
		return bad(e, "its ELF header is of an unknown class");
	e->ia32 = h->ident[4] == ELFCLASS32;
	e->load_max = e->ia32 ? LOAD_MAX32 : LOAD_MAX;
	if (e->ia32)
		elf32_widen_ehdr(&e->eh);
	if (h->ident[5] != 1 || h->ident[6] != 1 || h->version != 1)
		return bad(e, "its ELF header is of an unknown version or byte order");
	if (h->machine != (e->ia32 ? EM_386 : EM_X86_64))
		return bad(e, "it is an ELF program for another machine");
	if (h->type != ET_EXEC && h->type != ET_DYN)
		return bad(e, "it is an ELF file but not a program");
	return 0;
}

static int read_headers(struct file *f, struct elf *e)
{
	struct ehdr *h = &e->eh;
	size_t phent;
	int err = read_exactly(e, f, h, sizeof(*h), 0,
			       e->file_size ? "it is too short to be an ELF program or a script"
					    : "it is empty");

	if (!err)
		err = check_ident(e);
	if (err)
		return err;
	phent = e->ia32 ? sizeof(struct phdr32) : sizeof(struct phdr);
	if (h->phentsize != phent)
		return bad(e, "its ELF program headers are of the wrong size");
	if (h->phnum == 0)
		return bad(e, "it has no ELF program headers");
	if (h->phnum > ELF_MAX_PHDRS)
		return bad(e, "it has more than 64 ELF program headers");
	if (!ends_within(h->phoff, h->phnum * phent, e->file_size))
		return bad(e, "its ELF program headers lie beyond its end");
	err = read_exactly(e, f, e->ph, h->phnum * phent, h->phoff,
			   "its ELF program headers cannot be read");
	if (!err && e->ia32)
		elf32_widen_phdrs(e->ph, h->phnum);
	return err;
}

/* One segment that is to be loaded: all of its fields, and its place above the ones before. */
static int check_segment(struct elf *e, const struct phdr *p)
{
	if (p->filesz > p->memsz)
		return bad(e, "an ELF segment is larger in the file than in memory");
	if (!ends_within(p->offset, p->filesz, e->file_size))
		return bad(e, "an ELF segment lies beyond its end");
	if (!ends_within(p->vaddr, p->memsz, e->load_max - PAGE_SIZE))
		return bad(e, "an ELF segment's address lies outside user memory");
	if ((p->vaddr ^ p->offset) & (PAGE_SIZE - 1))
		return bad(e, "an ELF segment's address and offset differ within a page");
	if (p->align & (p->align - 1) || p->align > ALIGN_MOST)
		return bad(e, "an ELF segment's alignment is no power of two up to 1 GiB");
	if (ALIGN_DOWN(p->vaddr, PAGE_SIZE) < e->high)
		return bad(e, "its ELF segments overlap or are not in order");
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
			return bad(e, "it is dynamically linked: only static programs run here");
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
	if (e->high == 0)
		return bad(e, "it has no ELF segment to load");
	return entry_ok ? 0 : bad(e, "its ELF entry lies in no executable segment");
}

static int choose_bias(struct elf *e)
{
	uint64_t base;

	if (e->eh.type == ET_EXEC)
		return e->low >= LOAD_MIN ? 0 : bad(e, "an ELF segment's address is too low");
	base = e->ia32 ? PIE_BASE32 + layout_random() % PIE_PAGES32 * PAGE_SIZE
		       : PIE_BASE + layout_random() % PIE_PAGES * PAGE_SIZE;
	base = ALIGN_UP(base, e->align);
	if (!ends_within(base, e->high, e->load_max))
		return bad(e, "its ELF segments do not fit into user memory");
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
	uint64_t bytes = e->eh.phnum * (uint64_t)e->eh.phentsize;

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
	load->image.ia32 = e->ia32;
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
	load->why = e->why;
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
