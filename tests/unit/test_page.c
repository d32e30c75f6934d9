/* SPDX-License-Identifier: MIT */
/* SRC: kernel/mm/page.c kernel/mm/pagecache.c kernel/mm/slab.c */
/* CFLAGS: -fno-sanitize=alignment -fno-builtin -include tests/unit/host_spinlock.h */
/* CFLAGS: -Ikernel/include -Ikernel/mm */
/*
 * The page allocator and kmalloc, on the build host. From the root of the tree:
 *	gcc -std=gnu11 -g -O1 -Wall -Wextra -fsanitize=address,undefined -fno-sanitize=alignment \
 *	  -fno-builtin -include tests/unit/host_spinlock.h -Ikernel/include -Ikaiser/include \
 *	  -Ikernel/mm tests/unit/test_page.c kernel/mm/page.c kernel/mm/pagecache.c \
 *	  kernel/mm/slab.c -o build/test_page
 */
#include "host_mm.h"

#include "slab.h"

static bool aligned_and_apart(struct page **p, unsigned n, unsigned order)
{
	for (unsigned i = 0; i < n; i++) {
		if (page_to_phys(p[i]) & ((PAGE_SIZE << order) - 1))
			return false;
		memset(page_to_virt(p[i]), (int)i, PAGE_SIZE << order);
	}
	for (unsigned i = 0; i < n; i++)
		for (size_t b = 0; b < PAGE_SIZE << order; b += 512)
			if (((unsigned char *)page_to_virt(p[i]))[b] != (unsigned char)i)
				return false;
	return true;
}

static void test_orders(void)
{
	static struct page *p[RAM_PAGES];
	uint64_t before = free_pages();
	bool ok = true, whole = true;

	for (unsigned order = 0; order <= 10; order++) {
		unsigned n = 0;

		while (n < RAM_PAGES && (p[n] = page_alloc(order, 0)) != NULL)
			n++;
		ok &= n > 0 && free_pages() == before - ((uint64_t)n << order);
		ok &= order != 0 || free_pages() == 0;
		ok &= aligned_and_apart(p, n, order);
		while (n > 0)
			page_free(p[--n], order);
		whole &= free_pages() == before;
	}
	tap(ok, "runs of every order are aligned, apart and all that fit");
	tap(whole, "freeing joins runs again");
	tap(page_alloc(11, 0) == NULL, "no run beyond order 10");
}

static void test_random(void)
{
	static struct {
		struct page *p;
		unsigned order;
	} held[300];
	uint64_t before = free_pages();
	bool ok = true;

	for (unsigned round = 0; round < 100000; round++) {
		unsigned i = (unsigned)rng(ARRAY_SIZE(held));
		uint64_t *first;

		if (held[i].p) {
			first = page_to_virt(held[i].p);
			ok &= *first == i;
			page_free(held[i].p, held[i].order);
			held[i].p = NULL;
			continue;
		}
		held[i].order = (unsigned)rng(6);
		held[i].p = page_alloc(held[i].order, PAGE_ZERO);
		if (!held[i].p)
			continue;
		first = page_to_virt(held[i].p);
		ok &= *first == 0;
		*first = i;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++)
		if (held[i].p)
			page_free(held[i].p, held[i].order);
	tap(ok, "random runs come zeroed and keep their contents");
	tap(free_pages() == before, "none is lost");
}

static void test_refs(void)
{
	uint64_t before = free_pages();
	struct page *p = page_alloc(0, 0);

	page_get(p);
	page_put(p);
	tap(free_pages() == before - 1, "a page with a reference stays");
	page_put(p);
	tap(free_pages() == before, "the last reference frees it");
	page_add_range((RAM_FIRST + 5) * PAGE_SIZE + 1, (RAM_FIRST + 9) * PAGE_SIZE - 1);
	tap(free_pages() == before + 2, "a range given later counts whole pages only");
}

static void test_kmalloc(void)
{
	static struct {
		unsigned char *p;
		size_t n;
	} held[500];
	bool ok = true, aligned = true;
	uint64_t before;

	for (size_t n = 1; n <= 4096; n++) /* one page of each class stays with it */
		kfree(kmalloc(n));
	before = free_pages();
	for (unsigned round = 0; round < 200000; round++) {
		unsigned i = (unsigned)rng(ARRAY_SIZE(held));

		if (held[i].p) {
			for (size_t b = 0; b < held[i].n; b++)
				ok &= held[i].p[b] == (unsigned char)i;
			kfree(held[i].p);
			held[i].p = NULL;
			continue;
		}
		held[i].n = 1 + rng(rng(20) ? 300 : 9000);
		held[i].p = kzalloc(held[i].n);
		if (!held[i].p)
			continue;
		aligned &= ((uintptr_t)held[i].p & 15) == 0;
		for (size_t b = 0; b < held[i].n; b++)
			ok &= held[i].p[b] == 0;
		memset(held[i].p, (int)i, held[i].n);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++)
		kfree(held[i].p);
	tap(ok, "objects are zeroed and never overlap");
	tap(aligned, "objects are 16-byte aligned");
	tap(free_pages() == before, "freed objects give their pages back");
	tap(kmalloc(8UL << 20) == NULL, "an impossible size is refused");
}

int main(void)
{
	host_ram_init();
	test_orders();
	test_random();
	test_refs();
	test_kmalloc();
	return tap_end();
}
