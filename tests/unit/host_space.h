/* SPDX-License-Identifier: MIT */
/* Beyond host_mm.h, for tests of address spaces: a file, and CPUs with a TLB each that holds what
 * an access loaded until a flush takes it out. A page must not be freed while an entry for it is
 * left; link with -Wl,--wrap=page_put to have that checked. */
#ifndef TESTS_UNIT_HOST_SPACE_H
#define TESTS_UNIT_HOST_SPACE_H

#include "host_mm.h"

#include "internal.h"
#include "port.h"
#include "random.h"
#include "vfs.h"

enum { CPUS = 2, SPACES = 4, WINDOW = 96, FILE_PAGES = 40 };
#define BASE (UINT64_C(0x40000000) - 48 * PAGE_SIZE) /* tables of two levels end in the middle */

struct kaiser kaiser;
static struct mm *mms[SPACES];
static uint64_t tlb[CPUS][SPACES][WINDOW];
static unsigned flushes;

void __real_page_put(struct page *p);
void __wrap_page_put(struct page *p);
void __wrap_page_put(struct page *p)
{
	const uint64_t *entry = &tlb[0][0][0];

	for (unsigned i = 0; p->refs == 1 && i < CPUS * SPACES * WINDOW; i++)
		if (entry[i] && (entry[i] & PTE_ADDR) == page_to_phys(p))
			panic("page %u of a space freed before its flush", i % WINDOW);
	__real_page_put(p);
}

uint64_t pte_nx(void)
{
	return PTE_NX;
}

bool cpu_has(enum cpu_feature f)
{
	(void)f;
	return false;
}

void random_bytes(void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)buf)[i] = (unsigned char)rng(256);
}

void mutex_init(struct mutex *m)
{
	m->holder = NULL;
	list_init(&m->queue.waiters);
}

void mutex_wait(unused struct mutex *m)
{
	kassert(false);
}

void mutex_wake(unused struct mutex *m)
{
	kassert(false);
}

static struct mm *mm_of(struct kaiser_space *s)
{
	return container_of(s, struct mm, space);
}

static void flush_tlb(struct kaiser_space *s, uint64_t start, uint64_t end)
{
	for (unsigned m = 0; m < SPACES; m++)
		for (unsigned i = 0; mms[m] == mm_of(s) && i < WINDOW; i++)
			if (BASE + i * PAGE_SIZE >= start && BASE + i * PAGE_SIZE < end)
				for (unsigned c = 0; c < CPUS; c++)
					tlb[c][m][i] = 0;
	flushes++;
}

int kaiser_space_init(struct kaiser *k, struct kaiser_space *s, uint64_t *top)
{
	(void)k;
	s->top = top;
	return KAISER_OK;
}

int kaiser_space_set_top(struct kaiser_space *s, unsigned index, uint64_t entry)
{
	kassert(index < 256);
	s->top[index] = entry;
	return KAISER_OK;
}

void port_isolate(struct kaiser_space *s, bool isolate)
{
	(void)s;
	(void)isolate;
}

void kaiser_space_lazy(struct kaiser *k)
{
	(void)k;
}

int ldt_copy(struct mm *to, const struct mm *from)
{
	(void)to;
	(void)from;
	return 0;
}

void kaiser_space_switch(struct kaiser *k, struct kaiser_space *s)
{
	(void)k;
	(void)s;
}

void kaiser_space_evict(struct kaiser_space *s)
{
	flush_tlb(s, 0, USER_END);
}

void kaiser_flush_range(struct kaiser_space *s, uint64_t start, uint64_t end, bool freed_tables)
{
	(void)freed_tables;
	kassert(start < end && !((start | end) & (PAGE_SIZE - 1)));
	flush_tlb(s, start, end);
}

void kaiser_flush_page(struct kaiser_space *s, uint64_t va)
{
	flush_tlb(s, va, va + PAGE_SIZE);
}

void kaiser_flush_space(struct kaiser_space *s, bool freed_tables)
{
	(void)freed_tables;
	flush_tlb(s, 0, USER_END);
}

/* ---- one file ----------------------------------------------------------------------------- */

static struct inode file = {.mappings = LIST_INIT(file.mappings)};
static struct page *file_pages[FILE_PAGES];

void inode_get(struct inode *in)
{
	in->refs++;
}

void inode_put(struct inode *in)
{
	kassert(in->refs > 0);
	in->refs--;
}

int inode_begin_exec(struct inode *in)
{
	(void)in;
	return 0;
}

void inode_end_exec(struct inode *in)
{
	(void)in;
}

struct page *inode_get_page(struct inode *in, uint64_t pos, bool write)
{
	uint64_t i = pos >> PAGE_SHIFT;

	(void)write;
	kassert(in == &file);
	if (i >= FILE_PAGES)
		return err_ptr(-EIO);
	if (!file_pages[i])
		file_pages[i] = page_alloc(0, PAGE_ZERO);
	if (!file_pages[i])
		return err_ptr(-ENOMEM);
	page_get(file_pages[i]);
	return file_pages[i];
}

static unused void file_drop(void)
{
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		if (file_pages[i])
			page_put(file_pages[i]);
		file_pages[i] = NULL;
	}
}

/* ---- user mode ---------------------------------------------------------------------------- */

/* An access as a CPU makes it: by the TLB, else by the tables, else by a fault. The address of the
 * word, or NULL and *err. */
static unused uint64_t *user_access(unsigned m, unsigned page, bool write, int *err)
{
	uint64_t va = BASE + page * PAGE_SIZE, *entry = &tlb[rng(CPUS)][m][page];

	for (unsigned tries = 0; tries < 3; tries++) {
		uint64_t need = write ? PTE_P | PTE_W : PTE_P, *e;

		if ((*entry & need) == need)
			return phys_to_virt(*entry & PTE_ADDR);
		*entry = 0; /* as a fault does, on this CPU alone */
		e = tree_find(mm_live(mms[m]), va);
		if (e && (*e & need) == need) {
			*entry = *e;
			continue;
		}
		*err = mm_fault(mms[m], va, write, false);
		if (*err)
			return NULL;
	}
	panic("a fault that never ends, page %u of space %u", page, m);
}

/* No TLB entry may allow what the tables do not. */
static unused bool tlb_clean(void)
{
	for (unsigned n = 0; n < CPUS * SPACES * WINDOW; n++) {
		unsigned m = n / WINDOW % SPACES, i = n % WINDOW;
		uint64_t t = (&tlb[0][0][0])[n], *e;

		if (!t)
			continue;
		e = tree_find(mm_live(mms[m]), BASE + i * PAGE_SIZE);
		if (!e || (*e & PTE_ADDR) != (t & PTE_ADDR) || (t & ~*e & PTE_W) ||
		    (*e & ~t & PTE_NX))
			return false;
	}
	return true;
}

#endif
