/* SPDX-License-Identifier: MIT */
/* SRC: kernel/mm/page.c kernel/mm/pagecache.c kernel/mm/slab.c kernel/mm/tables.c */
/* SRC: kernel/mm/anon.c kernel/mm/vma.c kernel/mm/fault.c kernel/mm/access.c kernel/mm/mmap.c */
/* SRC: kernel/mm/mprotect.c kernel/mm/mremap.c kernel/mm/fork.c kernel/mm/mm.c */
/* SRC: kernel/mm/filemap.c */
/* CFLAGS: -fno-sanitize=alignment -fno-builtin -include tests/unit/host_spinlock.h */
/* CFLAGS: -Ikernel/include -Ikernel/mm */
/* LIBS: -Wl,--wrap=page_put */
/*
 * Areas, case by case, on the build host: where mappings go, when they join, errors, the stack,
 * brk, mremap. Built like test_mm.c.
 */
#include "host_space.h"

#define RW (PROT_READ | PROT_WRITE)
#define PG PAGE_SIZE

static struct mm *mm;

static unsigned areas(void)
{
	unsigned n = 0;

	list_for_each_entry (v, &mm->areas, struct vma, link)
		n++;
	return n;
}

static long fixed(uint64_t va, uint64_t len, uint32_t prot)
{
	return mm_mmap(mm, va, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0);
}

static long anywhere(uint64_t hint, uint64_t len)
{
	return mm_mmap(mm, hint, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
}

static bool touch(uint64_t va, bool write)
{
	return mm_fault(mm, va, write, false) == 0;
}

static void fresh(void)
{
	if (mm)
		mm_put(mm);
	mm = mm_create();
}

static void test_errors(void)
{
	uint32_t anon = MAP_PRIVATE | MAP_ANONYMOUS;

	fresh();
	tap(mm_mmap(mm, 0, 0, RW, anon, NULL, 0) == -EINVAL, "mmap of nothing");
	tap(mm_mmap(mm, 0, PG, RW, MAP_ANONYMOUS, NULL, 0) == -EINVAL &&
		    mm_mmap(mm, 0, PG, RW, anon | MAP_SHARED, NULL, 0) == -EINVAL,
	    "mmap neither shared nor private, or both");
	tap(anywhere(0, USER_END) == -ENOMEM && anywhere(0, BIT(63)) == -ENOMEM &&
		    anywhere(0, UINT64_MAX) == -ENOMEM,
	    "mmap of more than there is");
	tap(fixed(BASE + 1, PG, RW) == -EINVAL, "MAP_FIXED at no page");
	tap(fixed(USER_END - PG, 2 * PG, RW) == -ENOMEM && fixed(BIT(63), PG, RW) == -ENOMEM,
	    "MAP_FIXED beyond user space");
	tap(fixed(0, PG, RW) == -EPERM, "MAP_FIXED at 0");
	tap(mm_mmap(mm, 0, PG, RW, MAP_PRIVATE, &file, 1) == -EINVAL, "file offset unaligned");
	tap(mm_mmap(mm, 0, 2 * PG, RW, MAP_PRIVATE, &file, -PG) == -EOVERFLOW,
	    "file offset overflows");
	tap(mm_munmap(mm, BASE, 0) == -EINVAL && mm_munmap(mm, BASE + 1, PG) == -EINVAL &&
		    mm_munmap(mm, USER_END, PG) == -EINVAL &&
		    mm_munmap(mm, BASE, BIT(63)) == -EINVAL,
	    "munmap of nonsense");
	tap(mm_munmap(mm, BASE, PG) == 0, "munmap of a hole is no error");
	fixed(BASE, PG, RW);
	tap(mm_mprotect(mm, BASE, 2 * PG, PROT_READ) == -ENOMEM && mm_find(mm, BASE)->prot == RW,
	    "mprotect across a hole changes nothing");
	tap(mm_mprotect(mm, BASE, PG, 0x40) == -EINVAL && mm_mprotect(mm, BASE, 0, 0) == 0,
	    "mprotect with unknown rights, or of nothing");
	tap(mm_mmap(mm, BASE, PG, RW, anon | MAP_FIXED_NOREPLACE, NULL, 0) == -EEXIST,
	    "MAP_FIXED_NOREPLACE replaces nothing");
	mmap_limited(mm, BASE, PG, PROT_READ, MAP_SHARED | MAP_FIXED, &file, 0, PROT_READ);
	tap(mm_mprotect(mm, BASE, PG, RW) == -EACCES, "a read-only file's area stays read-only");
}

static void test_places(void)
{
	long a, b, c;

	fresh();
	a = anywhere(0, 3 * PG);
	b = anywhere(0, 5 * PG);
	tap((uint64_t)a == mm->mmap_top - 3 * PG && b == a - (long)(5 * PG),
	    "mappings go down from the top");
	tap(areas() == 1, "and join");
	mm_munmap(mm, (uint64_t)a, PG);
	c = anywhere(0, PG);
	tap(c == a, "a hole that fits is used");
	tap(anywhere((uint64_t)b, PG) == b - (long)PG, "a hint that is taken is passed over");
	tap(anywhere(BASE + 5, PG) == (long)BASE, "a free hint is followed");
	fixed(MMAP_MIN, (uint64_t)b - PG - MMAP_MIN, 0);
	tap(anywhere(0, PG) == -ENOMEM, "a full space is -ENOMEM");
	tap(mm->total_pages == (mm->mmap_top - MMAP_MIN) >> PAGE_SHIFT, "every page is counted");
}

static void test_joining(void)
{
	fresh();
	fixed(BASE, 9 * PG, RW);
	mm_mprotect(mm, BASE + 3 * PG, 3 * PG, PROT_READ);
	tap(areas() == 3, "mprotect in the middle makes three");
	mm_mprotect(mm, BASE + 3 * PG, 3 * PG, RW);
	tap(areas() == 1, "and back makes one");
	mm_mmap(mm, BASE, 4 * PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, &file, 0);
	mm_mmap(mm, BASE + 4 * PG, PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, &file, 4 * PG);
	mm_mmap(mm, BASE + 5 * PG, PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, &file, 4 * PG);
	tap(areas() == 3, "file areas join where the file goes on");
	tap(file.refs == 2, "a joined area holds one reference");
	mm_munmap(mm, BASE + PG, PG);
	tap(file.refs == 3 && mm_find(mm, BASE + 2 * PG)->offset == 2 * PG,
	    "a split one two, each at its place in the file");
}

static void test_stack(void)
{
	uint64_t top = BASE + 64 * 1024 * PG;

	fresh();
	mm_mmap(mm, top - 4 * PG, 4 * PG, RW,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, NULL, 0);
	tap(touch(top - 100 * PG, true) && areas() == 1 && mm->total_pages == 100,
	    "the stack grows down to what is touched");
	tap(touch(top - STACK_MAX, true) && !touch(top - STACK_MAX - 1, true), "up to 8 MiB");
	fresh();
	fixed(top - 50 * PG, PG, RW);
	mm_mmap(mm, top - 4 * PG, 4 * PG, RW,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, NULL, 0);
	tap(touch(top - 49 * PG + STACK_GAP, true) && !touch(top - 49 * PG + STACK_GAP - 1, true),
	    "never near the area below");
	tap(anywhere(top - 30 * PG, PG) != (long)(top - 30 * PG), "nothing is put just below it");
}

static void test_brk(void)
{
	fresh();
	mm->brk_start = mm->brk = BASE + 100;
	tap(mm_brk(mm, 0) == BASE + 100, "brk(0) tells");
	tap(mm_brk(mm, BASE + PG) == BASE + PG && areas() == 0,
	    "within the first page nothing is mapped");
	tap(mm_brk(mm, BASE + 3 * PG + 1) == BASE + 3 * PG + 1 && mm->total_pages == 3 &&
		    strcmp(mm_find(mm, BASE + PG)->name, "[heap]") == 0,
	    "growing maps the heap");
	tap(mm_brk(mm, BASE + 9 * PG) && areas() == 1, "growing again extends it");
	touch(BASE + 2 * PG, true);
	tap(mm_brk(mm, BASE + 2 * PG) == BASE + 2 * PG && mm->total_pages == 1 &&
		    mm->rss_pages == 0,
	    "shrinking gives the pages back");
	fixed(BASE + 5 * PG, PG, RW);
	tap(mm_brk(mm, BASE + 6 * PG) == BASE + 2 * PG, "growing into an area fails");
	tap(mm_brk(mm, BASE) == BASE + 2 * PG && mm_brk(mm, UINT64_MAX) == BASE + 2 * PG,
	    "below the start or out of user space fails");
}

static void test_mremap(void)
{
	long r;

	fresh();
	fixed(BASE, 4 * PG, RW);
	fixed(BASE + 6 * PG, PG, PROT_READ);
	tap(mm_mremap(mm, BASE, 4 * PG, 6 * PG, 0, 0) == (long)BASE && mm->total_pages == 7,
	    "grows in place");
	tap(mm_mremap(mm, BASE, 6 * PG, 7 * PG, 0, 0) == -ENOMEM, "but not over another");
	tap(mm_mremap(mm, BASE, 7 * PG, 8 * PG, MREMAP_MAYMOVE, 0) == -EFAULT,
	    "two areas are not one");
	touch(BASE + PG, true);
	r = mm_mremap(mm, BASE, 6 * PG, 7 * PG, MREMAP_MAYMOVE, 0);
	tap(r == (long)(mm->mmap_top - 7 * PG) && mm->rss_pages == 1 && !mm_find(mm, BASE),
	    "moves with its pages");
	tap(mm_mremap(mm, (uint64_t)r, 7 * PG, 2 * PG, 0, 0) == r && mm->total_pages == 3,
	    "shrinks");
	tap(mm_mremap(mm, (uint64_t)r, 0, PG, MREMAP_MAYMOVE, 0) == -EINVAL,
	    "a private area has no second view");
	tap(mm_mremap(mm, (uint64_t)r, PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, (uint64_t)r) ==
		    -EINVAL,
	    "a move onto itself is refused");
	r = mm_mmap(mm, 0, PG, RW, MAP_SHARED | MAP_ANONYMOUS, NULL, 0);
	touch((uint64_t)r, true);
	r = mm_mremap(mm, (uint64_t)r, 0, PG, MREMAP_MAYMOVE, 0);
	tap(r > 0 && touch((uint64_t)r, true) && mm->rss_pages == 3, "a shared one has");
}

static void test_peek(void)
{
	char got[PAGE_SIZE + 8] = "";

	fresh();
	fixed(BASE, 2 * PG, RW);
	touch(BASE + PG, true);
	memcpy(phys_to_virt(*tree_find(mm_live(mm), BASE + PG) & PTE_ADDR), "text", 5);
	tap(mm_peek(mm, BASE + PG - 4, got, 9) == 9 && strcmp(got + 4, "text") == 0,
	    "peek crosses pages");
	tap(mm_peek(mm, BASE + 2 * PG - 4, got, 8) == 4 && mm_peek(mm, BASE - 1, got, 8) == -EFAULT,
	    "peek stops at a hole");
	tap(mm_peek(mm, UINT64_MAX - 3, got, 8) == -EFAULT, "peek keeps out of the kernel");
}

int main(void)
{
	uint64_t before;

	host_ram_init();
	fresh();
	test_mremap();
	mm_put(mm);
	mm = NULL;
	before = free_pages();
	test_errors();
	test_places();
	test_joining();
	test_stack();
	test_brk();
	test_mremap();
	test_peek();
	mm_put(mm);
	file_drop();
	tap(before - free_pages() <= 4 && file.refs == 0, "nothing is left behind");
	return tap_end();
}
