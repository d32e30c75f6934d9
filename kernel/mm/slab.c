/* SPDX-License-Identifier: MIT */
/*
 * Small objects: each size class cuts single pages into equal pieces; kfree() finds the class in
 * the page's struct page. Free objects are chained by 16-byte steps within their page, and carry a
 * mark in their second word: a mark found by kfree() means a look through the chain for a double
 * free, a mark missing at kmalloc() means that somebody wrote to freed memory.
 */
#include "slab.h"

#include "internal.h"
#include "printk.h"
#include "spinlock.h"

static const uint16_t class_size[] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048};
enum { NCLASSES = ARRAY_SIZE(class_size), STEP = 16, CLASS_RUN = 0xffff };

struct slab_class {
	spinlock_t lock;     /* irqsave */
	struct list partial; /* pages with a free object */
	bool ready;
};

static struct slab_class classes[NCLASSES] HOT_WRITTEN;

struct free_object {
	uint64_t next; /* as page.slab_free */
	uint64_t mark;
};

static uint64_t mark_of(const void *p)
{
	return (uint64_t)p ^ UINT64_C(0x5f4ee0b1ec7ab1e5);
}

static struct free_object *object_at(struct page *pg, uint64_t step)
{
	return (struct free_object *)((char *)page_to_virt(pg) + (step - 1) * STEP);
}

static unsigned class_of(size_t size)
{
	unsigned c = 0;

	while (class_size[c] < size)
		c++;
	return c;
}

static struct page *new_slab(unsigned c)
{
	struct page *pg = page_alloc(0, 0);
	unsigned size = class_size[c];

	if (!pg)
		return NULL;
	pg->slab_class = (uint16_t)(c + 1);
	pg->slab_used = 0;
	pg->slab_free = 0;
	for (unsigned i = (unsigned)PAGE_SIZE / size; i-- > 0;) {
		unsigned step = i * size / STEP + 1;
		struct free_object *o = object_at(pg, step);

		o->next = pg->slab_free;
		o->mark = mark_of(o);
		pg->slab_free = (uint16_t)step;
	}
	return pg;
}

static void *alloc_run(size_t size)
{
	unsigned order = 0;
	struct page *pg;

	while (order <= PAGE_MAX_ORDER && PAGE_SIZE << order < size)
		order++;
	pg = page_alloc(order, 0);
	if (!pg)
		return NULL;
	pg->slab_class = CLASS_RUN;
	return page_to_virt(pg);
}

void *kmalloc(size_t size)
{
	struct free_object *o = NULL;
	struct slab_class *sc;
	struct page *pg;
	uint64_t irq;
	unsigned c;

	if (size > class_size[NCLASSES - 1])
		return alloc_run(size);
	c = class_of(size);
	sc = &classes[c];
	irq = spin_lock_irqsave(&sc->lock);
	if (!sc->ready) {
		list_init(&sc->partial);
		sc->ready = true;
	}
	if (list_empty(&sc->partial)) {
		pg = new_slab(c);
		if (pg)
			list_add(&sc->partial, &pg->link);
	}
	if (!list_empty(&sc->partial)) {
		pg = list_first(&sc->partial, struct page, link);
		o = object_at(pg, pg->slab_free);
		kassert(o->mark == mark_of(o));
		o->mark = 0;
		pg->slab_free = (uint16_t)o->next;
		pg->slab_used++;
		if (pg->slab_free == 0)
			list_del(&pg->link);
	}
	spin_unlock_irqrestore(&sc->lock, irq);
	return o;
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

static bool in_chain(struct page *pg, const struct free_object *o)
{
	for (uint64_t step = pg->slab_free; step; step = object_at(pg, step)->next)
		if (object_at(pg, step) == o)
			return true;
	return false;
}

void kfree(void *p)
{
	struct free_object *o = p;
	struct slab_class *sc;
	struct page *pg;
	uint64_t irq, off = (uint64_t)p & (PAGE_SIZE - 1);
	unsigned size;

	if (!p)
		return;
	kassert(virt_to_phys(p) < phys_top);
	pg = phys_to_page(virt_to_phys(p));
	kassert(pg->state == PAGE_USED && pg->slab_class != 0);
	if (pg->slab_class == CLASS_RUN) {
		kassert(off == 0);
		pg->slab_class = 0;
		page_free(pg, pg->order);
		return;
	}
	size = class_size[pg->slab_class - 1];
	kassert(off % size == 0);
	sc = &classes[pg->slab_class - 1];

	irq = spin_lock_irqsave(&sc->lock);
	kassert(pg->slab_used > 0);
	kassert(o->mark != mark_of(o) || !in_chain(pg, o));
	if (pg->slab_free == 0)
		list_add_tail(&sc->partial, &pg->link);
	o->next = pg->slab_free;
	o->mark = mark_of(o);
	pg->slab_free = (uint16_t)(off / STEP + 1);
	/* The last page of a class stays, so that one object going to and fro costs no page. */
	if (--pg->slab_used == 0 && sc->partial.next != sc->partial.prev) {
		list_del(&pg->link);
		pg->slab_class = 0;
		page_free(pg, 0);
	}
	spin_unlock_irqrestore(&sc->lock, irq);
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *d = kmalloc(n);

	return d ? memcpy(d, s, n) : NULL;
}
