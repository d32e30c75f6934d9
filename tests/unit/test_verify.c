/* SPDX-License-Identifier: MIT */
/*
 * The check table on small machines: a clean one trips nothing; each way to break it trips the
 * check named for it and, where one fault has one name, no other.
 * FINDINGS=1 in the environment prints what was found.
 */
/* SRC: tests/unit/verify_fixture.c tests/unit/verify_breakages.c kaiser/src/verify.c */
/* SRC: kaiser/src/verify_walk.c */
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

static unsigned errors_but(unsigned check)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 32; i++)
		n += i != check ? fx.found[i] : 0;
	return n;
}

static void try_breakage(const struct breakage *b, unsigned levels)
{
	unsigned check = fx_check(b->check);
	int errors;

	fx_init(&fx, levels, true);
	b->fn();
	errors = fx_run(&fx, NULL);
	if (errors <= 0 || !fx.found[check])
		fail_msg("%s, %u levels: %s does not see it", b->name, levels, b->check);
	if (b->alone && errors_but(check))
		fail_msg("%s, %u levels: checks other than %s see it", b->name, levels, b->check);
	if ((unsigned)errors != fx.found[check] + errors_but(check))
		fail_msg("%s: the errors are miscounted", b->name);
	/* By itself it says the same. */
	fx_run(&fx, b->check);
	if (!fx.found[check] || errors_but(check))
		fail_msg("%s: %s alone does not see it", b->name, b->check);
}

static void broken_4(void **state)
{
	(void)state;
	for (unsigned i = 0; i < breakage_count; i++)
		try_breakage(&breakages[i], 4);
}

static void broken_5(void **state)
{
	(void)state;
	for (unsigned i = 0; i < breakage_count; i++)
		try_breakage(&breakages[i], 5);
}

static void every_error_check_has_a_breakage(void **state)
{
	size_t n;
	const struct kaiser_check *c = kaiser_checks(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool any = c[i].severity != KAISER_ERROR;
		for (unsigned j = 0; j < breakage_count; j++)
			any |= strcmp(breakages[j].check, c[i].name) == 0;
		if (!any)
			fail_msg("nothing breaks %s", c[i].name);
	}
}

/* ---- clean machines ---- */

static void expect_clean(void)
{
	assert_int_equal(fx_run(&fx, NULL), 0);
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(fx.warned[i], 0);
		assert_int_equal(fx.unknown[i], 0);
	}
}

static void clean(void **state)
{
	(void)state;
	for (unsigned levels = 4; levels <= 5; levels++) {
		fx_init(&fx, levels, true);
		expect_clean();
		fx.m.user_half_stable = false;
		expect_clean();
		fx_init(&fx, levels, false);
		expect_clean();
	}
}

/* Values that look like trouble and are none. */
static void no_false_alarm(void **state)
{
	(void)state;
	fx_init(&fx, 4, true);
	fx_poke(fx.entry, 0x100, UINT64_MAX);
	fx_poke(fx.entry, 0x10b, (uint64_t)-38);
	fx_poke(fx.entry, 0x200, FX_ENTRY + 0x1c0);
	fx_poke(fx.entry, 0x208, 0x7ffc12345678);
	fx_poke(fx.entry, 0x300, fx.user | 0x067); /* no root */
	fx_poke(fx.text_user, 0x40,
		UINT64_C(0xfffff000258d4890)); /* code with a negative distance */
	fx_poke(fx.text_user, 0x80, UINT64_C(0xcccccccccccccce8));
	fx.m.live_start = FX_ENTRY + 0x400; /* what user mode chose is not judged */
	fx.m.live_end = FX_ENTRY + 0x500;
	fx_poke(fx.entry, 0x3f9, FX_KTEXT + 0x123);
	fx_poke(fx.entry, 0x446, fx.uroot);
	fx_poke(fx.entry, 0x4f8, FX_DIRECT + 0x12345);
	fx_branch(0x200, 0xe9, 0, FX_TEXT + 0x20);
	/* The middle of a system descriptor, whose base is in the window, read as an address. */
	fx_poke(fx.desc, 0x60,
		0xffff | (FX_TSS & 0xffffff) << 16 | UINT64_C(0x8f8b) << 40 |
			(FX_TSS >> 24 & 0xff) << 56);
	fx_poke(fx.desc, 0x68, FX_TSS >> 32);
	fx_map(&fx, fx.kroot, UINT64_C(0xffffffffa08f8000), fx_frame(&fx), PTE_NX);
	*fx_top(fx.uroot, FX_USER) |= PTE_A;
	*fx_top(fx.kroot, UINT64_C(0x10000000000)) =
		fx.spare | PTE_P | PTE_W; /* supervisor, kernel only */
	expect_clean();
}

/* What only several looks tell: without them it is not known, and said to be. */
static void comparisons(void **state)
{
	unsigned kaslr = fx_check("kaslr"), residue = fx_check("residue"), pcid = fx_check("pcid");

	(void)state;
	fx_init(&fx, 4, true);
	fx.m.boot_count = 1;
	fx.m.is_others = NULL;
	fx.m.cr4 |= 1 << 17;
	assert_int_equal(fx_run(&fx, NULL), 0);
	assert_int_equal(fx.unknown[kaslr], 1);
	assert_int_equal(fx.unknown[residue], 1);
	assert_int_equal(fx.unknown[pcid], 1);
	/* A kernel that does not move has nothing to tell: neither by a tie nor by a page of it. */
	fx_init(&fx, 4, true);
	for (unsigned b = 1; b < 3; b++)
		fx.boot[b].image = fx.boot[0].image;
	fx_map_both(&fx, FX_KTEXT, fx.ktext, 0);
	fx_run(&fx, NULL);
	assert_int_equal(fx.found[kaslr], 0);
	assert_int_equal(fx.informed[kaslr], 2);
	/* An image that was not found at one of the boots. */
	fx_init(&fx, 4, true);
	fx.boot[1].image = 0;
	assert_int_equal(fx_run(&fx, NULL), 0);
	assert_int_equal(fx.unknown[kaslr], 1);
	/* What is always at one place is tied to nothing. */
	fx_init(&fx, 4, true);
	for (unsigned b = 0; b < 3; b++)
		fx.visible[b][0] = FX_IDT;
	expect_clean();
	/* Two roots of different PCIDs. */
	fx.m.cr4 |= 1 << 17;
	fx.m.known |= KAISER_KNOWN_KERNEL_CR3;
	fx.m.kernel_cr3 = fx.kroot | 3;
	fx.m.cr3 = fx.uroot | 0x803;
	expect_clean();
}

/* Below half of memory, and below 64 MiB, a row of pages is a row of pages. */
static void rows(void **state)
{
	unsigned check = fx_check("direct_map");

	(void)state;
	fx_init(&fx, 4, true);
	fx.m.ram_pages = 64;
	for (unsigned i = 0; i < 31; i++)
		fx_map_both(&fx, UINT64_C(0x600000000000) + i * 4096u, FX_BASE + i * 4096u, PTE_NX);
	fx_run(&fx, NULL);
	assert_int_equal(fx.found[check], 0);
	fx.m.ram_pages = 62;
	fx_run(&fx, NULL);
	assert_int_equal(fx.found[check], 1);
	fx.m.ram_pages = 0;
	fx_run(&fx, NULL);
	assert_int_equal(fx.found[check], 0);
}

static void totals(void **state)
{
	struct kaiser_totals t;

	(void)state;
	fx_init(&fx, 4, true);
	kaiser_totals(&fx.m, &t);
	assert_int_equal(t.pages, 4);
	assert_int_equal(t.writable, 1);
	assert_int_equal(t.executable, 1);
	assert_int_equal(t.writable_executable, 0);
	assert_int_equal(t.global, 0);
	assert_true(t.complete);
	large_page();
	kaiser_totals(&fx.m, &t);
	assert_int_equal(t.pages, 512);
	root_unreadable();
	kaiser_totals(&fx.m, &t);
	assert_false(t.complete);
}

/* The bytes left out are those alone, and it is said how many. */
static void live_bytes(void **state)
{
	unsigned check = fx_check("pointers");

	(void)state;
	fx_init(&fx, 4, true);
	fx.m.live_start = FX_ENTRY + 0x400;
	fx.m.live_end = FX_ENTRY + 0x500;
	assert_int_equal(fx_run(&fx, NULL), 0);
	assert_int_equal(fx.informed[check], 1);
	fx_poke(fx.entry, 0x3f8, FX_KTEXT + 0x123);
	assert_int_equal(fx_run(&fx, NULL), 1);
	fx_poke(fx.entry, 0x3f8, 0);
	fx_poke(fx.entry, 0x500, FX_KTEXT + 0x123);
	assert_int_equal(fx_run(&fx, NULL), 1);
	assert_int_equal(fx.found[check], 1);
}

/* SYSCALL that is off leads nowhere, and need not. */
static void no_syscall(void **state)
{
	unsigned check = fx_check("sufficient");

	(void)state;
	fx_init(&fx, 4, true);
	fx.m.efer &= ~UINT64_C(1);
	fx.m.lstar = fx.m.cstar = 0;
	expect_clean();
	fx.m.known &= ~(unsigned)(KAISER_KNOWN_LSTAR | KAISER_KNOWN_CSTAR);
	expect_clean();
	fx.m.efer |= 1;
	fx_run(&fx, NULL);
	assert_int_equal(fx.unknown[check], 2);
}

/* What is not known is never passed in silence. */
static void unknown_is_said(void **state)
{
	size_t n;
	const struct kaiser_check *c = kaiser_checks(&n);

	(void)state;
	fx_init(&fx, 4, true);
	fx.m.known = 0;
	assert_int_equal(fx_run(&fx, NULL), 0);
	for (unsigned i = 0; i < n; i++)
		if (fx.unknown[i] != 1)
			fail_msg("%s says nothing", c[i].name);
	fx.m.known = KAISER_KNOWN_CR3;
	fx.m.is_foreign = NULL;
	fx_run(&fx, NULL);
	assert_int_equal(fx.unknown[fx_check("sync")], 1);
	assert_int_equal(fx.unknown[fx_check("same_va_same_pa")], 1);
	assert_int_equal(fx.unknown[fx_check("foreign")], 1);
	assert_int_equal(fx.unknown[fx_check("sufficient")], 6);
	assert_int_equal(fx.warned[fx_check("allowlist")], 4); /* listed, not judged */
}

static void not_present_is_told(void **state)
{
	unsigned check = fx_check("not_present");

	(void)state;
	fx_init(&fx, 4, true);
	fx_run(&fx, NULL);
	assert_int_equal(fx.informed[check], 0);
	fx_leaf(fx.uroot, FX_WINDOW)[7] = 0x1234000;
	assert_int_equal(fx_run(&fx, NULL), 0);
	assert_int_equal(fx.informed[check], 1);
}

static void wrong_calls(void **state)
{
	const struct kaiser_sink none = {NULL, NULL};

	(void)state;
	fx_init(&fx, 4, true);
	assert_int_equal(fx_run(&fx, "no_such_check"), KAISER_E_ARG);
	assert_int_equal(kaiser_check_run(&fx.m, &none, NULL), KAISER_E_ARG);
	assert_int_equal(kaiser_check_run(NULL, &none, NULL), KAISER_E_ARG);
	fx.m.read = NULL;
	assert_int_equal(fx_run(&fx, NULL), KAISER_E_ARG);
}

/* A leaf that is wider than what is allowed is reported but for the allowed pages in it. */
static void text_of_a_finding(void **state)
{
	size_t n;
	const struct kaiser_finding f = {.check = &kaiser_checks(&n)[0],
					 .text = "# of # things",
					 .number = 18446744073709551615u,
					 .name = "a place"};
	char buf[80];

	(void)state;
	assert_int_equal(kaiser_finding_text(&f, buf, sizeof(buf)), 71);
	assert_string_equal(
		buf, "isolated: 18446744073709551615 of 18446744073709551615 things (a place)");
	assert_int_equal(kaiser_finding_text(&f, buf, 10), 71);
	assert_string_equal(buf, "isolated:");
	kaiser_finding_text(&f, NULL, 0);
}

static void translation(void **state)
{
	struct kaiser_visit v;

	(void)state;
	fx_init(&fx, 5, true);
	assert_true(kaiser_translate(&fx.m, fx.kroot, FX_DIRECT + 0x12345, &v));
	assert_int_equal(v.level, 1);
	assert_int_equal(v.size, 2 << 20);
	assert_int_equal(v.rights, KAISER_MAY_WRITE);
	assert_true(kaiser_translate(&fx.m, fx.uroot, FX_USER, &v));
	assert_int_equal(v.pa, fx.user);
	assert_int_equal(v.rights, KAISER_MAY_WRITE | KAISER_MAY_EXEC | KAISER_MAY_USER);
	assert_true(kaiser_translate(&fx.m, fx.kroot, FX_USER, &v));
	assert_int_equal(v.rights, KAISER_MAY_WRITE | KAISER_MAY_USER);
	assert_false(kaiser_translate(&fx.m, fx.uroot, FX_DIRECT, &v));
	assert_false(kaiser_translate(&fx.m, fx.uroot, UINT64_C(1) << 60, &v));
	assert_false(kaiser_translate(&fx.m, UINT64_C(0x7000000000), FX_USER, &v));
	assert_int_equal(v.kind, KAISER_VISIT_UNREADABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),
		cmocka_unit_test(broken_4),
		cmocka_unit_test(broken_5),
		cmocka_unit_test(every_error_check_has_a_breakage),
		cmocka_unit_test(no_false_alarm),
		cmocka_unit_test(comparisons),
		cmocka_unit_test(rows),
		cmocka_unit_test(totals),
		cmocka_unit_test(live_bytes),
		cmocka_unit_test(no_syscall),
		cmocka_unit_test(unknown_is_said),
		cmocka_unit_test(not_present_is_told),
		cmocka_unit_test(wrong_calls),
		cmocka_unit_test(text_of_a_finding),
		cmocka_unit_test(translation),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
