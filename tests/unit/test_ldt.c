/* SPDX-License-Identifier: MIT */
/*
 * LDTs on model CPUs, with four and five levels: what is let in, which roots have it and when, that
 * LDTR and roots agree at every moment a CPU is not in the library, that nothing is lost; and the
 * place where IRET to a 16-bit stack happens. Then random sequences of it.
 */
/* SRC: tests/unit/fake_host.c kaiser/entry/template.S kaiser/src/bringup.c kaiser/src/views.c */
/* SRC: kaiser/src/descriptors.c kaiser/src/window_tables.c kaiser/src/slots.c kaiser/src/space.c */
/* SRC: kaiser/src/ldt.c kaiser/src/allowed.c kaiser/src/iomap.c kaiser/src/extra.c */
/* SRC: kaiser/src/tls.c kaiser/src/mend.c */
/* SRC: kaiser/src/pcid.c */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c kaiser/src/calls.c kaiser/src/kmap.c */
/* SRC: kaiser/src/flush.c kaiser/src/wipe.c kaiser/src/ist.c kaiser/src/policy.c */
/* SRC: kaiser/src/verify_self.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c kaiser/src/verify_tlb.c kaiser/src/verify_compare.c */
/* SRC: kaiser/src/mode.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include "fake_host.h"

#include <kaiser/verify.h>

#define CPUS   4
#define SPACES 5
#define TOP    480 /* the LDTs' slot; TOP + 1: 16-bit stacks */

#define DATA32 UINT64_C(0x00cff2000000ffff) /* ring 3, not accessed */
#define DATA16 UINT64_C(0x0000f20000000fff)
#define CODE32 UINT64_C(0x00cffa000000ffff)

static struct kaiser_space sp[SPACES];
static unsigned pages_before;

static void start(unsigned cpus, enum kaiser_mode mode, bool five)
{
	host_init(cpus);
	if (five)
		host_five_levels();
	host.cfg.ldt_top = TOP;
	host_enter_all(cpus, mode);
	for (unsigned i = 0; i < SPACES; i++)
		assert_int_equal(kaiser_space_init(&host.k, &sp[i], host_page(0)), 0);
	pages_before = host.pages_live;
}

static void on(unsigned cpu, struct kaiser_space *s)
{
	host.cpu = cpu;
	kaiser_space_switch(&host.k, s);
	host.cpu = 0;
}

static void no_line(void *arg, const char *text)
{
	if (strstr(text, "ERROR"))
		print_message("%s\n", text);
	(void)arg;
}

/* The CPU's LDTR is the space's LDT, and both roots have its pages, read-only, and no more. */
static void check_cpu(unsigned cpu, const struct kaiser_space *s)
{
	const uint64_t *pair = host_pair(cpu);
	unsigned pages = kaiser_ldt_pages(s->ldt);
	uint64_t va = kaiser_ldt_va(&host.k), d = 0;

	assert_int_equal(host.cpus[cpu].ldt_base, pages ? va : 0);
	assert_int_equal(host.cpus[cpu].ldt_limit, pages ? pages * 4096 - 1 : 0);
	assert_int_equal(pair[TOP], pair[512 + TOP]);
	assert_int_equal(!!pair[TOP], !!pages);
	assert_int_equal(pair[TOP] & (PTE_U | PTE_G | UINT64_C(0x7ff) << 52), 0);
	for (unsigned i = 0; i <= pages; i++) {
		uint64_t e = host_leaf(pair + 512, va + i * 4096);
		assert_int_equal(!!e, i < pages);
		if (i < pages) {
			assert_int_equal(e & ~PTE_ADDR, PTE_P | PTE_A | PTE_D | PTE_NX);
			assert_int_equal(host_leaf(pair, va + i * 4096), e);
		}
	}
	if (pages && kaiser_space_get_ldt(s, &d, 1))
		assert_int_equal(*(uint64_t *)(host_leaf(pair, va) & PTE_ADDR), d);
}

static void arguments(void **state)
{
	static const uint64_t refused[] = {
		DATA32 & ~(UINT64_C(3) << 45), /* ring 0 */
		CODE32 & ~(UINT64_C(1) << 45), /* ring 2 */
		CODE32 | UINT64_C(1) << 53,    /* 64-bit code */
		UINT64_C(0x0000ec0000100000),  /* a call gate */
		UINT64_C(0x0000e90000000067),  /* a TSS */
		UINT64_C(0x0000e20000000067),  /* an LDT */
		1,
	};
	static const unsigned bad_top[] = {1, 255, 511, 510, 512};
	uint64_t d = DATA32;

	(void)state;
	for (unsigned i = 0; i < 5; i++) { /* 510: the window's is its neighbour */
		host_init(1);
		host.cfg.ldt_top = bad_top[i];
		assert_int_equal(kaiser_init(&host.k, &host.cfg), KAISER_E_ARG);
		assert_int_equal(host.pages_live, 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		host_init(1);
		host.kernel_top[TOP + i] = (uint64_t)host.kernel_top | PTE_P;
		host.cfg.ldt_top = TOP;
		assert_int_equal(kaiser_init(&host.k, &host.cfg), KAISER_E_ARG);
	}
	host_bring_up(1, KAISER_ON);
	assert_int_equal(kaiser_space_init(&host.k, &sp[0], host_page(0)), 0);
	assert_int_equal(kaiser_space_set_ldt(&sp[0], &d, 1), KAISER_E_STATE);
	start(1, KAISER_ON, false);
	for (unsigned i = 0; i < sizeof(refused) / 8; i++) {
		uint64_t two[] = {DATA32, refused[i]};
		assert_int_equal(kaiser_space_set_ldt(&sp[0], two, 2), KAISER_E_ARG);
	}
	assert_int_equal(kaiser_space_set_ldt(&sp[0], NULL, 1), KAISER_E_ARG);
	assert_int_equal(kaiser_space_set_ldt(&sp[0], &d, 8193), KAISER_E_ARG);
	assert_int_equal(kaiser_space_set_ldt(&sp[0], NULL, 0), 0);
	assert_int_equal(host.pages_live, pages_before);
	host_free();
}

/* It comes and goes with the space, on the CPUs that run it and on no other. */
static void follows(void **state)
{
	static uint64_t d[8192];

	(void)state;
	for (unsigned v = 0; v < 4; v++) {
		start(CPUS, v & 1 ? KAISER_OFF : KAISER_ON, v & 2);
		for (unsigned i = 0; i < 8192; i++)
			d[i] = i % 3 ? DATA32 : 0;
		on(0, &sp[0]);
		on(1, &sp[0]);
		on(2, &sp[0]);
		on(2, &sp[1]); /* holds it, runs another */
		host_forget_flushes();
		assert_int_equal(kaiser_space_set_ldt(&sp[0], d, 8192), 0);
		assert_int_equal(host.ipis, 1);
		assert_true(host.cpus[0].cr3_writes && host.cpus[1].cr3_writes);
		check_cpu(0, &sp[0]);
		check_cpu(1, &sp[0]);
		check_cpu(2, &sp[1]);
		on(2, &sp[0]);
		check_cpu(2, &sp[0]);
		assert_int_equal(kaiser_space_get_ldt(&sp[0], d, 8192), 8192);
		assert_int_equal(d[1], DATA32 | UINT64_C(1) << 40);
		assert_int_equal(d[3], 0);
		assert_int_equal(kaiser_verify(&host.k, no_line, NULL), 0);
		on(1, &sp[1]);
		check_cpu(1, &sp[1]);
		on(1, NULL);
		assert_int_equal(host.cpus[1].ldt_base, 0);
		assert_int_equal(kaiser_space_set_ldt(&sp[0], d, 513), 0); /* two pages now */
		check_cpu(0, &sp[0]);
		check_cpu(2, &sp[0]);
		assert_int_equal(kaiser_load_foreign(&host.k, 0), 0);
		assert_int_equal(host.cpus[0].ldt_base, 0);
		on(0, &sp[0]);
		check_cpu(0, &sp[0]);
		assert_int_equal(kaiser_space_set_ldt(&sp[0], NULL, 0), 0);
		check_cpu(0, &sp[0]);
		assert_int_equal(host.pages_live, pages_before);
		assert_int_equal(kaiser_space_set_ldt(&sp[0], d, 2), 0);
		kaiser_space_evict(&sp[0]);
		assert_int_equal(host.cpus[0].ldt_base, 0);
		assert_int_equal(host.pages_live, pages_before);
		host_free();
	}
}

/* Both PCIDs of the slot forget the old LDT: at once where it runs, at the next switch where it is
 * held. */
static void pcids(void **state)
{
	uint64_t d = DATA32;
	struct kaiser_cpu *c;

	(void)state;
	host_init(2);
	host_give_pcid(false);
	host.cfg.ldt_top = TOP;
	host_enter_all(2, KAISER_ON);
	for (unsigned i = 0; i < SPACES; i++)
		assert_int_equal(kaiser_space_init(&host.k, &sp[i], host_page(0)), 0);
	assert_true(host.k.policy.pcid);
	on(0, &sp[0]);
	on(1, &sp[0]);
	on(1, &sp[1]);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2; i++) { /* as an exit leaves it */
			host.k.cpu[i]->exit_cr3 |= KAISER_NOFLUSH;
			for (unsigned j = 0; j < KAISER_SLOTS_MAX; j++)
				host.k.cpu[i]->slot[j].user_stale = false;
		}
		host_forget_flushes();
		assert_int_equal(kaiser_space_set_ldt(&sp[0], &d, round != 1), 0);
		assert_int_equal(host.cpus[0].cr3_flushes, 1);
		assert_int_equal(host.k.cpu[0]->exit_cr3 & KAISER_NOFLUSH, 0);
		assert_int_equal(host.ipis, 0);
		assert_int_equal(host.k.cpu[1]->exit_cr3 >> 63, 1);
		on(1, &sp[0]);
		c = host.k.cpu[1];
		assert_int_equal(host.cpus[1].cr3_flushes, 1);
		assert_int_equal(c->exit_cr3 & KAISER_NOFLUSH, 0);
		check_cpu(0, &sp[0]);
		check_cpu(1, &sp[0]);
		on(1, &sp[1]);
		assert_int_equal(kaiser_verify(&host.k, no_line, NULL), 0);
	}
	host_free();
}

/* Out of memory at every point: what was is still there. */
static void no_memory(void **state)
{
	static uint64_t d[1024];
	unsigned failed = 0;

	(void)state;
	for (unsigned i = 0; i < 1024; i++)
		d[i] = CODE32;
	for (unsigned five = 0; five < 2; five++) {
		start(2, KAISER_ON, five);
		on(0, &sp[0]);
		assert_int_equal(kaiser_space_set_ldt(&sp[0], d, 1), 0);
		for (unsigned n = 1;; n++) {
			unsigned live = host.pages_live;
			int err;

			host.fail_alloc = host.allocs + n;
			err = kaiser_space_set_ldt(&sp[0], d, 1024);
			host.fail_alloc = 0;
			if (!err)
				break;
			failed++;
			assert_int_equal(err, KAISER_E_NOMEM);
			assert_int_equal(host.pages_live, live);
			check_cpu(0, &sp[0]);
		}
		kaiser_space_evict(&sp[0]);
		assert_int_equal(host.pages_live, pages_before);
		host_free();
	}
	assert_int_equal(failed, 5 + 6);
}

/* Preparing a CPU fails at each allocation, and gives all back. */
static void prepare_fails(void **state)
{
	(void)state;
	host_init(1);
	host.cfg.ldt_top = TOP;
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	for (unsigned n = 1;; n++) {
		unsigned live = host.pages_live, maps = host.mappings_live;
		int err;

		host.fail_alloc = host.allocs + n;
		err = kaiser_cpu_prepare(&host.k, 0);
		host.fail_alloc = 0;
		if (!err)
			break;
		assert_int_equal(err, KAISER_E_NOMEM);
		assert_int_equal(host.pages_live, live);
		assert_int_equal(host.mappings_live, maps);
	}
	host_free();
}

/* The exit's frame goes where bits 31 to 16 are the user's, on the entry page all the same. */
static void stack16(void **state)
{
	static const uint64_t sps[] = {0x12345678, 0xffff0000, 0x00000ffe, 0xdeadbeef80001234};
	uint64_t d[] = {0, DATA16}, base, top;
	struct pt_regs regs = {.ss = KAISER_USER_DS};

	(void)state;
	for (unsigned v = 0; v < 4; v++) {
		start(2, v & 1 ? KAISER_OFF : KAISER_ON, v & 2);
		struct kaiser_cpu *c = host.k.cpu[0];

		on(0, &sp[0]);
		assert_int_equal(c->wipe, 0);
		assert_int_equal(c->iret_top, c->entry_top);
		assert_int_equal(kaiser_space_set_ldt(&sp[0], d, 2), 0);
		assert_int_equal(c->wipe, KAISER_WIPE_LDT);
		base = kaiser_slot_va(&host.k, TOP + 1);
		for (unsigned i = 0; i < 8; i++) {
			uint64_t e, *pair = host_pair(0), *page = c->page[5];

			regs.ss = i & 1 ? 0xf : KAISER_USER_DS;
			regs.sp = sps[i / 2];
			kaiser_exit_work(&regs);
			assert_int_equal(c->wipe, KAISER_WIPE_LDT);
			top = regs.ss == 0xf
				      ? base + (regs.sp & 0xffff0000) + KAISER_ENTRY_STACK_TOP
				      : c->entry_top;
			assert_int_equal(c->iret_top, top);
			e = host_leaf(pair + 512, top);
			assert_int_equal(e & PTE_ADDR, (uint64_t)page);
			assert_int_equal(e, host_leaf(pair, top));
			/* One at most, and no other CPU's. */
			for (unsigned j = 0; j < 4; j++) {
				uint64_t other = base + (sps[j] & 0xffff0000);
				if (other != (top & ~UINT64_C(0xfff)))
					assert_int_equal(host_leaf(pair + 512, other), 0);
			}
			assert_int_equal(kaiser_verify(&host.k, no_line, NULL), 0);
			assert_int_equal(host_pair(1)[512 + TOP + 1], 0);
		}
		on(0, &sp[1]);
		assert_int_equal(c->wipe, 0);
		assert_int_equal(c->iret_top, c->entry_top);
		assert_int_equal(host_pair(0)[TOP + 1] | host_pair(0)[512 + TOP + 1], 0);
		host_free();
	}
}

static void random_sequences(void **state)
{
	static uint64_t d[1200];
	unsigned long x = 88172645463325252;

	(void)state;
	for (unsigned i = 0; i < 1200; i++)
		d[i] = DATA32 | (uint64_t)i << 16;
	for (unsigned v = 0; v < 2; v++) {
		struct kaiser_space *runs[CPUS] = {NULL};

		start(CPUS, KAISER_ON, v);
		for (unsigned step = 0; step < 4000; step++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			struct kaiser_space *s = &sp[x % SPACES];
			unsigned cpu = x >> 8 & (CPUS - 1), n = x >> 16 & 1023;

			switch (x >> 32 & 7) {
			case 0:
				assert_int_equal(kaiser_space_set_ldt(s, d + (n & 63), n), 0);
				break;
			case 1:
				kaiser_space_evict(s);
				for (unsigned i = 0; i < CPUS; i++)
					runs[i] = runs[i] == s ? NULL : runs[i];
				break;
			case 2:
				on(cpu, NULL);
				runs[cpu] = NULL;
				break;
			default:
				on(cpu, s);
				runs[cpu] = s;
			}
			for (unsigned i = 0; i < CPUS; i++)
				check_cpu(i, runs[i] ? runs[i] : &host.k.empty);
			if (step % 400 == 0)
				assert_int_equal(kaiser_verify(&host.k, no_line, NULL), 0);
		}
		for (unsigned i = 0; i < SPACES; i++)
			kaiser_space_evict(&sp[i]);
		assert_int_equal(host.pages_live, pages_before);
		host_free();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments),
		cmocka_unit_test(follows),
		cmocka_unit_test(pcids),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(prepare_fails),
		cmocka_unit_test(stack16),
		cmocka_unit_test(random_sequences),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
