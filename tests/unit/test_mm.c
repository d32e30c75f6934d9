/* SPDX-License-Identifier: MIT */
/* SRC: kernel/mm/page.c kernel/mm/pagecache.c kernel/mm/slab.c kernel/mm/tables.c */
/* SRC: kernel/mm/anon.c kernel/mm/vma.c kernel/mm/fault.c kernel/mm/access.c kernel/mm/mmap.c */
/* SRC: kernel/mm/mprotect.c kernel/mm/mremap.c kernel/mm/fork.c kernel/mm/mm.c */
/* SRC: kernel/mm/filemap.c */
/* CFLAGS: -fno-sanitize=alignment -fno-builtin -include tests/unit/host_spinlock.h */
/* CFLAGS: -Ikernel/include -Ikernel/mm */
/* LIBS: -Wl,--wrap=page_put */
/*
 * Address spaces against a model, on the build host: random maps, unmaps, changes of rights, moves,
 * forks and accesses; after each the contents, the rights and the TLBs must be as the model says.
 * Then the same with memory running out, where only the accounts must be right. From the root:
 *	gcc -std=gnu11 -g -O1 -Wall -Wextra -fsanitize=address,undefined -fno-sanitize=alignment \
 *	  -fno-builtin -include tests/unit/host_spinlock.h -Ikernel/include -Ikaiser/include \
 *	  -Ikernel/mm -Wl,--wrap=page_put tests/unit/test_mm.c
 *kernel/mm/{page,pagecache,slab,tables,\ anon,vma,fault,mmap,mprotect,mremap,fork,mm}.c -o
 *build/test_mm An argument is a seed.
 */
#include "host_space.h"

enum kind { NONE, ANON, SHARED_ANON, FILE_PRIVATE, FILE_SHARED };

struct object { /* the pages of one MAP_SHARED | MAP_ANONYMOUS mapping */
	unsigned pages;
	uint64_t value[WINDOW];
};

struct model_page {
	enum kind kind;
	uint32_t prot;
	bool own;       /* private file page: written to */
	uint64_t value; /* private */
	struct object *obj;
	unsigned index; /* in the file or object */
};

static struct model_page model[SPACES][WINDOW];
static uint64_t file_value[FILE_PAGES];
static struct object objects[200000];
static unsigned nobjects;

static uint64_t *model_value(struct model_page *p)
{
	switch (p->kind) {
	case SHARED_ANON:
		return p->index < p->obj->pages ? &p->obj->value[p->index] : NULL;
	case FILE_SHARED:
		return p->index < FILE_PAGES ? &file_value[p->index] : NULL;
	case FILE_PRIVATE:
		if (p->own)
			return &p->value;
		return p->index < FILE_PAGES ? &file_value[p->index] : NULL;
	default:
		return &p->value;
	}
}

static int model_access(struct model_page *p, bool write)
{
	if (p->kind == NONE)
		return -EFAULT;
	if (!p->prot || (write && !(p->prot & PROT_WRITE)))
		return -EACCES;
	return model_value(p) ? 0 : -EIO;
}

static bool check_page(unsigned m, unsigned i, bool write)
{
	struct model_page *p = &model[m][i];
	int want = model_access(p, write), err = 0;
	uint64_t *word = user_access(m, i, write, &err);

	if (!word)
		return err == want;
	if (want || *word != *model_value(p))
		return false;
	if (write) {
		if (p->kind == FILE_PRIVATE)
			p->own = true;
		*word = *model_value(p) = rng_state;
	}
	return true;
}

static void op_mmap(unsigned m, unsigned at, unsigned n)
{
	uint32_t prot = (uint32_t)rng(8) & (rng(4) ? 7 : 0);
	enum kind kind = (enum kind)(1 + rng(4));
	uint32_t flags = MAP_FIXED;
	unsigned first = (unsigned)rng(FILE_PAGES);
	bool of_file = kind == FILE_PRIVATE || kind == FILE_SHARED;
	struct object *obj = NULL;

	flags |= kind == ANON || kind == FILE_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
	if (mm_mmap(mms[m], BASE + at * PAGE_SIZE, n * PAGE_SIZE - rng(PAGE_SIZE), prot, flags,
		    of_file ? &file : NULL, of_file ? first * PAGE_SIZE : 0) < 0)
		return;
	if (kind == SHARED_ANON) {
		kassert(nobjects < ARRAY_SIZE(objects));
		obj = &objects[nobjects++];
		obj->pages = n;
	}
	for (unsigned i = 0; i < n; i++)
		model[m][at + i] = (struct model_page){
			.kind = kind, .prot = prot, .obj = obj, .index = of_file ? first + i : i};
}

static void op_mremap(unsigned m, unsigned at, unsigned n)
{
	static struct model_page moved[WINDOW];
	unsigned want = 1 + (unsigned)rng(12);
	bool move = rng(2);
	unsigned to = move ? (unsigned)rng(WINDOW - want) : at;
	long r;

	if (at + want > WINDOW)
		return;
	r = mm_mremap(mms[m], BASE + at * PAGE_SIZE, n * PAGE_SIZE, want * PAGE_SIZE,
		      move ? MREMAP_MAYMOVE | MREMAP_FIXED : 0, BASE + to * PAGE_SIZE);
	if (r < 0)
		return;
	for (unsigned i = 0; i < want; i++) {
		moved[i] = i < n ? model[m][at + i] : model[m][at];
		if (i >= n) {
			moved[i].index += i;
			moved[i].own = false;
			moved[i].value = 0;
		}
	}
	for (unsigned i = 0; i < n; i++)
		model[m][at + i] = (struct model_page){0};
	memcpy(&model[m][to], moved, want * sizeof(moved[0]));
}

static void op_dontneed(unsigned m, unsigned at, unsigned n)
{
	mutex_lock(&mms[m]->lock);
	zap_range(mms[m], BASE + at * PAGE_SIZE, BASE + (at + n) * PAGE_SIZE);
	mutex_unlock(&mms[m]->lock);
	for (unsigned i = at; i < at + n; i++) {
		model[m][i].own = false;
		model[m][i].value = 0;
	}
}

static void op_fork(unsigned m)
{
	unsigned c = (unsigned)rng(SPACES);

	if (c == m)
		return;
	if (mms[c])
		mm_put(mms[c]);
	mms[c] = mm_fork(mms[m]);
	memcpy(model[c], model[m], sizeof(model[c]));
}

static void one_op(unsigned m)
{
	unsigned n = 1 + (unsigned)rng(rng(3) ? 6 : 30);
	unsigned at = (unsigned)rng(WINDOW - n);
	uint64_t va = BASE + at * PAGE_SIZE, len = n * PAGE_SIZE;

	switch (rng(9)) {
	case 0:
	case 1:
		op_mmap(m, at, n);
		break;
	case 2:
		if (mm_munmap(mms[m], va, len) == 0)
			memset(&model[m][at], 0, n * sizeof(model[m][0]));
		break;
	case 3:
	case 4: {
		uint32_t prot = (uint32_t)rng(8) & (rng(3) ? 7 : 0);

		if (mm_mprotect(mms[m], va, len, prot) == 0)
			for (unsigned i = at; i < at + n; i++)
				model[m][i].prot = prot;
		break;
	}
	case 5:
		op_mremap(m, at, n);
		break;
	case 6:
		op_dontneed(m, at, n);
		break;
	case 7:
		if (rng(4) == 0)
			op_fork(m);
		break;
	default:
		break;
	}
}

static bool check_accounts(unsigned m)
{
	uint64_t rss = 0, total = 0, va = 0;

	for (; tree_next(mm_live(mms[m]), &va, BIT(47)); va += PAGE_SIZE)
		rss++;
	for (va = 0; tree_next(mm_stash(mms[m]), &va, BIT(47)); va += PAGE_SIZE)
		rss++;
	for (unsigned i = 0; i < WINDOW; i++)
		total += model[m][i].kind != NONE;
	return mms[m]->rss_pages == rss && mms[m]->total_pages == total;
}

static void drop_all(void)
{
	for (unsigned m = 0; m < SPACES; m++) {
		if (mms[m])
			mm_put(mms[m]);
		mms[m] = NULL;
	}
	memset(tlb, 0, sizeof(tlb));
	memset(model, 0, sizeof(model));
	memset(file_value, 0, sizeof(file_value));
	file_drop();
}

static void test_model(unsigned rounds)
{
	bool contents = true, clean = true, accounts = true;

	mms[0] = mm_create();
	for (unsigned r = 0; r < rounds && contents && clean && accounts; r++) {
		unsigned m = (unsigned)rng(SPACES);

		if (!mms[m])
			m = 0;
		one_op(m);
		clean = tlb_clean();
		accounts = check_accounts(m);
		for (unsigned i = 0; i < 20 && contents; i++) {
			m = (unsigned)rng(SPACES);
			if (mms[m])
				contents = check_page(m, (unsigned)rng(WINDOW), rng(2));
		}
	}
	tap(contents, "every access sees what the model holds, or its error");
	tap(clean, "no TLB allows more than the tables");
	tap(accounts, "resident and mapped pages are counted right");
	drop_all();
	tap(file.refs == 0, "every reference to the file is given back");
}

/* With most of memory held by somebody else. */
static void test_exhaustion(unsigned rounds)
{
	static struct page *held[RAM_PAGES];
	uint64_t before = free_pages();
	unsigned n = 0, failed = 0;
	bool clean = true;

	mms[0] = mm_create();
	while ((held[n] = page_alloc(0, 0)) != NULL)
		n++;
	for (unsigned r = 0; r < rounds; r++) {
		unsigned m = (unsigned)rng(SPACES), keep = (unsigned)rng(60);

		while (n > 0 && free_pages() < keep)
			page_free(held[--n], 0);
		while (free_pages() > keep)
			held[n++] = page_alloc(0, 0);
		m = mms[m] ? m : 0;
		if (mms[m])
			one_op(m);
		clean &= tlb_clean();
		for (unsigned i = 0; i < 20; i++) {
			int err = 0;

			m = (unsigned)rng(SPACES);
			if (mms[m])
				user_access(m, (unsigned)rng(WINDOW), rng(2), &err);
			failed += err == -ENOMEM;
		}
	}
	while (n > 0)
		page_free(held[--n], 0);
	drop_all();
	tap(failed > 0 && clean, "running out of memory is an error and no more");
	/* Slab classes may keep a page each. */
	tap(free_pages() + 12 >= before && file.refs == 0, "nothing is lost on the way");
}

int main(int argc, char **argv)
{
	uint64_t before;

	if (argc > 1)
		rng_state = strtoull(argv[1], NULL, 0) * 2 + 1;
	host_ram_init();
	test_model(2000); /* the slabs get their pages */
	before = free_pages();
	test_model(30000);
	tap(free_pages() == before, "all memory is given back");
	paging_levels = 5;
	test_model(10000);
	tap(free_pages() == before, "with five levels as well");
	test_exhaustion(20000);
	return tap_end();
}
