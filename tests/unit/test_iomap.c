/* SPDX-License-Identifier: MIT */
/*
 * I/O bitmaps and extra mappings on model CPUs: in the user root while they should be and no
 * longer, flushed from the user PCIDs that saw them, allowed by name, and nothing lost when memory
 * or a mapping fails.
 */
/* SRC: tests/unit/fake_host.c kaiser/entry/template.S kaiser/src/bringup.c kaiser/src/views.c */
/* SRC: kaiser/src/descriptors.c kaiser/src/window_tables.c kaiser/src/slots.c kaiser/src/space.c */
/* SRC: kaiser/src/ldt.c kaiser/src/allowed.c kaiser/src/iomap.c kaiser/src/extra.c */
/* SRC: kaiser/src/mode.c */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c kaiser/src/calls.c kaiser/src/kmap.c */
/* SRC: kaiser/src/flush.c kaiser/src/wipe.c kaiser/src/ist.c kaiser/src/policy.c */
/* SRC: kaiser/src/tls.c kaiser/src/mend.c kaiser/src/pcid.c */
/* SRC: kaiser/src/verify_self.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c kaiser/src/verify_tlb.c kaiser/src/verify_compare.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include "fake_host.h"

#include <kaiser/verify.h>

#define SPACES 3

static struct kaiser_space sp[SPACES];
static uint64_t bits[2][KAISER_IOMAP_BYTES / 8];

static void start(unsigned cpus, bool pcid, bool five)
{
	host_init(cpus);
	if (pcid)
		host_give_pcid(false);
	if (five)
		host_five_levels();
	host.cfg.extra_pages = 6;
	host_enter_all(cpus, KAISER_ON);
	for (unsigned i = 0; i < SPACES; i++)
		assert_int_equal(kaiser_space_init(&host.k, &sp[i], host_page(0)), 0);
}

static void on(unsigned cpu, struct kaiser_space *s)
{
	host.cpu = cpu;
	kaiser_space_switch(&host.k, s);
	host.cpu = 0;
}

static void ports(unsigned cpu, const uint64_t *denied, uint64_t id)
{
	host.cpu = cpu;
	kaiser_iomap_load(&host.k, denied, id);
	host.cpu = 0;
}

static void say(void *arg, const char *text)
{
	(void)arg;
	if (strstr(text, "ERROR"))
		print_message("%s\n", text);
}

static uint16_t iomap_base(unsigned cpu)
{
	return *(uint16_t *)((char *)host.k.cpu[cpu]->page[0] + KAISER_TSS_OFF + 0x66);
}

static void check_ports(unsigned cpu, const uint64_t *denied)
{
	uint64_t va = cpu_base(&host.k, cpu) + KAISER_CPU_IOMAP;

	assert_int_equal(iomap_base(cpu), denied ? KAISER_TSS_IOMAP : KAISER_TSS_NO_IOMAP);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t e = host_leaf(host_pair(cpu) + 512, va + i * 4096);
		assert_int_equal(e ? e & ~PTE_ADDR : 0,
				 denied ? PTE_P | PTE_A | PTE_D | PTE_NX : 0);
		if (!denied)
			continue;
		assert_int_equal(e & PTE_ADDR, host_leaf(host_pair(cpu), va + i * 4096) & PTE_ADDR);
		if (i < 2)
			assert_memory_equal((void *)(e & PTE_ADDR), denied + i * 512, 4096);
		else
			assert_int_equal(*(uint8_t *)(e & PTE_ADDR), 0xff);
	}
	assert_int_equal(kaiser_verify(&host.k, say, NULL), 0);
}

static void bitmaps(void **state)
{
	(void)state;
	memset(bits[0], 0xff, sizeof(bits[0]));
	memset(bits[1], 0x5a, sizeof(bits[1]));
	for (unsigned v = 0; v < 4; v++) {
		start(2, v & 1, v & 2);
		on(0, &sp[0]);
		ports(0, bits[0], 7); /* not enabled: none */
		check_ports(0, NULL);
		assert_int_equal(kaiser_iomap_enable(&host.k), 0);
		assert_int_equal(kaiser_iomap_enable(&host.k), 0);
		check_ports(0, NULL);
		ports(0, bits[0], 1);
		check_ports(0, bits[0]);
		check_ports(1, NULL);
		ports(0, bits[1], 2);
		check_ports(0, bits[1]);
		ports(0, NULL, 0);
		check_ports(0, NULL);
		ports(0, bits[1], 2); /* still there */
		check_ports(0, bits[1]);
		on(0, &sp[1]); /* another space has none until it is given some */
		check_ports(0, NULL);
		on(0, &sp[0]);
		check_ports(0, NULL);
		host_free();
	}
}

/* The user PCIDs of all slots that ran with the bitmap are flushed when it goes, and no others. */
static void bitmap_pcids(void **state)
{
	struct kaiser_cpu *c;

	(void)state;
	start(1, true, false);
	c = host.k.cpu[0];
	assert_int_equal(kaiser_iomap_enable(&host.k), 0);
	on(0, &sp[0]);
	on(0, &sp[1]);
	on(0, &sp[2]);
	for (unsigned i = 0; i < c->slots; i++)
		c->slot[i].user_stale = false;
	c->exit_cr3 |= KAISER_NOFLUSH;
	ports(0, bits[0], 1);
	assert_int_equal(c->exit_cr3 & KAISER_NOFLUSH, KAISER_NOFLUSH);
	on(0, &sp[1]);
	for (unsigned i = 0; i < c->slots; i++)
		assert_int_equal(kaiser_slot_is_user_stale(c, &c->slot[i]),
				 c->slot[i].space_id == sp[2].id);
	host_free();
}

static void enable_fails(void **state)
{
	unsigned failed = 0;

	(void)state;
	for (unsigned what = 0; what < 2; what++) {
		start(2, false, false);
		unsigned live = host.pages_live, maps = host.mappings_live;
		for (unsigned n = 1;; n++, failed++) {
			unsigned *fail = what ? &host.fail_map : &host.fail_alloc;
			*fail = (what ? host.maps : host.allocs) + 1 + (n - 1) % 3;
			int err = kaiser_iomap_enable(&host.k);
			*fail = 0;
			if (!err)
				break;
			assert_int_equal(err, what ? KAISER_E_MAP : KAISER_E_NOMEM);
			assert_false(host.k.iomaps);
			assert_true(host.pages_live == live || host.pages_live == live + 3);
			if (n == 3) /* as if one CPU had got its own */
				assert_int_equal(kaiser_iomap_cpu_alloc(&host.k, host.k.cpu[0]), 0);
			if (n == 6)
				assert_int_equal(kaiser_iomap_cpu_alloc(&host.k, host.k.cpu[1]), 0);
		}
		assert_int_equal(host.pages_live, live + 6);
		assert_int_equal(host.mappings_live, maps + 6);
		assert_int_equal(kaiser_verify(&host.k, say, NULL), 0);
		host_free();
	}
	assert_int_equal(failed, 12);
}

static void extra(void **state)
{
	char *pages;
	uint64_t a = 0, b = 0, d = 0;

	(void)state;
	for (unsigned v = 0; v < 4; v++) {
		start(2, v & 1, v & 2);
		pages = host_page(2);
		assert_int_equal(kaiser_extra_add(&host.k, 2, pages, 1, 0, &a), KAISER_E_ARG);
		assert_int_equal(kaiser_extra_add(&host.k, 0, pages + 8, 1, 0, &a), KAISER_E_ARG);
		assert_int_equal(kaiser_extra_add(&host.k, 0, pages, 0, 0, &a), KAISER_E_ARG);
		assert_int_equal(kaiser_extra_add(&host.k, 0, pages, 1, KAISER_PROT_X, &a),
				 KAISER_E_ARG);
		assert_int_equal(kaiser_extra_add(&host.k, 0, pages, 7, 0, &a), KAISER_E_STATE);
		assert_int_equal(kaiser_extra_add(&host.k, 1, pages, 2, KAISER_PROT_R, &a), 0);
		assert_int_equal(kaiser_extra_add(&host.k, 1, pages + 8192, 1, KAISER_PROT_W, &b),
				 0);
		assert_int_equal(kaiser_extra_add(&host.k, 1, pages, 4, 0, &d), KAISER_E_STATE);
		assert_int_equal(host_leaf(host_pair(1) + 512, a + 4096),
				 ((uint64_t)pages + 4096) | PTE_P | PTE_A | PTE_D | PTE_NX);
		assert_int_equal(host_leaf(host_pair(1) + 512, b),
				 ((uint64_t)pages + 8192) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX);
		assert_int_equal(host_leaf(host_pair(1), b) & PTE_ADDR, (uint64_t)pages + 8192);
		assert_int_equal(
			host_leaf(host_pair(0) + 512, a) | host_leaf(host_pair(0) + 512, b), 0);
		assert_int_equal(kaiser_verify(&host.k, say, NULL), 0);
		host.k.cpu[1]->exit_cr3 |= KAISER_NOFLUSH;
		assert_int_equal(kaiser_extra_remove(&host.k, 1, a + 4096), KAISER_E_ARG);
		assert_int_equal(kaiser_extra_remove(&host.k, 0, a), KAISER_E_ARG);
		host_forget_flushes();
		assert_int_equal(kaiser_extra_remove(&host.k, 1, a), 0);
		assert_int_equal(host.ipis, 1);
		if (v & 1)
			assert_int_equal(host.k.cpu[1]->exit_cr3 & KAISER_NOFLUSH, 0);
		assert_int_equal(host_leaf(host_pair(1) + 512, a) | host_leaf(host_pair(1), a), 0);
		assert_int_not_equal(host_leaf(host_pair(1) + 512, b), 0);
		assert_int_equal(kaiser_extra_remove(&host.k, 1, a), KAISER_E_ARG);
		assert_int_equal(kaiser_extra_add(&host.k, 1, pages, 2, 0, &d), 0);
		assert_int_equal(d, a); /* its place is used again */
		host_free();
	}
}

static void extra_fails(void **state)
{
	char *pages;
	uint64_t at;

	(void)state;
	start(2, false, false);
	pages = host_page(2);
	for (unsigned n = 1;; n++) {
		unsigned maps = host.mappings_live;
		int err;

		host.fail_map = host.maps + n;
		err = kaiser_extra_add(&host.k, 0, pages, 3, KAISER_PROT_W, &at);
		host.fail_map = 0;
		if (!err)
			break;
		assert_int_equal(err, KAISER_E_MAP);
		assert_int_equal(host.mappings_live, maps);
		assert_int_equal(kaiser_verify(&host.k, say, NULL), 0);
	}
	assert_int_equal(kaiser_extra_remove(&host.k, 0, at), 0);
	/* So far from CPU 0's stride that it needs a table, and there is none. */
	host_free();
	host_init(8);
	host.cfg.extra_pages = 200;
	host_enter_all(8, KAISER_ON);
	pages = host_page(2);
	host.fail_alloc = host.allocs + 1;
	assert_int_equal(kaiser_extra_add(&host.k, 7, pages, 3, 0, &at), KAISER_E_NOMEM);
	host.fail_alloc = 0;
	assert_int_equal(kaiser_extra_add(&host.k, 7, pages, 3, 0, &at), 0);
	assert_int_equal(kaiser_verify(&host.k, say, NULL), 0);
	host_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bitmaps),      cmocka_unit_test(bitmap_pcids),
		cmocka_unit_test(enable_fails), cmocka_unit_test(extra),
		cmocka_unit_test(extra_fails),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
