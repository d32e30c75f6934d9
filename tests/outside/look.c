/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <kaiser/layout.h>

#include "look.h"

#define SWITCH_BIT UINT64_C(0x1000)
#define ADDRESS    UINT64_C(0x000ffffffffff000)
#define SHOWN      6

void look_found(struct look *l, enum look_at kind, unsigned cpu, const char *format, ...)
{
	va_list ap;

	if (l->found[kind]++ >= SHOWN || l->quiet)
		return;
	printf("# cpu %u: ", cpu);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
}

void look_note_roots(struct look *l)
{
	for (unsigned i = 0; i < l->cpus; i++) {
		uint64_t pair = l->regs[i].cr3 & ADDRESS & ~SWITCH_BIT;
		unsigned k = 0;

		while (k < l->roots && l->root[k] != pair)
			k++;
		if (k == l->roots && k + 2 <= LOOK_MAX_ROOTS) {
			l->root[l->roots++] = pair;
			l->root[l->roots++] = pair | SWITCH_BIT;
		}
	}
}

static int take_leaf(void *arg, const struct walk_leaf *leaf)
{
	struct look_cpu *c = arg;
	uint64_t n = leaf->size / WALK_PAGE;

	if (leaf->user && !walk_kernel_half(&c->user, leaf->va))
		return 0;
	c->pages += n;
	c->writable += leaf->write ? n : 0;
	c->executable += leaf->exec ? n : 0;
	c->writable_executable += leaf->write && leaf->exec ? n : 0;
	if (c->leaves < LOOK_MAX_LEAVES)
		c->leaf[c->leaves++] = *leaf;
	return 0;
}

static const struct walk_leaf *leaf_at(const struct look_cpu *c, uint64_t va)
{
	for (unsigned i = 0; i < c->leaves; i++)
		if (va - c->leaf[i].va < c->leaf[i].size)
			return &c->leaf[i];
	return NULL;
}

static uint64_t word(const struct look *l, const struct walk_leaf *leaf, uint64_t va)
{
	const uint8_t *p = vm_memory(l->vm, leaf->pa + (va - leaf->va), 8);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, 8);
	return v;
}

/* Each page by what the CPU's registers and the tables in it make of it. */
static void find_roles(struct look *l, unsigned cpu)
{
	struct look_cpu *c = &l->cpu[cpu];
	const struct vm_cpu *r = &l->regs[cpu];
	uint64_t gate[2], target;

	c->idt = leaf_at(c, r->idt.base);
	c->descriptors = leaf_at(c, r->gdt.base);
	if (!c->idt || !c->descriptors || leaf_at(c, r->tr.base) != c->descriptors) {
		look_found(l, LOOK_ROLES, cpu,
			   "IDT, GDT or TSS is not mapped where its register says");
		return;
	}
	for (unsigned i = 0; i < 256; i++) {
		gate[0] = word(l, c->idt, r->idt.base + 16 * i);
		gate[1] = word(l, c->idt, r->idt.base + 16 * i + 8);
		target = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | gate[1] << 32;
		if (i == 0)
			c->text = leaf_at(c, target);
		if (!c->text || leaf_at(c, target) != c->text)
			look_found(l, LOOK_ROLES, cpu,
				   "gate %u leads to %#lx, not into the gate text", i, target);
	}
	/* RSP0 and the four interrupt stacks; a stack's top may be the page's end. */
	c->entry = leaf_at(c, word(l, c->descriptors, r->tr.base + 4) - 1);
	for (unsigned i = 0; i < 4; i++)
		if (!c->entry ||
		    leaf_at(c, word(l, c->descriptors, r->tr.base + 0x24 + 8 * i) - 1) != c->entry)
			look_found(l, LOOK_ROLES, cpu, "IST %u is not in the entry page", i + 1);
	if (!c->text || !c->entry || c->idt == c->text || c->idt == c->descriptors ||
	    c->idt == c->entry || c->text == c->descriptors || c->text == c->entry ||
	    c->descriptors == c->entry)
		look_found(l, LOOK_ROLES, cpu, "two of the four pages are one");
	else if (c->idt->write || c->idt->exec || c->descriptors->write || c->descriptors->exec ||
		 c->text->write || !c->text->exec || !c->entry->write || c->entry->exec)
		look_found(l, LOOK_ROLES, cpu, "a page has the rights of another role");
}

static void look_tables(struct look *l, unsigned cpu)
{
	struct look_cpu *c = &l->cpu[cpu];
	const struct vm_cpu *r = &l->regs[cpu];

	memset(c, 0, sizeof(*c));
	c->user = walk_root(l->vm, r, r->cr3);
	c->kernel = walk_root(l->vm, r, r->cr3 & ~SWITCH_BIT);
	if (!(r->cr3 & SWITCH_BIT))
		look_found(l, LOOK_SWITCH_BIT, cpu, "user mode runs with CR3 %#lx", r->cr3);
	walk_all(&c->user, take_leaf, c);
	if (c->pages != 4)
		look_found(l, LOOK_PAGES, cpu, "%lu supervisor pages (%lu KiB) are mapped, not 4",
			   c->pages, 4 * c->pages);
	if (c->writable != 1 || c->writable_executable || (r->efer & 0x800 && c->executable != 1))
		look_found(l, LOOK_RIGHTS, cpu, "%lu writable, %lu executable, %lu both",
			   c->writable, c->executable, c->writable_executable);
	for (unsigned i = 0; i < c->leaves && c->pages <= LOOK_MAX_LEAVES; i++)
		if (c->leaf[i].user || c->leaf[i].global)
			look_found(l, LOOK_RIGHTS, cpu, "%#lx is %s", c->leaf[i].va,
				   c->leaf[i].user ? "user mode's own" : "global");
}

/* No page that this CPU's root maps is another's own. */
static void look_own(struct look *l, unsigned cpu)
{
	const struct look_cpu *c = &l->cpu[cpu];

	for (unsigned k = 0; k < l->cpus; k++) {
		const struct look_cpu *o = &l->cpu[k];

		if (k == cpu || !o->descriptors || !o->entry)
			continue;
		for (unsigned i = 0; i < c->leaves; i++) {
			const struct walk_leaf *f = &c->leaf[i];

			if (o->descriptors->pa - f->pa < f->size || o->entry->pa - f->pa < f->size)
				look_found(l, LOOK_OWN, cpu, "%#lx is a page of cpu %u", f->va, k);
		}
	}
}

/* Gate text and gates are the same bytes in each boot: the kernel's place is not in them. */
static void look_same(struct look *l, unsigned cpu)
{
	static uint8_t text[WALK_PAGE], idt[WALK_PAGE];
	static bool have;
	const struct look_cpu *c = &l->cpu[cpu];
	const uint8_t *t = vm_memory(l->vm, c->text->pa, WALK_PAGE);
	const uint8_t *raw = vm_memory(l->vm, c->idt->pa, WALK_PAGE);
	uint8_t gates[WALK_PAGE];

	if (!t || !raw)
		return;
	for (unsigned i = 0; i < WALK_PAGE; i += 16) {
		uint64_t g[2], target;

		memcpy(g, raw + i, 16);
		target = (g[0] & 0xffff) | (g[0] >> 32 & 0xffff0000) | g[1] << 32;
		g[0] &= UINT64_C(0x0000ffffffff0000);
		g[1] = (g[1] & ~UINT64_C(0xffffffff)) ^ (target - l->window);
		memcpy(gates + i, g, 16);
	}
	if (!have) {
		memcpy(text, t, WALK_PAGE);
		memcpy(idt, gates, WALK_PAGE);
		have = true;
	}
	for (unsigned i = 0; i < WALK_PAGE; i++) {
		if (text[i] != t[i])
			look_found(l, LOOK_SAME, cpu, "gate text byte %#x is %02x, was %02x", i,
				   t[i], text[i]);
		if (idt[i] != gates[i])
			look_found(l, LOOK_SAME, cpu, "gate %u differs from an earlier boot",
				   i / 16);
	}
}

void look_all(struct look *l)
{
	l->window = l->regs[0].idt.base;
	l->window_end = l->window + (1 + l->cpus) * (uint64_t)KAISER_CPU_STRIDE;
	for (unsigned i = 0; i < l->cpus; i++) {
		look_tables(l, i);
		if (l->cpu[i].pages <= LOOK_MAX_LEAVES)
			find_roles(l, i);
	}
	for (unsigned i = 0; i < l->cpus; i++) {
		look_own(l, i);
		if (l->cpu[i].pages <= LOOK_MAX_LEAVES)
			look_scan(l, i);
		if (l->cpu[i].idt && l->cpu[i].text)
			look_same(l, i);
		look_second(l, i);
	}
}
