/* SPDX-License-Identifier: MIT */
/*
 * PCIDs: when they are used, what CR3 and the exit CR3 get, what a flush costs and reaches: slots
 * that are loaded, held or taken over, lazy CPUs, kernel addresses, the window, everything.
 */
/* SRC: tests/unit/fake_host.c kaiser/entry/template.S kaiser/src/bringup.c kaiser/src/views.c */
/* SRC: kaiser/src/descriptors.c kaiser/src/window_tables.c kaiser/src/slots.c kaiser/src/space.c */
/* SRC: kaiser/src/ldt.c kaiser/src/allowed.c kaiser/src/iomap.c kaiser/src/extra.c */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c kaiser/src/calls.c kaiser/src/kmap.c */
/* SRC: kaiser/src/flush.c kaiser/src/wipe.c kaiser/src/ist.c kaiser/src/policy.c */
/* SRC: kaiser/src/tls.c kaiser/src/mend.c kaiser/src/pcid.c kaiser/src/mode.c */
/* SRC: kaiser/src/verify_self.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c kaiser/src/verify_tlb.c kaiser/src/verify_compare.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include "fake_host.h"

#include <kaiser/verify.h>

#define CPUS   3
#define SPACES 8

enum kind { BARE, PCID, INVPCID };

static struct kaiser_space sp[SPACES];

static void start(enum kind kind)
{
	host_init(CPUS);
	if (kind != BARE)
		host_give_pcid(kind == INVPCID);
	host.cfg.mode = KAISER_ON;
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(kaiser_cpu_prepare(&host.k, i), 0);
		host.cpu = i;
		host.cpus[i].cr3 |= 0x18; /* PWT and PCD, as firmware may leave them */
		assert_int_equal(kaiser_cpu_enter(&host.k, i, 0x1000 * (i + 1)), 0);
		host.cpus[i].irq_on = true;
	}
	host.cpu = 0;
	for (unsigned i = 0; i < SPACES; i++)
		assert_int_equal(kaiser_space_init(&host.k, &sp[i], host_page(0)), 0);
	host_forget_flushes();
}

static void on(unsigned cpu, struct kaiser_space *s)
{
	host.cpu = cpu;
	kaiser_space_switch(&host.k, s);
	host.cpu = 0;
}

static struct kaiser_cpu *cpu(unsigned n)
{
	return host.k.cpu[n];
}

/* What the exit's assembly does; returns whether its write flushes. */
static bool leave_to_user(unsigned n)
{
	uint64_t cr3 = cpu(n)->exit_cr3;

	assert_int_not_equal(cr3 & KAISER_SWITCH_BIT, 0);
	assert_int_equal(cr3 & KAISER_PCID_MASK,
			 (host.cpus[n].cr3 & KAISER_PCID_MASK) | KAISER_USER_PCID);
	cpu(n)->exit_cr3 |= KAISER_NOFLUSH;
	return !(cr3 & KAISER_NOFLUSH);
}

static const struct {
	uint32_t model, ecx, edx;
	uint64_t microcode;
	bool nopcid, pcid;
} machines[] = {
	{0x000506e3, 1u << 17, 1u << 13, 0, false, true},
	{0x000506e3, 1u << 17, 1u << 13, 0, true, false},
	{0x000506e3, 0, 1u << 13, 0, false, false},
	{0x000506e3, 1u << 17, 0, 0, false, false},                           /* no PGE */
	{0x00090672, 1u << 17, 1u << 13, UINT64_C(0x2d) << 32, false, false}, /* Alder Lake */
	{0x00090672, 1u << 17, 1u << 13, UINT64_C(0x2e) << 32, false, true},
	{0x000906a3, 1u << 17, 1u << 13, UINT64_C(0x42b) << 32, false, false},
	{0x000906a3, 1u << 17, 1u << 13, UINT64_C(0x42c) << 32, false, true},
	{0x000b06e0, 1u << 17, 1u << 13, UINT64_C(0x10) << 32, false, false},
	{0x000b0671, 1u << 17, 1u << 13, UINT64_C(0x117) << 32, false, false},
	{0x000b06a2, 1u << 17, 1u << 13, UINT64_C(0x4116) << 32, false, false},
	{0x000b06f2, 1u << 17, 1u << 13, 0, false, false},
	{0x000b06d1, 1u << 17, 1u << 13, 0, false, true}, /* a later one */
	{0x00090f72, 1u << 17, 1u << 13, 0, false, true}, /* family 15 */
};

static void decision(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		host_init(1);
		host_set_cpuid(1, machines[i].model, 0, machines[i].ecx, machines[i].edx);
		host.cpus[0].microcode = machines[i].microcode;
		host.cfg.no_pcid = machines[i].nopcid;
		assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
		if (host.k.policy.pcid != machines[i].pcid)
			fail_msg("machine %u: %s", i, host.k.policy.pcid_reason);
		assert_true(strlen(host.k.policy.pcid_reason) > 5);
	}
	assert_false(kaiser_policy_parse_nopcid("pti=on pcid xnopcid nopcid=1 -- nopcid"));
	assert_false(kaiser_policy_parse_nopcid(NULL));
	assert_true(kaiser_policy_parse_nopcid("pti=on nopcid quiet"));
	host_free();
}

static void entering(void **state)
{
	struct kaiser_slot_info si;

	(void)state;
	start(PCID);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_not_equal(host.cpus[i].cr4 & CR4_PCIDE, 0);
		assert_int_equal(host.cpus[i].cr3 & KAISER_PCID_MASK, 1);
		assert_true(leave_to_user(i));
		assert_false(leave_to_user(i));
	}
	assert_true(kaiser_slot_info(&host.k, 0, KAISER_SLOTS_MAX - 1, &si));
	assert_false(kaiser_slot_info(&host.k, 0, KAISER_SLOTS_MAX, &si));
	host.cpu = 1;
	kaiser_cpu_leave(&host.k);
	assert_int_equal(host.cpus[1].cr4 & CR4_PCIDE, 0);
	assert_int_equal(host.cpus[1].cr3, (uint64_t)host.kernel_top);
	host_set_cpuid(1, 0x000506e3, 0, 0, 1u << 13); /* another CPU, without */
	assert_int_equal(kaiser_cpu_enter(&host.k, 1, 0x1000), KAISER_E_PCID);
	host_give_pcid(false);
	assert_int_equal(kaiser_cpu_enter(&host.k, 1, 0x1000), 0);
	assert_true(leave_to_user(1));
	host.cpu = 0;
	host_free();

	start(INVPCID);
	host.cpu = 1;
	kaiser_cpu_leave(&host.k);
	host_give_pcid(false);
	assert_int_equal(kaiser_cpu_enter(&host.k, 1, 0x1000), KAISER_E_PCID);
	host_free();
}

/* Within the slots: one write a switch, no flush of either PCID. Beyond: the one loaded longest ago
 * goes, and both its PCIDs are flushed. */
static void slots(void **state)
{
	struct kaiser_stats st;

	(void)state;
	start(PCID);
	for (unsigned i = 0; i < 6; i++) {
		on(0, &sp[i]); /* the empty space's slot is taken last */
		assert_true(leave_to_user(0));
	}
	assert_int_equal(host.k.empty.cpus & 1, 0);
	host_forget_flushes();
	for (unsigned i = 0; i < 60; i++) {
		on(0, &sp[i * 7 % 6]);
		assert_false(leave_to_user(0));
	}
	assert_int_equal(host.cpus[0].cr3_writes, 60);
	assert_int_equal(host.cpus[0].cr3_flushes, 0);
	on(0, &sp[1]); /* the order of use is now 4 5 0 1, 2 or 3 first */
	for (unsigned i = 0; i < 6; i++)
		if (i != 2)
			on(0, &sp[i]);
	host_forget_flushes();
	on(0, &sp[6]);
	assert_int_equal(sp[2].cpus, 0);
	assert_int_equal(host.cpus[0].cr3_flushes, 1);
	assert_true(leave_to_user(0));
	on(0, &sp[5]);
	on(0, &sp[6]);
	assert_int_equal(host.cpus[0].cr3_flushes, 1);
	assert_false(leave_to_user(0));
	kaiser_stats(&host.k, &st);
	assert_int_equal(st.recycles, CPUS + 7);
	assert_int_equal(st.cr3_flushes, CPUS + 7);
	host_free();
}

/* A flush that no exit has done yet stays with the slot. */
static void pending_follows_the_slot(void **state)
{
	(void)state;
	start(PCID);
	on(0, &sp[0]);
	assert_true(leave_to_user(0));
	on(0, &sp[1]);
	on(0, &sp[0]);
	assert_false(leave_to_user(0));
	kaiser_flush_page(&sp[0], 0x1000); /* no INVPCID: the user PCID has to wait */
	on(0, &sp[1]);
	assert_true(leave_to_user(0));
	on(0, &sp[2]);
	on(0, &sp[0]);
	assert_true(leave_to_user(0));
	on(0, &sp[1]);
	assert_false(leave_to_user(0));
	on(0, &sp[0]);
	assert_false(leave_to_user(0));
	host_free();
}

static void pages(void **state)
{
	(void)state;
	for (enum kind kind = PCID; kind <= INVPCID; kind++) {
		start(kind);
		on(0, &sp[0]);
		on(1, &sp[1]);
		on(1, &sp[0]);
		leave_to_user(0);
		leave_to_user(1);
		host_forget_flushes();
		kaiser_flush_range(&sp[0], 0x400000, 0x403000, false);
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(host.cpus[i].invlpgs, 3);
			assert_int_equal(host.cpus[i].cr3_writes, 0);
			assert_int_equal(host.cpus[i].invpcids, kind == INVPCID ? 3 : 0);
			assert_int_equal(leave_to_user(i), kind == PCID);
		}
		if (kind == INVPCID) {
			assert_int_equal(host.cpus[1].invpcid[2].type, 0);
			assert_int_equal(host.cpus[1].invpcid[2].va, 0x402000);
			assert_int_equal(host.cpus[1].invpcid[2].pcid,
					 host.cpus[1].cr3 % 4096 | KAISER_USER_PCID);
		}
		host_forget_flushes();
		kaiser_flush_range(&sp[0], 0, 33 * 0x1000, false);
		assert_int_equal(host.cpus[1].invlpgs, 33);
		leave_to_user(0);
		kaiser_flush_range(&sp[0], 0, 34 * 0x1000, false);
		assert_int_equal(host.cpus[0].invlpgs, 33);
		assert_int_equal(host.cpus[0].cr3_flushes, 1);
		assert_true(leave_to_user(0));
		kaiser_flush_range(&sp[0], 0x5000, 0x6000, true); /* tables are freed */
		assert_int_equal(host.cpus[0].invlpgs, 33);
		assert_int_equal(host.cpus[0].cr3_flushes, 2);
		assert_true(leave_to_user(0));
		/* Pending already: INVPCID would be in vain. */
		kaiser_flush_space(&sp[0], false);
		host_forget_flushes();
		kaiser_flush_page(&sp[0], 0x7fff);
		assert_int_equal(host.cpus[0].invpcids, 0);
		assert_int_equal(host.cpus[0].invlpg[0], 0x7000);
		assert_true(leave_to_user(0));
		/* Beyond user space: no #GP. */
		kaiser_flush_range(&sp[0], HOST_USER_END - 0x1000, UINT64_MAX - 0xfff, false);
		kaiser_flush_page(&sp[0], UINT64_C(0x800000000000));
		host_free();
	}
}

/* A CPU that holds the space in a slot not loaded is not called. */
static void held_catches_up(void **state)
{
	(void)state;
	for (enum kind kind = BARE; kind <= INVPCID; kind++) {
		start(kind);
		on(0, &sp[0]);
		if (kind != BARE)
			leave_to_user(0);
		on(0, &sp[1]);
		host_forget_flushes();
		host.cpu = 1;
		kaiser_flush_page(&sp[0], 0x1000);
		assert_int_equal(host.ipis + host.cpus[0].invlpgs, 0);
		on(0, &sp[0]);
		assert_int_equal(host.cpus[0].cr3_flushes, 1);
		assert_true(kind == BARE || leave_to_user(0));
		on(0, &sp[1]);
		on(0, &sp[0]);
		assert_int_equal(host.cpus[0].cr3_flushes, kind == BARE ? 3 : 1);
		assert_true(kind == BARE || !leave_to_user(0));
		on(0, &sp[1]);
		host.cpu = 1; /* a top-level entry replaced is a flush, one added is none */
		kaiser_space_set_top(&sp[0], 3, (uint64_t)host.kernel_top | 0x67);
		on(0, &sp[0]);
		assert_true(kind == BARE || !leave_to_user(0));
		on(0, &sp[1]);
		host.cpu = 1;
		kaiser_space_set_top(&sp[0], 3, 0);
		on(0, &sp[0]);
		assert_true(kind == BARE || leave_to_user(0));
		host_free();
	}
}

/* Two flushes whose calls arrive in the other order: the later one may not vouch for the first. */
static struct kaiser_space *late_space;
static bool late_done;
static void (*real_call)(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg);

static void late_call(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg)
{
	if (!late_done) {
		late_done = true;
		host.cpu = 2;
		kaiser_flush_page(late_space, 0x9000);
		host.cpu = 0;
	}
	real_call(ctx, mask, fn, arg);
}

static void overtaking(void **state)
{
	struct kaiser_ops ops;

	(void)state;
	start(INVPCID);
	ops = *host.cfg.ops;
	real_call = ops.call_cpus;
	ops.call_cpus = late_call;
	host.k.cfg.ops = &ops;
	on(1, &sp[0]);
	leave_to_user(1);
	host_forget_flushes();
	late_space = &sp[0];
	late_done = false;
	kaiser_flush_page(&sp[0], 0x1000);
	assert_int_equal(host.cpus[1].cr3_flushes, 1); /* by the second, for both */
	assert_int_equal(host.cpus[1].invlpgs, 0);
	assert_true(leave_to_user(1));
	assert_int_equal(cpu(1)->slot[cpu(1)->loaded].tlb_gen, sp[0].tlb_gen);
	host_free();
}

static void lazy(void **state)
{
	struct kaiser_stats st;

	(void)state;
	for (enum kind kind = BARE; kind <= INVPCID; kind++) {
		start(kind);
		on(1, &sp[0]);
		host.cpu = 1;
		kaiser_space_lazy(&host.k);
		kaiser_space_lazy(&host.k);
		host.cpu = 0;
		if (kind != BARE)
			leave_to_user(1);
		host_forget_flushes();
		on(1, &sp[0]); /* nothing happened: nothing to do */
		assert_int_equal(host.cpus[1].cr3_writes, 0);
		host.cpu = 1;
		kaiser_space_lazy(&host.k);
		host.cpu = 0;
		kaiser_flush_page(&sp[0], 0x1000);
		assert_int_equal(host.ipis, 0);
		kaiser_flush_kernel(&host.k, HOST_WINDOW - 0x1000, HOST_WINDOW);
		assert_int_equal(host.ipis, CPUS - 1);
		on(1, &sp[0]);
		assert_int_equal(host.cpus[1].cr3_flushes, 1);
		assert_true(kind == BARE || leave_to_user(1));
		host.cpu = 1;
		kaiser_space_lazy(&host.k);
		host.cpu = 0;
		kaiser_flush_page(&sp[0], 0x1000);
		kaiser_flush_range(&sp[0], 0x1000, 0x2000, true); /* it may walk what is freed */
		assert_int_equal(host.ipis, CPUS);
		assert_int_equal(host.cpus[1].cr3_flushes, 2);
		host_forget_flushes();
		on(1, &sp[0]);
		assert_int_equal(host.cpus[1].cr3_writes, 0);
		host.cpu = 1;
		kaiser_space_lazy(&host.k);
		on(1, &sp[1]); /* to another space: lazy no more */
		host.cpu = 0;
		kaiser_flush_page(&sp[1], 0x1000);
		assert_int_equal(host.cpus[1].invlpgs, 1);
		kaiser_stats(&host.k, &st);
		assert_int_equal(st.lazy, 4);
		assert_int_equal(st.lazy_catch_ups, 1);
		assert_int_equal(st.flush_lazy, 2);
		on(1, &sp[0]);
		host.cpu = 1;
		kaiser_space_lazy(&host.k);
		host.cpu = 0;
		kaiser_space_evict(&sp[0]);
		assert_int_equal(sp[0].cpus | sp[0].active, 0);
		host_free();
	}
}

/* Every kernel PCID of every CPU, and user PCIDs only where they map it. */
static void kernel_addresses(void **state)
{
	(void)state;
	start(INVPCID);
	for (unsigned i = 0; i < 3; i++) {
		on(0, &sp[i]);
		leave_to_user(0);
	}
	host_forget_flushes();
	kaiser_flush_kernel(&host.k, HOST_WINDOW - 0x2000, HOST_WINDOW);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(host.cpus[i].invlpgs, 2);
	assert_false(leave_to_user(0));
	on(0, &sp[1]);
	assert_int_equal(host.cpus[0].cr3_flushes, 1);
	assert_false(leave_to_user(0));
	on(0, &sp[2]); /* was loaded: INVLPG did it */
	assert_int_equal(host.cpus[0].cr3_flushes, 1);
	on(0, &sp[0]);
	assert_int_equal(host.cpus[0].cr3_flushes, 2);
	on(0, &sp[1]);
	assert_int_equal(host.cpus[0].cr3_flushes, 2);
	kaiser_flush_kernel(&host.k, HOST_WINDOW - 0x1000, HOST_WINDOW + 0x1000);
	assert_true(leave_to_user(0));
	on(0, &sp[2]);
	assert_true(leave_to_user(0));
	host_forget_flushes();
	kaiser_flush_kernel(&host.k, HOST_WINDOW - 0x100000, HOST_WINDOW);
	assert_int_equal(host.cpus[0].invlpgs, 0);
	assert_int_equal(host.cpus[0].cr3_flushes, 1);
	assert_int_equal(host.cpus[0].cr3, cpu(0)->exit_cr3 & ~(KAISER_NOFLUSH | KAISER_SWITCH_BIT |
								KAISER_USER_PCID));
	assert_false(leave_to_user(0));
	host_free();
}

/* While a table of the host's is loaded, the slot that will be loaded next is not. */
static void foreign(void **state)
{
	uint64_t *table;

	(void)state;
	start(PCID);
	table = host_page(1);
	on(0, &sp[0]);
	leave_to_user(0);
	on(0, NULL);
	leave_to_user(0);
	assert_int_equal(kaiser_load_foreign(&host.k, (uint64_t)table | 8), KAISER_E_ARG);
	host_forget_flushes();
	assert_int_equal(kaiser_load_foreign(&host.k, (uint64_t)table), 0);
	assert_int_equal(host.cpus[0].cr3, (uint64_t)table); /* PCID 0 */
	assert_int_equal(host.cpus[0].cr3_flushes, 1);
	kaiser_flush_kernel(&host.k, HOST_WINDOW - 0x1000, HOST_WINDOW);
	on(0, NULL);
	assert_int_equal(host.cpus[0].cr3_flushes, 2);
	assert_false(leave_to_user(0));
	on(0, &sp[0]);
	assert_int_equal(host.cpus[0].cr3_flushes, 3);
	host_free();
}

static void everything(void **state)
{
	struct kaiser_stats st;

	(void)state;
	start(PCID);
	host_forget_flushes();
	host.cpus[1].cr4 &= ~(uint64_t)CR4_PGE;
	kaiser_flush_all(&host.k);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(host.cpus[i].cr4_writes, 2);
		assert_int_equal(host.cpus[i].cr4 & CR4_PGE, i == 1 ? 0 : CR4_PGE);
		assert_int_not_equal(host.cpus[i].cr4 & CR4_PCIDE, 0);
	}
	kaiser_stats(&host.k, &st);
	assert_int_equal(st.pge_toggles, CPUS);
	assert_int_equal(st.pge_was_off, 1);
	host_free();

	start(INVPCID);
	host_forget_flushes();
	kaiser_flush_all(&host.k);
	assert_int_equal(host.cpus[2].invpcids, 1);
	assert_int_equal(host.cpus[2].invpcid[0].type, 2);
	assert_int_equal(host.cpus[2].cr4_writes, 0);
	host_free();
}

static char said[2048];

static void line(void *arg, const char *text)
{
	(void)arg;
	assert_true(strlen(said) + strlen(text) + 2 < sizeof(said));
	strcat(strcat(said, text), "\n");
}

static void verified(void **state)
{
	(void)state;
	start(PCID);
	for (unsigned i = 0; i < SPACES; i++) {
		on(0, &sp[i]);
		said[0] = 0;
		if (kaiser_verify(&host.k, line, NULL) != 0)
			fail_msg("%s", said);
	}
	cpu(0)->exit_cr3 &= ~(uint64_t)KAISER_USER_PCID; /* the kernel's PCID for user mode */
	said[0] = 0;
	assert_int_not_equal(kaiser_verify(&host.k, line, NULL), 0);
	assert_ptr_not_equal(strstr(said, "cpu 0: ERROR: pcid: both roots use PCID"), NULL);
	host_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decision),
		cmocka_unit_test(entering),
		cmocka_unit_test(slots),
		cmocka_unit_test(pending_follows_the_slot),
		cmocka_unit_test(pages),
		cmocka_unit_test(held_catches_up),
		cmocka_unit_test(overtaking),
		cmocka_unit_test(lazy),
		cmocka_unit_test(kernel_addresses),
		cmocka_unit_test(foreign),
		cmocka_unit_test(everything),
		cmocka_unit_test(verified),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
