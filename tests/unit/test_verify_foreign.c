/* SPDX-License-Identifier: MIT */
/*
 * The check table on somebody else's kernel (kaiser_machine.foreign_kernel): what only libkaiser
 * promises is told and no error; what leaks or breaks is an error still.
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

static void start(void)
{
	fx_init(&fx, 4, true);
	fx.m.foreign_kernel = true;
	fx.m.known &= ~(unsigned)KAISER_KNOWN_WINDOW;
}

static uint64_t *leaf(uint64_t root, uint64_t va)
{
	return fx_entry(&fx, root, va, 0, 0);
}

static unsigned errors(const char *check)
{
	fx_run(&fx, NULL);
	return fx.found[fx_check(check)];
}

static void clean(void **state)
{
	(void)state;
	start();
	assert_int_equal(fx_run(&fx, NULL), 0);
}

static void one_root_is_not_isolated(void **state)
{
	(void)state;
	start();
	fx.m.kernel_root = fx.m.cr3;
	assert_true(errors("isolated"));
	start();
	fx.m.known &= ~(unsigned)KAISER_KNOWN_KERNEL_ROOT;
	assert_int_equal(errors("isolated"), 0);
	assert_int_equal(fx.unknown[fx_check("isolated")], 1);
}

static void global_pages(void **state)
{
	unsigned check = fx_check("global");

	(void)state;
	start();
	*leaf(fx.uroot, FX_ENTRY) |= PTE_G;
	assert_int_equal(errors("global"), 0);
	assert_int_equal(fx.informed[check], 1);
	/* Of another frame, or a user page: a stale one is a wrong one. */
	*leaf(fx.uroot, FX_TEXT) |= PTE_G;
	assert_int_equal(errors("global"), 1);
	start();
	*leaf(fx.uroot, FX_USER) |= PTE_G;
	assert_int_equal(errors("global"), 1);
	start();
	fx.m.known &= ~(unsigned)KAISER_KNOWN_KERNEL_ROOT;
	*leaf(fx.uroot, FX_ENTRY) |= PTE_G;
	assert_int_equal(errors("global"), 1);
}

static void frames(void **state)
{
	unsigned check = fx_check("same_va_same_pa");

	(void)state;
	start();
	for (unsigned i = 0; i < 4; i++)
		fx.allowed[i].two_views = false;
	assert_int_equal(errors("same_va_same_pa"), 0); /* code in two views */
	assert_int_equal(fx.informed[check], 1);
	*leaf(fx.kroot, FX_IDT) |= PTE_W; /* the kernel may write what it lets be read */
	assert_int_equal(errors("same_va_same_pa"), 0);
	assert_int_equal(fx.informed[check], 2);
	*leaf(fx.kroot, FX_ENTRY) &= ~PTE_W;
	assert_int_equal(errors("same_va_same_pa"), 1);
	start();
	*leaf(fx.kroot, FX_ENTRY) = fx.spare | PTE_P | PTE_W | PTE_NX;
	assert_int_equal(errors("same_va_same_pa"), 1); /* data must be one frame */
}

static void user_bits(void **state)
{
	unsigned check = fx_check("user_bit");

	(void)state;
	start();
	*leaf(fx.uroot, FX_IDT) |= PTE_U;
	assert_int_equal(errors("user_bit"), 0);
	assert_int_equal(fx.warned[check], 1);
	for (unsigned level = 0; level < 4; level++)
		*fx_entry(&fx, fx.uroot, FX_IDT, level, 0) |= PTE_U;
	assert_int_equal(errors("user_bit"), 1);
}

static void gates_that_cannot_be_taken(void **state)
{
	static const unsigned idle[] = {15, 18, 20, 21, 25, 29, 31};

	(void)state;
	start();
	fx.m.cr4 &= ~UINT64_C(0x800040); /* neither CET nor MCE */
	for (unsigned i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
		fx_gate(&fx, idle[i], FX_KTEXT, 0);
	assert_int_equal(errors("sufficient"), 0);
	/* That, and how far down the stacks go: RSP0 and the three that are in use. */
	assert_int_equal(fx.informed[fx_check("sufficient")], 1 + 4);
	fx.m.cr4 |= 0x40;
	assert_true(errors("sufficient"));
	start();
	fx_gate(&fx, 14, FX_KTEXT, 0);
	assert_true(errors("sufficient"));
}

static void pointers(void **state)
{
	uint8_t *entry;
	uint64_t v = FX_ENTRY + 0x400;

	(void)state;
	start();
	entry = fx_at(&fx, fx.entry);
	memcpy(entry + 0x101, &v, 8); /* to where user mode can look anyway */
	assert_int_equal(errors("pointers"), 0);
	v = FX_ENTRY + 0x1000; /* and to its end: a stack's top */
	memcpy(entry + 0x101, &v, 8);
	assert_int_equal(errors("pointers"), 0);
	v = FX_KTEXT + 0x10;
	memcpy(entry + 0x101, &v, 8);
	assert_int_equal(errors("pointers"), 1);
	v = FX_PRIV + 0x10; /* beside a visible page is not in it */
	memcpy(entry + 0x101, &v, 8);
	assert_int_equal(errors("pointers"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),        cmocka_unit_test(one_root_is_not_isolated),
		cmocka_unit_test(global_pages), cmocka_unit_test(frames),
		cmocka_unit_test(user_bits),    cmocka_unit_test(gates_that_cannot_be_taken),
		cmocka_unit_test(pointers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
