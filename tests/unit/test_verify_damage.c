/* SPDX-License-Identifier: MIT */
/*
 * Machines damaged at random: whatever tables and registers hold, the check table ends within a
 * bounded number of reads and never crashes. SEED and RUNS in the environment choose.
 */
/* SRC: tests/unit/verify_fixture.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c kaiser/src/verify_tlb.c kaiser/src/verify_compare.c */
/* CFLAGS: -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "verify_fixture.h"

struct fixture fx;

static uint64_t seed;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void damage(void)
{
	uint64_t *mem = (uint64_t *)fx.mem;
	uint64_t *word = &mem[rnd() % (fx.next * 512u)];
	struct kaiser_machine *m = &fx.m;

	switch (rnd() % 12) {
	case 0:
		*word = rnd();
		break;
	case 1: /* one table leads to another, or to itself */
		*word = (FX_BASE + rnd() % fx.next * 4096) | (rnd() & 0x1ff) | PTE_P;
		break;
	case 2:
		memset(fx.mem[rnd() % fx.next], (int)rnd(), 4096);
		break;
	case 3: {
		uint64_t *regs[] = {&m->cr3,          &m->kernel_root, &m->idt_base, &m->gdt_base,
				    &m->tr_base,      &m->lstar,       &m->efer,     &m->cr4,
				    &m->window_start, &m->window_end,  &m->enc_mask};
		*regs[rnd() % 11] = rnd() % 3 ? rnd() : rnd() & 0x1ff000;
		break;
	}
	case 4: {
		uint32_t *limits[] = {&m->idt_limit, &m->gdt_limit, &m->tr_limit, &m->known};
		*limits[rnd() % 4] = (uint32_t)rnd();
		break;
	}
	case 5:
		fx.allowed[rnd() % 4].start ^= (rnd() & 0xffff) << 12;
		break;
	default: { /* a bit of an entry that is in use */
		uint64_t va[] = {FX_IDT, FX_TEXT, FX_DESC, FX_ENTRY, FX_USER};
		uint64_t *e = fx_entry(&fx, rnd() % 2 ? fx.uroot : fx.kroot, va[rnd() % 5],
				       fx.levels - 1, 0);
		if (rnd() % 2 && (*e & PTE_ADDR) >= FX_BASE && fx_at(&fx, *e & PTE_ADDR))
			e = (uint64_t *)fx_at(&fx, *e & PTE_ADDR) + rnd() % 512;
		*e ^= UINT64_C(1) << rnd() % 64;
	}
	}
}

static void random_damage(void **state)
{
	const char *s = getenv("SEED"), *count = getenv("RUNS");
	unsigned runs = count ? (unsigned)atoi(count) : 20000;
	unsigned long most = 0;

	(void)state;
	seed = s ? strtoull(s, NULL, 0) : 0x6b616973;
	for (unsigned i = 0; i < runs; i++) {
		uint64_t was = seed;
		fx_init(&fx, 4 + (unsigned)(rnd() & 1), rnd() % 4);
		fx.m.table_limit = 64;
		fx.m.scan_limit = 6;
		fx.m.user_half_stable = rnd() % 4;
		for (unsigned n = 1 + (unsigned)(rnd() % 6); n > 0; n--)
			damage();
		fx.reads = 0;
		fx_run(&fx, NULL);
		if (fx.reads > most)
			most = fx.reads;
		if (fx.reads > 4000000)
			fail_msg("SEED=%#lx: %lu reads", (unsigned long)was, fx.reads);
	}
	print_message("# at most %lu reads\n", most);
}

/* The most that the scan for pointers may have to do: as many pages as it looks at, of nothing but
 * what could be addresses, at every offset. */
static void nothing_but_addresses(void **state)
{
	uint64_t table;

	(void)state;
	fx_init(&fx, 5, 1);
	table = fx_frame(&fx);
	for (unsigned i = 0; i < 4096; i++)
		*((uint8_t *)fx_at(&fx, fx.spare) + i) = i % 8 == 7 ? 0x80 : 0xff;
	for (unsigned i = 0; i < 512; i++)
		*((uint64_t *)fx_at(&fx, table) + i) = fx.spare | PTE_P | PTE_NX;
	for (unsigned i = 0; i < 16; i++)
		*(fx_entry(&fx, fx.uroot, FX_DIRECT, 1, 0) + i) = table | PTE_P | PTE_W;
	fx.reads = 0;
	fx_run(&fx, "pointers");
	print_message("# %lu reads\n", fx.reads);
	assert_true(fx.unknown[fx_check("pointers")] > 0);
	assert_in_range(fx.reads, 1, 8000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_addresses),
		cmocka_unit_test(random_damage),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
