/* SPDX-License-Identifier: MIT */
/*
 * The caches of the flush model, rule by rule of SDM volume 3, 4.10, and each both ways: what an
 * instruction must drop is gone, and what it may leave is still there.
 */
/* SRC: tests/model/tlb.c */
/* CFLAGS: -Itests/model */
/* LIBS: -lcmocka */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tlb.h"

#define ROOT UINT64_C(0x1000000)
#define VA   UINT64_C(0x7f0000401000)

static struct tlb t;

/* PGE is on, as everywhere. */
static void start(bool pcide)
{
	tlb_free(&t);
	assert_true(tlb_write_cr4(&t, TLB_CR4_PGE));
	assert_true(tlb_write_cr3(&t, ROOT));
	if (pcide)
		assert_true(tlb_write_cr4(&t, TLB_CR4_PGE | TLB_CR4_PCIDE));
}

/* Goes to a PCID and keeps what is cached under it. */
static void to(unsigned pcid)
{
	assert_true(tlb_write_cr3(&t, ROOT | pcid | TLB_CR3_NOFLUSH));
	assert_int_equal(tlb_pcid(&t), pcid);
}

static void put(uint64_t va, unsigned level, bool table, bool global)
{
	struct tlb_entry e = {.va = va, .level = (uint8_t)level, .pa = va ^ 0x5000, .table = table};

	e.global = global;
	tlb_insert(&t, &e);
}

static bool seen(void *arg, struct tlb_entry *e)
{
	(void)e;
	*(bool *)arg = true;
	return false;
}

static bool has(uint64_t va, unsigned level, bool table)
{
	bool found = false;

	tlb_lookup(&t, va, table, level, seen, &found);
	return found;
}

static bool page(uint64_t va)
{
	return has(va, 0, false);
}

static bool table(uint64_t va)
{
	return has(va, 1, true);
}

/* One page and one paging-structure entry under each of these PCIDs, and a GLOBAL page. */
static void fill(void)
{
	for (unsigned pcid = 1; pcid <= 3; pcid++) {
		to(pcid);
		put(VA, 0, false, false);
		put(VA, 1, true, false);
		put(VA + 0x40000000, 1, true, false); /* does not lead to VA */
	}
	put(VA + 0x1000, 0, false, true);
	to(1);
}

static void tags(void **state)
{
	(void)state;
	start(true);
	to(1);
	put(VA, 0, false, false);
	put(VA, 1, true, false);
	put(VA + 0x1000, 0, false, true);
	assert_true(page(VA) && table(VA));
	to(2);
	assert_false(page(VA) || table(VA)); /* another PCID's are not used */
	assert_true(page(VA + 0x1000));      /* but for GLOBAL ones */
	to(1);
	assert_true(page(VA) && table(VA));
	assert_false(page(VA + 0x2000));
	assert_true(table(VA + 0x2000)); /* the same 2 MiB */
}

/* GLOBAL means something only in a translation and with CR4.PGE. */
static void global_needs_pge(void **state)
{
	(void)state;
	start(true);
	assert_true(tlb_write_cr4(&t, TLB_CR4_PCIDE));
	to(1);
	put(VA, 0, false, true);
	to(2);
	assert_false(page(VA));
	start(true);
	to(1);
	put(VA, 1, true, true);
	to(2);
	assert_false(table(VA));
}

static void several_at_once(void **state)
{
	struct tlb_entry e = {.va = VA + 0x123, .pa = 0x1000};

	(void)state;
	start(false);
	assert_true(tlb_insert(&t, &e));
	assert_false(tlb_insert(&t, &e));
	e.pa = 0x2000; /* the adversary keeps what was true before as well */
	assert_true(tlb_insert(&t, &e));
	e.rights = TLB_W;
	assert_true(tlb_insert(&t, &e));
	assert_int_equal(t.set[0]->n, 3);
	assert_int_equal(t.set[0]->e[0].va, VA);
}

static void cr3_without_pcid(void **state)
{
	(void)state;
	start(false);
	put(VA, 0, false, false);
	put(VA, 1, true, false);
	put(VA + 0x1000, 0, false, true);
	assert_false(tlb_write_cr3(&t, ROOT | TLB_CR3_NOFLUSH)); /* #GP */
	assert_true(page(VA));
	assert_true(tlb_write_cr3(&t, ROOT));
	assert_false(page(VA) || table(VA));
	assert_true(page(VA + 0x1000));
	assert_true(tlb_write_cr3(&t, ROOT | 5)); /* PWT and such, no PCID */
	assert_int_equal(tlb_pcid(&t), 0);
}

static void cr3_with_pcid(void **state)
{
	(void)state;
	start(true);
	fill();
	to(2); /* NOFLUSH keeps all */
	assert_true(page(VA) && table(VA));
	assert_int_equal(t.cr3, ROOT | 2); /* bit 63 reads as 0 */
	assert_true(tlb_write_cr3(&t, ROOT | 2));
	assert_false(page(VA) || table(VA));
	assert_true(page(VA + 0x1000)); /* GLOBAL stays */
	to(1);
	assert_true(page(VA) && table(VA)); /* what was left, and */
	to(3);
	assert_true(page(VA) && table(VA)); /* others: untouched */
	assert_true(tlb_write_cr3(&t, ROOT | 1));
	assert_false(page(VA) || table(VA)); /* the PCID that is loaded, not the one left */
	to(3);
	assert_true(page(VA));
}

static void invlpg(void **state)
{
	(void)state;
	start(true);
	fill();
	put(VA + 0x3000, 0, false, false);
	tlb_invlpg(&t, VA);
	assert_false(page(VA));
	assert_false(table(VA) || table(VA + 0x40000000)); /* whatever address they are of */
	assert_true(page(VA + 0x3000) && page(VA + 0x1000));
	tlb_invlpg(&t, VA + 0x1000); /* GLOBAL too, whatever the PCID */
	to(2);
	assert_false(page(VA + 0x1000));
	assert_true(page(VA) && table(VA)); /* other PCIDs keep theirs */
}

static void invlpg_of_a_large_page(void **state)
{
	(void)state;
	start(false);
	put(UINT64_C(0x40000000), 1, false, false);
	assert_true(has(0x40000000 + 0x12345, 1, false));
	tlb_invlpg(&t, 0x40000000 + 0x200000);
	assert_true(has(0x40000000, 1, false));
	tlb_invlpg(&t, 0x40000000 + 0x1ff000);
	assert_false(has(0x40000000, 1, false));
}

static void invpcid_address(void **state)
{
	(void)state;
	start(true);
	fill();
	assert_true(tlb_invpcid(&t, 0, 2, VA));
	assert_true(page(VA) && table(VA)); /* the current PCID is not meant */
	to(2);
	assert_false(page(VA) || table(VA));
	assert_true(table(VA + 0x40000000)); /* unlike INVLPG: only what leads there */
	assert_true(tlb_invpcid(&t, 0, 2, VA + 0x1000));
	assert_true(page(VA + 0x1000)); /* GLOBAL stays */
}

static void invpcid_one(void **state)
{
	(void)state;
	start(true);
	fill();
	assert_true(tlb_invpcid(&t, 1, 2, 0));
	assert_true(page(VA) && table(VA));
	to(2);
	assert_false(page(VA) || table(VA) || table(VA + 0x40000000));
	assert_true(page(VA + 0x1000));
	to(3);
	assert_true(page(VA) && table(VA));
}

static void invpcid_all(void **state)
{
	(void)state;
	for (unsigned type = 2; type <= 3; type++) {
		start(true);
		fill();
		assert_true(tlb_invpcid(&t, type, 0, 0));
		assert_int_equal(page(VA + 0x1000), type == 3); /* 2: GLOBAL too */
		for (unsigned pcid = 1; pcid <= 3; pcid++) {
			to(pcid);
			assert_false(page(VA) || table(VA));
		}
	}
}

static void invpcid_faults(void **state)
{
	(void)state;
	start(true);
	fill();
	assert_false(tlb_invpcid(&t, 4, 0, 0));
	assert_false(tlb_invpcid(&t, 1, 4096, 0));
	assert_false(tlb_invpcid(&t, 0, 1, UINT64_C(0x800000000000)));
	assert_true(tlb_invpcid(&t, 0, 1, UINT64_C(0xffff800000000000)));
	assert_true(page(VA)); /* a fault changes nothing */
	start(false);
	assert_false(tlb_invpcid(&t, 1, 1, 0)); /* no PCID but 0 without PCIDE */
	assert_true(tlb_invpcid(&t, 1, 0, 0));
	assert_true(tlb_invpcid(&t, 2, 0, 0));
}

static void cr4_pge(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 2; way++) {
		start(true);
		fill();
		if (way) { /* from off to on, with something cached while off */
			assert_true(tlb_write_cr4(&t, TLB_CR4_PCIDE));
			fill();
		}
		assert_true(tlb_write_cr4(&t, t.cr4)); /* no change, no flush */
		assert_true(page(VA) && table(VA));
		assert_true(tlb_write_cr4(&t, t.cr4 ^ TLB_CR4_PGE));
		for (unsigned pcid = 1; pcid <= 3; pcid++) {
			to(pcid);
			assert_false(page(VA) || table(VA) || page(VA + 0x1000));
		}
	}
}

static void cr4_pcide(void **state)
{
	(void)state;
	start(false);
	assert_true(tlb_write_cr3(&t, ROOT | 8));
	assert_false(tlb_write_cr4(&t, TLB_CR4_PGE | TLB_CR4_PCIDE)); /* #GP: CR3[11:0] */
	assert_true(tlb_write_cr3(&t, ROOT));
	put(VA, 0, false, false);
	assert_true(tlb_write_cr4(&t, TLB_CR4_PGE | TLB_CR4_PCIDE));
	assert_true(page(VA)); /* 0 to 1 drops nothing */
	fill();
	assert_true(tlb_write_cr4(&t, TLB_CR4_PGE)); /* 1 to 0 drops all, GLOBAL ones too */
	assert_false(page(VA) || page(VA + 0x1000));
	assert_true(tlb_write_cr3(&t, ROOT));
	assert_true(tlb_write_cr4(&t, TLB_CR4_PGE | TLB_CR4_PCIDE));
	to(2);
	assert_false(page(VA) || table(VA));
}

static void cr4_smep(void **state)
{
	(void)state;
	start(true);
	fill();
	assert_true(tlb_write_cr4(&t, t.cr4 | TLB_CR4_SMEP)); /* 0 to 1: the current PCID */
	assert_false(page(VA) || table(VA));
	to(2);
	assert_true(page(VA));
	assert_true(tlb_write_cr4(&t, t.cr4 & ~TLB_CR4_SMEP));
	assert_true(page(VA));
}

/* Against a plain list: growth, dropping and epochs of the table behind it. */
static void many(void **state)
{
	unsigned n = 0;
	bool there[2000];

	(void)state;
	start(true);
	to(1);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 2000; i++) {
			put(i * UINT64_C(0x1000), 0, false, false);
			there[i] = true;
		}
		for (unsigned i = round; i < 2000; i += 7) {
			tlb_invlpg(&t, i * UINT64_C(0x1000));
			there[i] = false;
		}
		for (unsigned i = 0; i < 2000; i++)
			n += page(i * UINT64_C(0x1000)) != there[i];
		if (round % 3 == 0)
			assert_true(tlb_write_cr3(&t, ROOT | 1));
		if (round % 3 == 0)
			assert_false(page(0x1000));
	}
	assert_int_equal(n, 0);
	tlb_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags),
		cmocka_unit_test(global_needs_pge),
		cmocka_unit_test(several_at_once),
		cmocka_unit_test(cr3_without_pcid),
		cmocka_unit_test(cr3_with_pcid),
		cmocka_unit_test(invlpg),
		cmocka_unit_test(invlpg_of_a_large_page),
		cmocka_unit_test(invpcid_address),
		cmocka_unit_test(invpcid_one),
		cmocka_unit_test(invpcid_all),
		cmocka_unit_test(invpcid_faults),
		cmocka_unit_test(cr4_pge),
		cmocka_unit_test(cr4_pcide),
		cmocka_unit_test(cr4_smep),
		cmocka_unit_test(many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
