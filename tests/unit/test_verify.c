/* SPDX-License-Identifier: MIT */
/*
 * The check table on small machines: a clean one trips nothing; each way to break it trips the
 * check named for it and, where one fault has one name, no other; damaged tables never crash it.
 * FINDINGS=1 in the environment prints what was found.
 */
/* SRC: tests/unit/verify_fixture.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c */
/* CFLAGS: -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "verify_fixture.h"

static struct fixture fx;

static uint64_t *leaf(uint64_t root, uint64_t va)
{
	return fx_entry(&fx, root, va, 0, 0);
}

static uint64_t *top(uint64_t root, uint64_t va)
{
	return fx_entry(&fx, root, va, fx.levels - 1, 0);
}

static void poke(uint64_t frame, unsigned offset, uint64_t value)
{
	memcpy((uint8_t *)fx_at(&fx, frame) + offset, &value, 8);
}

static void set_tss(unsigned slot, uint64_t value) /* 0: RSP0 */
{
	poke(fx.desc, 0x80 + (slot ? 0x24 + 8 * (slot - 1) : 4), value);
}

/* ---- breakages: one function each ---- */

static void kernel_root_for_user(void)
{
	fx.m.cr3 = fx.kroot;
}
static void switch_bit_clear(void)
{
	uint64_t even = fx_frame(&fx);
	if (even & 0x1000)
		even = fx_frame(&fx);
	memcpy(fx_at(&fx, even), fx_at(&fx, fx.uroot), 4096);
	fx.m.cr3 = even;
}
static void kernel_not_out(void)
{
	for (unsigned i = 0; i < 64; i++)
		*(fx_entry(&fx, fx.uroot, FX_DIRECT, 1, 0) + i) =
			(uint64_t)i << 21 | PTE_P | PTE_PS | PTE_NX;
	for (unsigned i = 0; i < 64; i++)
		*(fx_entry(&fx, fx.kroot, FX_DIRECT, 1, 0) + i) =
			(uint64_t)i << 21 | PTE_P | PTE_PS | PTE_NX;
}
static void fifth_page(void)
{
	fx_map_both(&fx, FX_PRIV, fx.priv, PTE_W | PTE_NX);
}
static void supervisor_page_in_user_half(void)
{
	fx_map_both(&fx, FX_USER + 0x1000, fx.spare, PTE_NX);
}
static void large_page(void)
{
	*fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0) = PTE_P | PTE_PS | PTE_NX;
}
static void more_rights(void)
{
	*leaf(fx.uroot, FX_DESC) |= PTE_W;
	*leaf(fx.kroot, FX_DESC) |= PTE_W;
}
static void entry_page_missing(void)
{
	*leaf(fx.uroot, FX_ENTRY) = 0;
}
static void idt_missing(void)
{
	*leaf(fx.uroot, FX_IDT) = 0;
}
static void text_missing(void)
{
	*leaf(fx.uroot, FX_TEXT) = 0;
}
static void ist_unmapped(void)
{
	set_tss(1, FX_ENTRY + 0x1030);
}
static void ist_straddles(void)
{
	set_tss(2, FX_ENTRY + 0x20);
}
static void rsp0_read_only(void)
{
	set_tss(0, FX_DESC + 0x800);
}
static void tss_lacks_ist(void)
{
	set_tss(4, 0);
}
static void tss_short(void)
{
	fx.m.tr_limit = 0x40;
}
static void tss_elsewhere(void)
{
	fx.m.tr_base = FX_PRIV;
}
static void gdt_elsewhere(void)
{
	fx.m.gdt_base = FX_DESC + 0x1000;
}
static void idt_short(void)
{
	fx.m.idt_limit = 16 * 14 - 1;
}
static void gate_to_data(void)
{
	fx_gate(&fx, 33, FX_DESC + 0x100, 0);
}
static void gate_absent(void)
{
	((uint8_t *)fx_at(&fx, fx.idt))[14 * 16 + 5] = 0;
}
static void gate_selector(void)
{
	((uint8_t *)fx_at(&fx, fx.idt))[14 * 16 + 2] = 0x18;
}
static void nmi_without_stack(void)
{
	fx_gate(&fx, 2, FX_TEXT, 0);
}
static void shared_ist(void)
{
	fx_gate(&fx, 18, FX_TEXT, 1);
}
static void shared_ist_top(void)
{
	set_tss(2, FX_ENTRY + 0x400);
}
static void lstar_outside(void)
{
	fx.m.lstar = FX_WINDOW + 0x2000;
}
static void cstar_outside(void)
{
	fx.m.cstar = FX_ENTRY;
}
static void sysenter_open(void)
{
	fx.m.sysenter_cs = 0x10;
	fx.m.sysenter_eip = FX_WINDOW + 0x2000;
}
static void write_exec(void)
{
	*leaf(fx.uroot, FX_ENTRY) &= ~PTE_NX;
	*leaf(fx.kroot, FX_ENTRY) &= ~PTE_NX;
	fx.allowed[3].rights |= KAISER_MAY_EXEC;
}
static void user_bit_leaf(void)
{
	*leaf(fx.uroot, FX_IDT) |= PTE_U;
}
static void user_bit_top(void)
{
	*top(fx.uroot, FX_WINDOW) |= PTE_U;
}
static void user_bit_all_levels(void)
{
	for (unsigned l = 0; l < fx.levels; l++)
		*fx_entry(&fx, fx.uroot, FX_IDT, l, 0) |= PTE_U;
}
static void global_leaf(void)
{
	*leaf(fx.uroot, FX_ENTRY) |= PTE_G;
}
static void global_user_page(void)
{
	*leaf(fx.uroot, FX_USER) |= PTE_G;
}
static void other_frame(void)
{
	*leaf(fx.kroot, FX_ENTRY) = fx.spare | PTE_P | PTE_W | PTE_NX;
}
static void kernel_lacks_page(void)
{
	*leaf(fx.kroot, FX_DESC) = 0;
}
static void kernel_writes_idt(void)
{
	*leaf(fx.kroot, FX_IDT) |= PTE_W;
}
static void one_view(void)
{
	*leaf(fx.kroot, FX_TEXT) = fx.text_user | PTE_P;
}
static void no_poison(void)
{
	*top(fx.kroot, FX_USER) &= ~PTE_NX;
}
static void kernel_root_only(void)
{
	*top(fx.kroot, UINT64_C(0x7f0000000000)) = fx.spare | PTE_P | PTE_U | PTE_W | PTE_NX;
}
static void user_root_only(void)
{
	*top(fx.uroot, UINT64_C(0x7f0000000000)) = fx.spare | PTE_P | PTE_U | PTE_W;
}
static void roots_differ(void)
{
	*top(fx.uroot, FX_USER) = fx.spare | PTE_P | PTE_U | PTE_W;
}
static void supervisor_entry_in_both(void)
{
	*top(fx.uroot, UINT64_C(0x10000000000)) = fx.spare | PTE_P | PTE_W;
	*top(fx.kroot, UINT64_C(0x10000000000)) = fx.spare | PTE_P | PTE_W;
}
static void pointer_at_odd_offset(void)
{
	poke(fx.entry, 0x333, FX_DIRECT + 0x12345);
}
static void pointer_over_chunks(void)
{
	poke(fx.entry, 0x2fb, FX_KTEXT + 0x123);
}
static void pointer_over_pages(void)
{
	uint64_t v = FX_KTEXT + 0x123;
	memcpy((uint8_t *)fx_at(&fx, fx.idt) + 4092, &v, 4);
	memcpy(fx_at(&fx, fx.text_user), (uint8_t *)&v + 4, 4);
}
static void pointer_past_the_end(void)
{
	poke(fx.entry, 0x100, FX_KTEXT + 0x1000); /* a stack's top: the byte before is mapped */
}
static void pointer_root_unknown(void)
{
	fx.m.known &= ~(unsigned)KAISER_KNOWN_KERNEL_ROOT;
	poke(fx.entry, 0x101, UINT64_C(0xffffc90000123456));
}
static void root_address(void)
{
	poke(fx.entry, 0x7f1, fx.uroot);
}
static void cr3_value(void)
{
	poke(fx.entry, 0xa02, fx.kroot | 3 | UINT64_C(1) << 63);
}
static void cr3_value_user(void)
{
	poke(fx.entry, 0xff8, fx.uroot | 0x803);
}
static void gate_split(void)
{
	fx_gate(&fx, 77, FX_KTEXT + 0x10, 0);
}
static void ldt_split(void)
{
	uint64_t base = FX_DIRECT + 0x5000;
	poke(fx.desc, 0x50,
	     0xfff | (base & 0xffffff) << 16 | UINT64_C(0x82) << 40 | (base >> 24 & 0xff) << 56);
	poke(fx.desc, 0x58, base >> 32);
}
static void branch(unsigned offset, uint8_t a, uint8_t b, uint64_t target)
{
	uint8_t *p = (uint8_t *)fx_at(&fx, fx.text_user) + offset;
	unsigned n = 1;
	uint32_t rel;
	p[0] = a;
	if (a == 0x0f)
		p[n++] = b;
	rel = (uint32_t)(target - (FX_TEXT + offset + n + 4));
	memcpy(p + n, &rel, 4);
}
static void call_out(void)
{
	branch(0x123, 0xe8, 0, FX_KTEXT + 0x40);
}
static void jump_out(void)
{
	branch(0x1fd, 0xe9, 0, FX_KTEXT + 0x40);
}
static void jcc_out(void)
{
	branch(0x777, 0x0f, 0x85, FX_KTEXT + 0x40);
}
static void foreign_frame(void)
{
	memcpy(fx_at(&fx, fx.foreign), fx_at(&fx, fx.entry), 4096);
	*leaf(fx.uroot, FX_ENTRY) = fx.foreign | PTE_P | PTE_W | PTE_NX;
	*leaf(fx.kroot, FX_ENTRY) = fx.foreign | PTE_P | PTE_W | PTE_NX;
}
static void root_loop(void)
{
	*top(fx.uroot, fx.levels == 5 ? UINT64_C(0xff10000000000000)
				      : UINT64_C(0xfffffe0000000000)) = fx.uroot | PTE_P | PTE_W;
}
static void table_loop(void)
{
	uint64_t *e = fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0);
	uint64_t pd = *fx_entry(&fx, fx.uroot, FX_WINDOW, 2, 0) & PTE_ADDR;
	e[1] = pd | PTE_P | PTE_W;
}
static void other_root_linked(void)
{
	*fx_entry(&fx, fx.uroot, FX_WINDOW - 0x40000000, 2, 0) = fx.kroot | PTE_P | PTE_W;
}
static void table_mapped(void)
{
	uint64_t pt = *fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0) & PTE_ADDR;
	*leaf(fx.uroot, FX_ENTRY) = *leaf(fx.kroot, FX_ENTRY) = pt | PTE_P | PTE_W | PTE_NX;
}
static void root_mapped(void)
{
	*leaf(fx.uroot, FX_ENTRY) = *leaf(fx.kroot, FX_ENTRY) = fx.kroot | PTE_P | PTE_W | PTE_NX;
}
static void reserved_ps(void)
{
	*fx_entry(&fx, fx.uroot, FX_WINDOW - 0x8000000000, 3, 0) = fx.spare | PTE_P | PTE_PS;
}
static void reserved_large(void)
{
	fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0)[1] = 0x4000 | PTE_P | PTE_PS;
}
static void reserved_nx(void)
{
	fx.m.efer = 1;
}
static void beyond_bits(void)
{
	fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0)[1] = UINT64_C(1) << 45 | PTE_P;
}
static void beyond_memory(void)
{
	fx_entry(&fx, fx.uroot, FX_WINDOW, 1, 0)[1] = UINT64_C(0x7000000000) | PTE_P;
}
static void root_unreadable(void)
{
	fx.m.cr3 = UINT64_C(0x7000001000);
}
static void too_many_tables(void)
{
	fx.m.table_limit = 2;
}

struct breakage {
	const char *name;
	void (*fn)(void);
	const char *check;
	bool alone; /* no other check finds an error */
};

#define ALONE(fn, check)             \
	{                            \
#fn, fn, check, true \
	}
#define AMONG(fn, check)              \
	{                             \
#fn, fn, check, false \
	}
static const struct breakage breakages[] = {
	AMONG(kernel_root_for_user, "isolated"),
	ALONE(switch_bit_clear, "isolated"),
	AMONG(kernel_not_out, "isolated"),
	ALONE(fifth_page, "four_pages"),
	ALONE(supervisor_page_in_user_half, "four_pages"),
	AMONG(large_page, "four_pages"),
	ALONE(more_rights, "four_pages"),
	AMONG(entry_page_missing, "four_pages"),
	AMONG(entry_page_missing, "sufficient"),
	AMONG(idt_missing, "sufficient"),
	AMONG(text_missing, "sufficient"),
	ALONE(ist_unmapped, "sufficient"),
	ALONE(ist_straddles, "sufficient"),
	ALONE(rsp0_read_only, "sufficient"),
	ALONE(tss_lacks_ist, "sufficient"),
	ALONE(tss_short, "sufficient"),
	ALONE(tss_elsewhere, "sufficient"),
	ALONE(gdt_elsewhere, "sufficient"),
	ALONE(idt_short, "sufficient"),
	ALONE(gate_to_data, "sufficient"),
	ALONE(gate_absent, "sufficient"),
	ALONE(gate_selector, "sufficient"),
	ALONE(nmi_without_stack, "sufficient"),
	ALONE(shared_ist, "sufficient"),
	ALONE(shared_ist_top, "sufficient"),
	ALONE(lstar_outside, "sufficient"),
	ALONE(cstar_outside, "sufficient"),
	ALONE(sysenter_open, "sufficient"),
	ALONE(write_exec, "wx"),
	ALONE(user_bit_leaf, "user_bit"),
	ALONE(user_bit_top, "user_bit"),
	AMONG(user_bit_all_levels, "user_bit"),
	ALONE(global_leaf, "global"),
	ALONE(global_user_page, "global"),
	ALONE(other_frame, "same_frame"),
	ALONE(kernel_lacks_page, "same_frame"),
	ALONE(kernel_writes_idt, "same_frame"),
	ALONE(one_view, "same_frame"),
	ALONE(no_poison, "nx_poison"),
	ALONE(kernel_root_only, "sync"),
	ALONE(user_root_only, "sync"),
	ALONE(roots_differ, "sync"),
	ALONE(supervisor_entry_in_both, "sync"),
	ALONE(pointer_at_odd_offset, "pointers"),
	ALONE(pointer_over_chunks, "pointers"),
	ALONE(pointer_over_pages, "pointers"),
	ALONE(pointer_past_the_end, "pointers"),
	ALONE(pointer_root_unknown, "pointers"),
	ALONE(root_address, "pointers"),
	ALONE(cr3_value, "pointers"),
	ALONE(cr3_value_user, "pointers"),
	AMONG(gate_split, "pointers"),
	ALONE(ldt_split, "pointers"),
	ALONE(call_out, "pointers"),
	ALONE(jump_out, "pointers"),
	ALONE(jcc_out, "pointers"),
	ALONE(foreign_frame, "foreign"),
	ALONE(root_loop, "self_map"),
	ALONE(table_loop, "self_map"),
	AMONG(other_root_linked, "self_map"),
	AMONG(table_mapped, "self_map"),
	AMONG(root_mapped, "self_map"),
	ALONE(reserved_ps, "tables"),
	ALONE(reserved_large, "tables"),
	AMONG(reserved_nx, "tables"),
	ALONE(beyond_bits, "tables"),
	ALONE(beyond_memory, "tables"),
	AMONG(root_unreadable, "tables"),
	AMONG(too_many_tables, "tables"),
};

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
	for (unsigned i = 0; i < sizeof(breakages) / sizeof(breakages[0]); i++)
		try_breakage(&breakages[i], 4);
}

static void broken_5(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(breakages) / sizeof(breakages[0]); i++)
		try_breakage(&breakages[i], 5);
}

static void every_error_check_has_a_breakage(void **state)
{
	size_t n;
	const struct kaiser_check *c = kaiser_checks(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool any = c[i].severity != KAISER_ERROR;
		for (unsigned j = 0; j < sizeof(breakages) / sizeof(breakages[0]); j++)
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
	poke(fx.entry, 0x100, UINT64_MAX);
	poke(fx.entry, 0x10b, (uint64_t)-38);
	poke(fx.entry, 0x200, FX_ENTRY + 0x1c0);
	poke(fx.entry, 0x208, 0x7ffc12345678);
	poke(fx.entry, 0x300, fx.user | 0x067);                 /* no root */
	poke(fx.text_user, 0x40, UINT64_C(0xfffff000258d4890)); /* code with a negative distance */
	poke(fx.text_user, 0x80, UINT64_C(0xcccccccccccccce8));
	branch(0x200, 0xe9, 0, FX_TEXT + 0x20);
	*top(fx.uroot, FX_USER) |= PTE_A;
	*top(fx.kroot, UINT64_C(0x10000000000)) =
		fx.spare | PTE_P | PTE_W; /* supervisor, kernel only */
	expect_clean();
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
	assert_int_equal(fx.unknown[fx_check("same_frame")], 1);
	assert_int_equal(fx.unknown[fx_check("foreign")], 1);
	assert_int_equal(fx.unknown[fx_check("sufficient")], 6);
	assert_int_equal(fx.warned[fx_check("four_pages")], 4); /* listed, not judged */
}

static void not_present_is_told(void **state)
{
	unsigned check = fx_check("not_present");

	(void)state;
	fx_init(&fx, 4, true);
	fx_run(&fx, NULL);
	assert_int_equal(fx.informed[check], 0);
	leaf(fx.uroot, FX_WINDOW)[7] = 0x1234000;
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

/* ---- damage ---- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),
		cmocka_unit_test(broken_4),
		cmocka_unit_test(broken_5),
		cmocka_unit_test(every_error_check_has_a_breakage),
		cmocka_unit_test(no_false_alarm),
		cmocka_unit_test(totals),
		cmocka_unit_test(unknown_is_said),
		cmocka_unit_test(not_present_is_told),
		cmocka_unit_test(wrong_calls),
		cmocka_unit_test(text_of_a_finding),
		cmocka_unit_test(translation),
		cmocka_unit_test(random_damage),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
