/* SPDX-License-Identifier: MIT */
/*
 * Isolation on and off at run time, for the machine and for a space: poison, exit CR3, flushes and
 * the open tails, and in which order they change.
 */
/* SRC: tests/unit/fake_host.c kaiser/entry/template.S kaiser/src/bringup.c kaiser/src/views.c */
/* SRC: kaiser/src/descriptors.c kaiser/src/window_tables.c kaiser/src/slots.c kaiser/src/space.c */
/* SRC: kaiser/src/iomap.c kaiser/src/extra.c */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c kaiser/src/calls.c kaiser/src/kmap.c */
/* SRC: kaiser/src/flush.c kaiser/src/wipe.c kaiser/src/ist.c kaiser/src/policy.c */
/* SRC: kaiser/src/mend.c */
/* SRC: kaiser/src/tls.c kaiser/src/ldt.c kaiser/src/allowed.c kaiser/src/pcid.c */
/* SRC: kaiser/src/mode.c */
/* SRC: kaiser/src/verify_self.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c kaiser/src/verify_tlb.c kaiser/src/verify_compare.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include "fake_host.h"

#include <kaiser/verify.h>

#define CPUS   3
#define SPACES 3

struct mark {
	uint32_t offset, view;
};
extern const struct mark kaiser_marks_start[], kaiser_marks_end[];
enum { VIEW_OPEN = 3 };

static struct kaiser_space sp[SPACES];
static struct kaiser_ops ops;
static void (*real_call)(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg);

static bool any_exit_open(void)
{
	for (unsigned i = 0; i < CPUS; i++)
		if (!(host.k.cpu[i]->exit_cr3 & KAISER_SWITCH_BIT))
			return true;
	return false;
}

/* All of the tails, or none. */
static bool tails_open(void)
{
	unsigned bytes = 0, closed = 0;

	for (const struct mark *m = kaiser_marks_start; m + 1 < kaiser_marks_end; m++)
		for (uint32_t i = m->offset; m->view == VIEW_OPEN && i < m[1].offset; i++) {
			bytes++;
			closed += ((uint8_t *)host.k.text_kernel)[i] == 0xcc;
		}
	assert_true(bytes > 20);
	assert_true(closed == bytes || closed == 0);
	return closed == 0;
}

/* Whenever a CPU is called: no exit may lack the switch bit while the tails are closed. */
static void call(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg)
{
	assert_true(tails_open() || !any_exit_open());
	real_call(ctx, mask, fn, arg);
	assert_true(tails_open() || !any_exit_open());
}

static uint64_t *table;

static uint64_t user_entry(void)
{
	return (uint64_t)table | 0x67;
}

static void on(unsigned cpu, struct kaiser_space *s)
{
	host.cpu = cpu;
	kaiser_space_switch(&host.k, s);
	host.cpu = 0;
}

static void start(bool pcid, enum kaiser_mode mode)
{
	host_init(CPUS);
	if (pcid)
		host_give_pcid(false);
	host_enter_all(CPUS, mode);
	table = host_page(0);
	for (unsigned i = 0; i < SPACES; i++) {
		assert_int_equal(kaiser_space_init(&host.k, &sp[i], host_page(0)), 0);
		kaiser_space_set_top(&sp[i], 3, user_entry());
		kaiser_space_set_top(&sp[i], 4, user_entry() & ~PTE_U);
	}
	host_forget_flushes();
}

static void watch_calls(void)
{
	ops = *host.cfg.ops;
	real_call = ops.call_cpus;
	ops.call_cpus = call;
	host.k.cfg.ops = &ops;
}

static void expect(unsigned cpu, bool isolated)
{
	const struct kaiser_cpu *c = host.k.cpu[cpu];
	const uint64_t *pair = host_pair(cpu);

	assert_int_equal(!!(c->exit_cr3 & KAISER_SWITCH_BIT), isolated);
	if (!isolated)
		assert_int_equal(c->exit_cr3, host.cpus[cpu].cr3);
	if (pair[4]) { /* not the empty space */
		assert_int_equal(pair[3], user_entry() | (isolated ? PTE_NX : 0));
		assert_int_equal(pair[512 + 3], user_entry());
		assert_int_equal(pair[4], user_entry() & ~PTE_U);
		assert_int_equal(pair[512 + 4], 0);
	}
	assert_int_equal(c->slot[c->loaded].seq & 1, 0);
}

static void machine(void **state)
{
	(void)state;
	for (unsigned pcid = 0; pcid < 2; pcid++) {
		start(pcid, KAISER_ON);
		on(0, &sp[0]);
		on(1, &sp[1]);
		on(1, &sp[0]);
		assert_false(tails_open());
		watch_calls();
		host_forget_flushes();
		kaiser_set_mode(&host.k, KAISER_OFF);
		assert_int_equal(host.ipis, CPUS - 1);
		for (unsigned i = 0; i < CPUS; i++) {
			expect(i, false);
			assert_int_equal(host.cpus[i].cr3_flushes, 1);
		}
		assert_string_equal(host.k.policy.reason, "switched off at run time");
		on(1, &sp[1]); /* a slot that was not loaded */
		expect(1, false);
		assert_int_equal(host.cpus[1].cr3_flushes, 2);
		on(2, &sp[2]);
		expect(2, false);
		kaiser_set_mode(&host.k, KAISER_OFF);
		assert_int_equal(host.cpus[0].cr3_writes, 1);
		assert_true(tails_open());

		host_forget_flushes();
		kaiser_set_mode(&host.k, KAISER_ON);
		assert_false(tails_open());
		for (unsigned i = 0; i < CPUS; i++) {
			expect(i, true);
			assert_int_equal(host.cpus[i].cr3_flushes, 1);
			if (pcid) /* what the user PCID holds is from before */
				assert_int_equal(host.k.cpu[i]->exit_cr3 & KAISER_NOFLUSH, 0);
		}
		on(1, &sp[0]);
		expect(1, true);
		kaiser_set_mode(&host.k, KAISER_AUTO);
		assert_true(host.k.policy.isolate && host.k.policy.asked == KAISER_AUTO);
		host.k.cfg.ops = host.cfg.ops;
		host_free();
	}
}

static char said[4096];

static void line(void *arg, const char *text)
{
	(void)arg;
	assert_true(strlen(said) + strlen(text) + 2 < sizeof(said));
	strcat(strcat(said, text), "\n");
}

static void one_space(void **state)
{
	struct kaiser_slot_info si;
	uint64_t exit;

	(void)state;
	start(true, KAISER_ON);
	for (unsigned i = 0; i < CPUS; i++)
		on(i, &sp[i % 2]);
	host_forget_flushes();
	watch_calls();
	kaiser_space_isolate(&sp[0], true); /* is already */
	assert_int_equal(host.ipis + host.cpus[0].cr3_writes, 0);
	kaiser_space_isolate(&sp[0], false);
	assert_int_equal(host.ipis, 1);
	expect(0, false);
	expect(1, true);
	expect(2, false);
	said[0] = 0;
	assert_int_equal(kaiser_verify(&host.k, line, NULL), 0);
	assert_ptr_not_equal(strstr(said, "cpu 0: runs a space that opted out"), NULL);
	assert_ptr_equal(strstr(said, "cpu 1: runs a space"), NULL);
	on(1, &sp[0]);
	expect(1, false);
	on(1, &sp[1]);
	expect(1, true);
	host_forget_flushes();
	on(1, &sp[0]); /* both in slots, each as it wants to be: no flush */
	on(1, &sp[1]);
	assert_int_equal(host.cpus[1].cr3_flushes, 0);
	for (unsigned i = 0; kaiser_slot_info(&host.k, 1, i, &si); i++)
		assert_true(si.isolated == (si.space_id && si.space_id != sp[0].id));
	kaiser_space_isolate(&sp[2], false);
	kaiser_space_isolate(&sp[0], true);
	expect(0, true);
	assert_true(tails_open()); /* for sp[2] */
	kaiser_set_mode(&host.k, KAISER_OFF);
	kaiser_set_mode(&host.k, KAISER_ON);
	assert_true(tails_open());
	on(0, &sp[2]);
	expect(0, false);
	exit = host.k.cpu[0]->exit_cr3;
	kaiser_space_evict(&sp[2]);
	assert_int_not_equal(host.k.cpu[0]->exit_cr3, exit);
	assert_false(tails_open());
	assert_int_equal(host.k.opted_out, 0);
	assert_false(any_exit_open());
	host.k.cfg.ops = host.cfg.ops;
	host_free();

	/* Isolation off for the machine is off for all. */
	start(false, KAISER_OFF);
	assert_true(tails_open());
	on(0, &sp[0]);
	kaiser_space_isolate(&sp[0], false);
	kaiser_space_isolate(&sp[0], true);
	assert_true(tails_open());
	expect(0, false);
	host_free();
}

/* A CPU on a table of the host's is turned when it comes back; one that is away, when it enters. */
static void elsewhere(void **state)
{
	(void)state;
	start(true, KAISER_ON);
	on(1, &sp[0]);
	host.cpu = 1;
	assert_int_equal(kaiser_load_foreign(&host.k, 0), 0);
	host.cpu = 2;
	kaiser_cpu_leave(&host.k);
	host.cpu = 0;
	kaiser_set_mode(&host.k, KAISER_OFF);
	assert_int_equal(host.cpus[1].cr3, (uint64_t)host.kernel_top);
	on(1, NULL);
	expect(1, false);
	on(1, &sp[0]);
	expect(1, false);
	host.cpu = 2;
	assert_int_equal(kaiser_cpu_enter(&host.k, 2, 0x1000), 0);
	expect(2, false);
	host.cpu = 0;
	host_free();
}

/* A mistaken root is found whatever opted out before. */
static void verified(void **state)
{
	(void)state;
	start(false, KAISER_ON);
	kaiser_set_mode(&host.k, KAISER_OFF);
	kaiser_set_mode(&host.k, KAISER_ON);
	said[0] = 0;
	assert_int_equal(kaiser_verify(&host.k, line, NULL), 0);
	host.k.cpu[0]->exit_cr3 &= ~(uint64_t)KAISER_SWITCH_BIT;
	assert_int_not_equal(kaiser_verify(&host.k, line, NULL), 0);
	host_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machine),
		cmocka_unit_test(one_space),
		cmocka_unit_test(elsewhere),
		cmocka_unit_test(verified),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
