/* SPDX-License-Identifier: MIT */
/*
 * What the check table is told of a CPU: its registers; the kernel's root, where it can be found;
 * and, as the allow-list, the pages that the CPU itself needs to enter any kernel: IDT, GDT, TSS,
 * the tops of the TSS's stacks, the code at which gates and SYSCALL enter, and what a process asked
 * for (LDT, I/O bitmap). All else that user mode's root maps for the kernel is too much, or is on
 * the user's own list.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kaiser/verify.h>

#include "audit.h"

#define PAGE     UINT64_C(0x1000)
#define ADDRESS  UINT64_C(0x000ffffffffff000)
#define NEEDED   192
#define FRAMES   4096
#define TSS_SIZE 0x68

struct machine {
	struct kaiser_machine m;
	struct judgement *j;
	unsigned count;
	struct kaiser_allowed allowed[NEEDED];
	char name[NEEDED][64];
	unsigned frames;
	uint64_t frame[FRAMES]; /* other CPUs' */
	unsigned owns;
	uint64_t own[NEEDED];
	const struct process *process;
	uint64_t visible[VISIBLE];
};

static int read_physical(void *ctx, uint64_t pa, void *buf, size_t n)
{
	const struct machine *x = ctx;

	return source_read(x->j->source, pa, buf, n);
}

static bool is_root(void *ctx, uint64_t pa)
{
	const struct machine *x = ctx;

	for (unsigned i = 0; i < x->j->roots; i++)
		if (x->j->root[i] == pa)
			return true;
	return false;
}

static bool is_foreign(void *ctx, uint64_t pa)
{
	const struct machine *x = ctx;

	for (unsigned i = 0; i < x->frames; i++)
		if (x->frame[i] == pa)
			return true;
	return false;
}

static bool is_others(void *ctx, uint64_t value)
{
	const struct machine *x = ctx;

	return processes_others(x->j->processes, x->process, value);
}

static bool read_at(const struct kaiser_machine *m, uint64_t root, uint64_t va, void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t some = (size_t)(PAGE - (va + done) % PAGE);
		struct kaiser_visit v;

		some = some < n - done ? some : n - done;
		if (!kaiser_translate(m, root, va + done, &v) ||
		    m->read(m->ctx, v.pa + ((va + done) & (v.size - 1)), (char *)buf + done, some))
			return false;
		done += some;
	}
	return true;
}

/* ---- what the CPU needs ---- */

typedef void (*need_fn)(void *arg, uint64_t va, unsigned rights, const char *name);

static void need_range(need_fn fn, void *arg, uint64_t base, uint64_t bytes, unsigned rights,
		       const char *name)
{
	for (uint64_t va = base & ~(PAGE - 1); va - base < bytes || va <= base; va += PAGE) {
		fn(arg, va, rights, name);
		if (va + PAGE < va || va + PAGE >= base + bytes)
			break;
	}
}

/* Tables and stacks of one CPU: what is its own in a kernel that keeps CPUs apart. */
static void own_pages(const struct kaiser_machine *m, const struct source_cpu *c, need_fn fn,
		      void *arg)
{
	static const char *const stack[8] = {"RSP0",  "IST 1", "IST 2", "IST 3",
					     "IST 4", "IST 5", "IST 6", "IST 7"};
	uint64_t top[8] = {0};

	if (c->known & KAISER_KNOWN_GDT)
		need_range(fn, arg, c->gdt.base, c->gdt.limit + UINT64_C(1), 0, "GDT");
	if (!(c->known & KAISER_KNOWN_TR))
		return;
	need_range(fn, arg, c->tr.base, TSS_SIZE, 0, "TSS");
	if (!read_at(m, c->cr3, c->tr.base + 4, &top[0], 8) ||
	    !read_at(m, c->cr3, c->tr.base + 0x24, &top[1], 56))
		return;
	for (unsigned i = 0; i < 8; i++)
		if (top[i])
			need_range(fn, arg, (top[i] & ~UINT64_C(15)) - 48, 48, KAISER_MAY_WRITE,
				   stack[i]);
}

static void gate_pages(struct machine *x, const struct source_cpu *c, need_fn fn, void *arg)
{
	struct judgement *j = x->j;

	need_range(fn, arg, c->idt.base, c->idt.limit + UINT64_C(1), 0, "IDT");
	for (unsigned v = 0; v < 256 && v * 16 + 15 <= c->idt.limit; v++) {
		uint64_t g[2], target;

		if (!read_at(&x->m, c->cr3, c->idt.base + v * 16, g, 16) || !(g[0] >> 47 & 1))
			continue;
		target = (g[0] & 0xffff) | (g[0] >> 32 & 0xffff0000) | g[1] << 32;
		fn(arg, target & ~(PAGE - 1), KAISER_MAY_EXEC, "gates");
		if (j->codes < 64)
			j->code[j->codes++] = target;
	}
}

static void allow_page(void *arg, uint64_t va, unsigned rights, const char *name)
{
	struct machine *x = arg;
	struct kaiser_allowed *a = x->allowed;
	unsigned i = 0;

	while (i < x->count && a[i].start != va)
		i++;
	if (i == NEEDED)
		return;
	if (i == x->count) {
		x->count++;
		a[i] = (struct kaiser_allowed){
			.start = va, .end = va + PAGE, .optional = true, .name = x->name[i]};
	}
	a[i].rights |= rights;
	size_t n = strlen(x->name[i]);
	if (!strstr(x->name[i], name) && n + strlen(name) + 3 < sizeof(x->name[i]))
		snprintf(x->name[i] + n, sizeof(x->name[i]) - n, "%s%s", n ? ", " : "", name);
}

struct again {
	struct machine *x;
	uint64_t frame, at;
};

static int again_visit(void *arg, const struct kaiser_visit *v)
{
	struct again *a = arg;

	if (v->kind == KAISER_VISIT_LEAF && v->size == PAGE && v->pa == a->frame && v->va != a->at)
		allow_page(a->x, v->va, KAISER_MAY_WRITE, "RSP0's page again, for 16-bit stacks");
	return 0;
}

/* IRET to a 16-bit stack keeps bits 31 to 16 of ESP only if it happens at an address with the
 * program's: a kernel that takes care of that maps the page of its entry stack once more. */
static void stack16_page(struct machine *x, const struct source_cpu *c)
{
	struct again a = {.x = x};
	struct kaiser_visit v;
	uint64_t rsp0;

	if (!read_at(&x->m, c->cr3, c->tr.base + 4, &rsp0, 8) ||
	    !kaiser_translate(&x->m, c->cr3 & ADDRESS, rsp0 - 8, &v) || v.size != PAGE)
		return;
	a.frame = v.pa;
	a.at = v.va;
	kaiser_walk(&x->m, c->cr3 & ADDRESS, KAISER_KERNEL_HALF, false, again_visit, &a);
}

static void allow_needed(struct machine *x, const struct source_cpu *c)
{
	bool syscall = !(c->known & KAISER_KNOWN_EFER) || (c->efer & 1);
	uint64_t map, end;
	uint16_t iomap;

	x->j->codes = 0;
	own_pages(&x->m, c, allow_page, x);
	if (c->known & KAISER_KNOWN_IDT)
		gate_pages(x, c, allow_page, x);
	if (syscall && (c->known & KAISER_KNOWN_LSTAR) && c->lstar)
		allow_page(x, c->lstar & ~(PAGE - 1), KAISER_MAY_EXEC, "SYSCALL");
	if (syscall && (c->known & KAISER_KNOWN_CSTAR) && c->cstar)
		allow_page(x, c->cstar & ~(PAGE - 1), KAISER_MAY_EXEC, "SYSCALL");
	if ((c->known & KAISER_KNOWN_SYSENTER) && (c->sysenter_cs & ~3u))
		allow_page(x, c->sysenter_eip & ~(PAGE - 1), KAISER_MAY_EXEC, "SYSENTER");
	if ((c->ldt.selector & ~3u) && c->ldt.limit)
		need_range(allow_page, x, c->ldt.base, c->ldt.limit + UINT64_C(1), 0, "LDT");
	if ((c->ldt.selector & ~3u) && c->ldt.limit && (c->known & KAISER_KNOWN_TR))
		stack16_page(x, c);
	if (!(c->known & KAISER_KNOWN_TR) || !read_at(&x->m, c->cr3, c->tr.base + 0x66, &iomap, 2))
		return;
	map = c->tr.base + iomap;
	end = c->tr.base + c->tr.limit + UINT64_C(1);
	if (iomap >= TSS_SIZE && map < end)
		need_range(allow_page, x, map, end - map < 8193 ? end - map : 8193, 0,
			   "I/O bitmap");
}

/* ---- other CPUs' ---- */

struct collect {
	const struct kaiser_machine *m;
	uint64_t root;
	uint64_t *list;
	unsigned *count, max;
};

static void collect_frame(void *arg, uint64_t va, unsigned rights, const char *name)
{
	struct collect *c = arg;
	struct kaiser_visit v;

	(void)rights;
	(void)name;
	if (*c->count < c->max && kaiser_translate(c->m, c->root, va, &v))
		c->list[(*c->count)++] = (v.pa + (va & (v.size - 1))) & ~(PAGE - 1);
}

static void find_foreign(struct machine *x, unsigned cpu)
{
	const struct source *s = x->j->source;
	unsigned n = 0, kept = 0;

	own_pages(&x->m, &s->cpu[cpu], collect_frame,
		  &(struct collect){&x->m, s->cpu[cpu].cr3, x->own, &x->owns, NEEDED});
	for (unsigned i = 0; i < s->cpus; i++)
		if (i != cpu && s->cpu[i].paging)
			own_pages(&x->m, &s->cpu[i], collect_frame,
				  &(struct collect){&x->m, s->cpu[i].cr3, x->frame, &n, FRAMES});
	for (unsigned i = 0; i < n; i++) {
		bool mine = false;

		for (unsigned k = 0; k < x->owns; k++)
			mine |= x->own[k] == x->frame[i];
		if (!mine)
			x->frame[kept++] = x->frame[i];
	}
	x->frames = kept;
}

/* ---- the kernel's root ---- */

/* It has the user root's user half, top level by top level, and maps the IDT. */
static bool is_kernel_root_of(const struct machine *x, const struct source_cpu *c, uint64_t root)
{
	uint64_t user[256], kernel[256];
	struct kaiser_visit v;
	unsigned same = 0;

	for (unsigned i = 0; i < 256; i += 16)
		if (read_physical((void *)(uintptr_t)x, (c->cr3 & ADDRESS) + i * 8, user + i,
				  128) ||
		    read_physical((void *)(uintptr_t)x, root + i * 8, kernel + i, 128))
			return false;
	for (unsigned i = 0; i < 256; i++) {
		if (!(user[i] & 1))
			continue;
		if (!(kernel[i] & 1) || ((kernel[i] ^ user[i]) & ADDRESS))
			return false;
		same++;
	}
	return same &&
	       (!(c->known & KAISER_KNOWN_IDT) || kaiser_translate(&x->m, root, c->idt.base, &v));
}

static bool find_kernel_root(const struct machine *x, const struct source_cpu *c, uint64_t *root)
{
	const struct judgement *j = x->j;
	uint64_t own = c->cr3 & ADDRESS;

	if (j->options->have_kernel_root) {
		*root = j->options->kernel_root & ADDRESS;
		return true;
	}
	for (unsigned i = 0; i < j->entries; i++) {
		*root = j->entry[i].kernel_cr3 & ADDRESS;
		if ((j->entry[i].user_cr3 & ADDRESS) == own)
			return true;
	}
	/* Kernel code ran with interrupts on under the very root that user mode has. */
	for (unsigned i = 0; i < j->kernel_roots; i++) {
		*root = j->kernel_root[i];
		if (*root == own)
			return true;
	}
	*root = own & ~PAGE;
	if ((own & PAGE) && is_kernel_root_of(x, c, *root))
		return true;
	for (unsigned i = 0; i < j->kernel_roots; i++) {
		*root = j->kernel_root[i];
		if (is_kernel_root_of(x, c, *root))
			return true;
	}
	for (unsigned i = 0; i < j->entries; i++) {
		*root = j->entry[i].kernel_cr3 & ADDRESS;
		if (is_kernel_root_of(x, c, *root))
			return true;
	}
	return false;
}

/* What CR3 held while the kernel ran under that root; else any value it held on that CPU, the one
 * that looks worst. */
static void find_kernel_cr3(struct kaiser_machine *m, const struct judgement *j, unsigned cpu)
{
	for (unsigned i = 0; i < 256 && j->kernel_cr3[i].cr3; i++) {
		uint64_t cr3 = j->kernel_cr3[i].cr3;
		bool same = (m->known & KAISER_KNOWN_KERNEL_ROOT) &&
			    (cr3 & ADDRESS) == (m->kernel_root & ADDRESS);

		if ((cr3 & ADDRESS) == (m->cr3 & ADDRESS) || (!same && j->kernel_cr3[i].cpu != cpu))
			continue;
		if (same || !(m->known & KAISER_KNOWN_KERNEL_CR3) ||
		    !((cr3 ^ m->cr3) & ~ADDRESS & 0xfff))
			m->kernel_cr3 = cr3;
		m->known |= KAISER_KNOWN_KERNEL_CR3;
		if (same)
			return;
	}
}

static void know_places(struct machine *x, unsigned cpu)
{
	struct judgement *j = x->j;
	struct kaiser_machine *m = &x->m;

	if (!j->places.looked && (m->known & KAISER_KNOWN_KERNEL_ROOT))
		places_find(&j->places, m, judge_place_symbols(j) ? j->symbols : NULL);
	m->image_start = j->places.image_start;
	m->image_end = j->places.image_end;
	m->direct_start = j->places.direct_start;
	m->direct_end = j->places.direct_end;
	m->known |= m->image_end ? KAISER_KNOWN_IMAGE : 0;
	m->known |= m->direct_end ? KAISER_KNOWN_DIRECT : 0;
	if (j->boots > 1) {
		j->boot[0] = (struct kaiser_boot){m->image_start, m->direct_start, x->visible,
						  places_visible(m, x->visible, VISIBLE)};
		m->boots = j->boot;
		m->boot_count = j->boots;
	}
	x->process = processes_own(j->processes, j->source, cpu);
	if (x->process && processes_on(j->processes, cpu) > 1)
		m->is_others = is_others;
}

static uint64_t ram_pages(const struct source *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->rams; i++)
		n += (s->ram[i].end - s->ram[i].start) / PAGE;
	return n;
}

/* Tables visited in one walk: more than can be of use in so much memory, shared ones included. */
static unsigned table_limit(const struct source *s)
{
	uint64_t pages = ram_pages(s), n = pages / 8 + 4096;

	n = n < 2 * pages + 64 ? n : 2 * pages + 64;
	return n < 65536 ? (unsigned)n : 65536;
}

struct machine *machine_of(struct judgement *j, unsigned cpu)
{
	const struct source_cpu *c = &j->source->cpu[cpu];
	struct machine *x = calloc(1, sizeof(*x));
	struct kaiser_allowed *list;

	if (!x)
		return NULL;
	list = calloc(NEEDED + j->rules->count, sizeof(*list));
	if (!list) {
		free(x);
		return NULL;
	}
	x->j = j;
	x->m = (struct kaiser_machine){
		.known = c->known,
		.cr3 = c->cr3,
		.switch_bit = preset_switch_bit(j->options->preset),
		.cr4 = c->cr4,
		.efer = c->efer,
		.idt_base = c->idt.base,
		.idt_limit = c->idt.limit,
		.gdt_base = c->gdt.base,
		.gdt_limit = c->gdt.limit,
		.tr_base = c->tr.base,
		.tr_limit = c->tr.limit,
		.lstar = c->lstar,
		.cstar = c->cstar,
		.sysenter_cs = (uint16_t)c->sysenter_cs,
		.sysenter_eip = c->sysenter_eip,
		.gs_base = c->gs.base,
		.kernel_gs_base = c->kernel_gs,
		.pa_bits = j->source->pa_bits,
		.ram_pages = ram_pages(j->source),
		.table_limit = table_limit(j->source),
		.user_half_stable = true,
		.foreign_kernel = true,
		.ctx = x,
		.read = read_physical,
		.is_root = is_root,
		.is_foreign = is_foreign,
	};
	if (c->known & KAISER_KNOWN_GDT) {
		x->m.known |= KAISER_KNOWN_LDT;
		x->m.ldt_base = c->ldt.selector & ~3u ? c->ldt.base : 0;
		x->m.ldt_limit = c->ldt.limit;
	}
	if (find_kernel_root(x, c, &x->m.kernel_root))
		x->m.known |= KAISER_KNOWN_KERNEL_ROOT;
	find_kernel_cr3(&x->m, j, cpu);
	allow_needed(x, c);
	know_places(x, cpu);
	if (x->count) {
		memcpy(list, x->allowed, x->count * sizeof(*list));
		x->m.known |= KAISER_KNOWN_ALLOWED;
	}
	if (j->rules->count) {
		memcpy(list + x->count, j->rules->rule, j->rules->count * sizeof(*list));
		x->m.known |= KAISER_KNOWN_ALLOWED;
	}
	x->m.allowed = list;
	x->m.allowed_count = x->count + j->rules->count;
	if (j->source->cpus == 1 || (c->known & KAISER_KNOWN_TR))
		find_foreign(x, cpu);
	else
		x->m.is_foreign = NULL;
	return x;
}

const struct kaiser_machine *machine_facts(const struct machine *x)
{
	return &x->m;
}

void machine_free(struct machine *x)
{
	if (x)
		free((void *)(uintptr_t)x->m.allowed);
	free(x);
}
