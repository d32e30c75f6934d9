/* SPDX-License-Identifier: MIT */
/* The second opinion: libkaiser's own check table, told what can be known from outside. */
#include <string.h>

#include <kaiser/layout.h>
#include <kaiser/verify.h>

#include "look.h"

struct seen {
	struct look *l;
	unsigned cpu;
};

static int read_memory(void *ctx, uint64_t pa, void *buf, size_t n)
{
	const struct seen *s = ctx;
	const uint8_t *p = vm_memory(s->l->vm, pa, n);

	if (!p)
		return -1;
	memcpy(buf, p, n);
	return 0;
}

static bool is_root(void *ctx, uint64_t pa)
{
	const struct seen *s = ctx;

	for (unsigned i = 0; i < s->l->roots; i++)
		if (s->l->root[i] == pa)
			return true;
	return false;
}

static bool is_foreign(void *ctx, uint64_t pa)
{
	const struct seen *s = ctx;

	for (unsigned i = 0; i < s->l->cpus; i++) {
		const struct look_cpu *c = &s->l->cpu[i];

		if (i != s->cpu && c->descriptors && c->entry &&
		    (c->descriptors->pa == pa || c->entry->pa == pa))
			return true;
	}
	return false;
}

static void finding(void *ctx, const struct kaiser_finding *f)
{
	const struct seen *s = ctx;
	char text[200];

	if (f->severity != KAISER_ERROR)
		return;
	kaiser_finding_text(f, text, sizeof(text));
	look_found(s->l, LOOK_SECOND, s->cpu, "%s, at %#lx to %#lx value %#lx", text, f->start,
		   f->end, f->value);
}

static struct kaiser_allowed allow(uint64_t page, unsigned rights, bool two_views, const char *name)
{
	return (struct kaiser_allowed){.start = page,
				       .end = page + WALK_PAGE,
				       .rights = rights,
				       .two_views = two_views,
				       .name = name};
}

void look_second(struct look *l, unsigned cpu)
{
	const struct vm_cpu *r = &l->regs[cpu];
	uint64_t own = r->gdt.base - KAISER_CPU_DESC;
	struct seen seen = {l, cpu};
	const struct kaiser_sink sink = {&seen, finding};
	const struct kaiser_allowed allowed[] = {
		allow(l->window + KAISER_WIN_IDT, 0, false, "IDT"),
		allow(l->window + KAISER_WIN_TEXT, KAISER_MAY_EXEC, true, "gate text"),
		allow(own + KAISER_CPU_DESC, 0, false, "descriptors"),
		allow(own + KAISER_CPU_ENTRY, KAISER_MAY_WRITE, false, "entry page"),
	};
	const struct kaiser_machine m = {
		.known = KAISER_KNOWN_CR3 | KAISER_KNOWN_KERNEL_ROOT | KAISER_KNOWN_CR4 |
			 KAISER_KNOWN_EFER | KAISER_KNOWN_IDT | KAISER_KNOWN_GDT | KAISER_KNOWN_TR |
			 KAISER_KNOWN_WINDOW | KAISER_KNOWN_ALLOWED,
		.cr3 = r->cr3,
		.kernel_root = r->cr3 & ~(uint64_t)KAISER_SWITCH_BIT,
		.switch_bit = KAISER_SWITCH_BIT,
		.cr4 = r->cr4,
		.efer = r->efer,
		.idt_base = r->idt.base,
		.idt_limit = r->idt.limit,
		.gdt_base = r->gdt.base,
		.gdt_limit = r->gdt.limit,
		.tr_base = r->tr.base,
		.tr_limit = r->tr.limit,
		.window_start = l->window,
		.window_end = l->window_end,
		.allowed = allowed,
		.allowed_count = sizeof(allowed) / sizeof(allowed[0]),
		.user_half_stable = true,
		.ctx = &seen,
		.read = read_memory,
		.is_root = is_root,
		.is_foreign = is_foreign,
	};

	if (kaiser_check_run(&m, &sink, NULL) < 0)
		look_found(l, LOOK_SECOND, cpu, "the check table cannot run");
}
