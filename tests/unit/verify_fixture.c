/* SPDX-License-Identifier: MIT */
#include "verify_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NX_IF(fx) ((fx)->m.efer & (1u << 11) ? PTE_NX : 0)

void *fx_at(struct fixture *fx, uint64_t pa)
{
	if (pa < FX_BASE || pa >= FX_BASE + sizeof(fx->mem))
		return NULL;
	return (uint8_t *)fx->mem + (pa - FX_BASE);
}

uint64_t fx_frame(struct fixture *fx)
{
	if (fx->next == FX_FRAMES)
		abort();
	return FX_BASE + fx->next++ * 0x1000u;
}

uint64_t *fx_entry(struct fixture *fx, uint64_t root, uint64_t va, unsigned level, uint64_t bits)
{
	uint64_t table = root;

	for (unsigned l = fx->levels - 1;; l--) {
		uint64_t *e = (uint64_t *)fx_at(fx, table) + (va >> (12 + 9 * l) & 511);
		if (l == level)
			return e;
		if (!(*e & PTE_P))
			*e = fx_frame(fx) | PTE_P | PTE_W | PTE_A | bits;
		table = *e & PTE_ADDR;
	}
}

void fx_map(struct fixture *fx, uint64_t root, uint64_t va, uint64_t pa, uint64_t bits)
{
	*fx_entry(fx, root, va, 0, bits & PTE_U) = pa | PTE_P | PTE_A | PTE_D | bits;
}

void fx_map_both(struct fixture *fx, uint64_t va, uint64_t pa, uint64_t bits)
{
	fx_map(fx, fx->uroot, va, pa, bits);
	fx_map(fx, fx->kroot, va, pa, bits);
}

void fx_gate(struct fixture *fx, unsigned vector, uint64_t target, unsigned ist)
{
	uint8_t *g = (uint8_t *)fx_at(fx, fx->idt) + vector * 16;

	memset(g, 0, 16);
	g[0] = (uint8_t)target;
	g[1] = (uint8_t)(target >> 8);
	g[2] = 0x10;
	g[4] = (uint8_t)ist;
	g[5] = 0x8e;
	for (unsigned i = 0; i < 6; i++)
		g[6 + i] = (uint8_t)(target >> (16 + 8 * i));
}

static int read_mem(void *ctx, uint64_t pa, void *buf, size_t n)
{
	struct fixture *fx = ctx;
	uint8_t *p = fx_at(fx, pa);

	fx->reads++;
	if ((pa & 4095) + n > 4096)
		abort();
	if (!p)
		return -1;
	memcpy(buf, p, n);
	return 0;
}

static bool is_foreign(void *ctx, uint64_t pa)
{
	return pa == ((struct fixture *)ctx)->foreign;
}

static bool is_others(void *ctx, uint64_t value)
{
	return value == ((struct fixture *)ctx)->others;
}

/* Three boots: the image and memory move, and so does the window, by other distances. */
static void fill_boots(struct fixture *fx)
{
	static const uint64_t page[4] = {FX_IDT, FX_TEXT, FX_DESC, FX_ENTRY};

	for (unsigned b = 0; b < 3; b++) {
		for (unsigned i = 0; i < 4; i++)
			fx->visible[b][i] = page[i] + b * b * UINT64_C(0x2000000);
		fx->boot[b] = (struct kaiser_boot){FX_KTEXT + b * UINT64_C(0x2000000),
						   FX_DIRECT + b * UINT64_C(0x10000000),
						   fx->visible[b], 4};
	}
	fx->m.image_start = FX_KTEXT;
	fx->m.image_end = FX_KTEXT + 0x1000;
	fx->m.direct_start = FX_DIRECT;
	fx->m.direct_end = FX_DIRECT + 0x200000;
	fx->m.boots = fx->boot;
	fx->m.boot_count = 3;
	fx->m.known |= KAISER_KNOWN_IMAGE | KAISER_KNOWN_DIRECT;
}

/* Nothing in the fixture's gate text is known to be the same everywhere. */
static bool is_constant(void *ctx, uint64_t va, unsigned n)
{
	(void)ctx;
	(void)va;
	(void)n;
	return false;
}

static void allow(struct kaiser_allowed *a, uint64_t va, unsigned rights, bool views,
		  const char *name)
{
	*a = (struct kaiser_allowed){
		.start = va, .end = va + 4096, .rights = rights, .two_views = views, .name = name};
}

static void fill_tables(struct fixture *fx)
{
	uint64_t *gdt = fx_at(fx, fx->desc);
	uint8_t *tss = (uint8_t *)gdt + 0x80;

	gdt[2] = UINT64_C(0x00af9b000000ffff);
	gdt[3] = UINT64_C(0x00cf93000000ffff);
	gdt[8] = 0x67 | (FX_TSS & 0xffffff) << 16 | UINT64_C(0x8b) << 40 |
		 (FX_TSS >> 24 & 0xff) << 56;
	gdt[9] = FX_TSS >> 32;
	for (unsigned i = 0; i < 5; i++) {
		uint64_t top = FX_ENTRY + 0x200 * (i + 1);
		memcpy(tss + (i ? 0x24 + 8 * (i - 1) : 4), &top, 8);
	}
	for (unsigned v = 0; v < 256; v++)
		fx_gate(fx, v, FX_TEXT + 8 * v,
			v == 2    ? 1
			: v == 18 ? 2
			: v == 1  ? 3
			: v == 8  ? 4
				  : 0);
}

void fx_init(struct fixture *fx, unsigned levels, bool nx)
{
	struct kaiser_machine *m = &fx->m;
	uint64_t pair, dark;

	memset(fx, 0, sizeof(*fx));
	memset(fx->mem, 0, sizeof(fx->mem));
	fx->levels = levels;
	pair = fx_frame(fx);
	fx->kroot = pair;
	fx->uroot = fx_frame(fx);
	fx->idt = fx_frame(fx);
	fx->text_user = fx_frame(fx);
	fx->text_kernel = fx_frame(fx);
	fx->desc = fx_frame(fx);
	fx->entry = fx_frame(fx);
	fx->priv = fx_frame(fx);
	fx->ktext = fx_frame(fx);
	fx->user = fx_frame(fx);
	fx->foreign = fx_frame(fx);
	fx->spare = fx_frame(fx);
	*m = (struct kaiser_machine){
		.known = KAISER_KNOWN_CR3 | KAISER_KNOWN_KERNEL_ROOT | KAISER_KNOWN_CR4 |
			 KAISER_KNOWN_EFER | KAISER_KNOWN_IDT | KAISER_KNOWN_GDT | KAISER_KNOWN_TR |
			 KAISER_KNOWN_LSTAR | KAISER_KNOWN_CSTAR | KAISER_KNOWN_SYSENTER |
			 KAISER_KNOWN_WINDOW | KAISER_KNOWN_ALLOWED | KAISER_KNOWN_LDT,
		.cr3 = fx->uroot,
		.kernel_root = fx->kroot,
		.switch_bit = 0x1000,
		.cr4 = levels == 5 ? 1 << 12 : 0,
		.efer = 1 | (nx ? 1 << 11 : 0),
		.idt_base = FX_IDT,
		.idt_limit = 4095,
		.gdt_base = FX_DESC,
		.gdt_limit = 0x7f,
		.tr_base = FX_TSS,
		.tr_limit = 0x67,
		.lstar = FX_TEXT + 0x900,
		.cstar = FX_TEXT + 0xa00,
		.window_start = FX_WINDOW,
		.window_end = FX_WINDOW + 0x200000,
		.allowed = fx->allowed,
		.allowed_count = 4,
		.pa_bits = 40,
		.user_half_stable = true,
		.ctx = fx,
		.read = read_mem,
		.is_foreign = is_foreign,
		.is_others = is_others,
		.is_constant = is_constant,
	};
	dark = NX_IF(fx);
	allow(&fx->allowed[0], FX_IDT, 0, false, "IDT");
	allow(&fx->allowed[1], FX_TEXT, KAISER_MAY_EXEC, true, "gate text");
	allow(&fx->allowed[2], FX_DESC, 0, false, "descriptors");
	allow(&fx->allowed[3], FX_ENTRY, KAISER_MAY_WRITE, false, "entry page");
	fx_map_both(fx, FX_IDT, fx->idt, dark);
	fx_map(fx, fx->uroot, FX_TEXT, fx->text_user, 0);
	fx_map(fx, fx->kroot, FX_TEXT, fx->text_kernel, 0);
	fx_map_both(fx, FX_DESC, fx->desc, dark);
	fx_map_both(fx, FX_ENTRY, fx->entry, PTE_W | dark);
	fx_map(fx, fx->kroot, FX_PRIV, fx->priv, PTE_W | dark);
	fx_map(fx, fx->kroot, FX_KTEXT, fx->ktext, 0);
	*fx_entry(fx, fx->kroot, FX_DIRECT, 1, 0) = PTE_P | PTE_W | PTE_PS | dark;
	fx_map(fx, fx->kroot, FX_USER, fx->user, PTE_U | PTE_W);
	*fx_entry(fx, fx->uroot, FX_USER, levels - 1, 0) =
		*fx_entry(fx, fx->kroot, FX_USER, levels - 1, 0);
	*fx_entry(fx, fx->kroot, FX_USER, levels - 1, 0) |= dark;
	memset(fx_at(fx, fx->text_user), 0xcc, 4096);
	memset(fx_at(fx, fx->text_kernel), 0xcc, 4096);
	fill_tables(fx);
	fill_boots(fx);
	fx->others = UINT64_C(0x00007f1234567890);
}

unsigned fx_check(const char *name)
{
	size_t n;
	const struct kaiser_check *c = kaiser_checks(&n);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(c[i].name, name) == 0)
			return i;
	abort();
}

static void on_finding(void *ctx, const struct kaiser_finding *f)
{
	struct fixture *fx = ctx;
	size_t n;
	unsigned i = (unsigned)(f->check - kaiser_checks(&n));
	unsigned *count[] = {fx->informed, fx->unknown, fx->warned, fx->found};
	char text[200];

	if (i >= n || !f->text || (unsigned)f->severity > KAISER_ERROR)
		abort();
	if (kaiser_finding_text(f, text, sizeof(text)) != strlen(text))
		abort();
	count[f->severity][i]++;
	if (getenv("FINDINGS"))
		fprintf(stderr, "%d %s [%lx, %lx) value %lx\n", (int)f->severity, text,
			(unsigned long)f->start, (unsigned long)f->end, (unsigned long)f->value);
}

int fx_run(struct fixture *fx, const char *only)
{
	const struct kaiser_sink sink = {fx, on_finding};

	memset(fx->found, 0, sizeof(fx->found));
	memset(fx->warned, 0, sizeof(fx->warned));
	memset(fx->unknown, 0, sizeof(fx->unknown));
	memset(fx->informed, 0, sizeof(fx->informed));
	return kaiser_check_run(&fx->m, &sink, only);
}
