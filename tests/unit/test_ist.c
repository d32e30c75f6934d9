/* SPDX-License-Identifier: MIT */
/*
 * What an #MC or #DB has to mend when it hit the NMI's code: tried with the interrupted RIP at
 * every byte of the window's text, with the registers as that code would have left them. And which
 * handler each event reaches.
 */
/* SRC: tests/unit/fake_host.c kaiser/entry/template.S kaiser/src/bringup.c kaiser/src/views.c */
/* SRC: kaiser/src/descriptors.c kaiser/src/window_tables.c kaiser/src/slots.c kaiser/src/space.c */
/* SRC: kaiser/src/ldt.c kaiser/src/allowed.c kaiser/src/iomap.c kaiser/src/extra.c */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c kaiser/src/calls.c kaiser/src/kmap.c */
/* SRC: kaiser/src/flush.c kaiser/src/wipe.c kaiser/src/ist.c kaiser/src/policy.c */
/* SRC: kaiser/src/tls.c kaiser/src/mend.c */
/* SRC: kaiser/src/pcid.c kaiser/src/mode.c */
/* SRC: kaiser/src/verify_self.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c kaiser/src/verify_tlb.c kaiser/src/verify_compare.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include "fake_host.h"

extern const char kaiser_entry_db[], kaiser_entry_nmi[], kaiser_nmi_saved[], kaiser_nmi_cr3_saved[],
	kaiser_nmi_head_end[], kaiser_nmi[], kaiser_nmi_safe[], kaiser_nmi_nested_done[],
	kaiser_nmi_edge[], kaiser_nmi_edge_end[], kaiser_tail_nmi[], kaiser_tail_nmi_end[],
	kaiser_tail_nmi_nested[], kaiser_tail_nmi_nested_done[], kaiser_tail_nmi_nested_end[],
	kaiser_tail_nmi_restart[], kaiser_tail_nmi_restart_cr3[], kaiser_tail_nmi_restart_end[];

/* What the NMI had found when it arrived. */
enum { AX = 0xa1, CX = 0xc1, R14 = 0xe1, CR3 = 0x7001000, GARBAGE = 0xbad, KERNEL_CR3 = 0x7000000 };
enum { BREAKS = 0x455, NO_BREAKS = 0x400 }; /* DR7 */

static uint64_t *slots; /* the NMI's hardware frame; the slots lie below it */

static uint64_t at(const char *label)
{
	return HOST_WINDOW + KAISER_WIN_TEXT + (uint64_t)(label - kaiser_template);
}

static bool in(uint64_t ip, const char *start, const char *end)
{
	return ip >= at(start) && ip < at(end);
}

static void find_slots(void)
{
	slots = (uint64_t *)((char *)host.k.cpu[0]->page[KAISER_CPU_ENTRY / KAISER_PAGE_SIZE] +
			     KAISER_IST_NMI_TOP - KAISER_IST_FRAME);
}

static void set_slots(uint64_t ax, uint64_t cx, uint64_t r14)
{
	slots[KAISER_NMI_SLOT_AX / 8] = ax;
	slots[KAISER_NMI_SLOT_CX / 8] = cx;
	slots[KAISER_NMI_SLOT_R14 / 8] = r14;
}

/* The machine as the NMI's code has it at ip. */
static struct save_area state_at(uint64_t ip)
{
	struct save_area sa;

	memset(&sa, 0x33, sizeof(sa));
	sa.regs.ip = ip;
	sa.regs.cs = KAISER_KERNEL_CS;
	sa.regs.ax = AX;
	sa.regs.cx = CX;
	sa.regs.r14 = R14;
	sa.cr3 = CR3;
	set_slots(GARBAGE, GARBAGE, GARBAGE);
	if (in(ip, kaiser_entry_nmi, kaiser_nmi_saved))
		return sa;
	set_slots(AX, CX, R14);
	if (in(ip, kaiser_tail_nmi_restart, kaiser_tail_nmi_restart_end)) {
		sa.regs.ax = CR3;
		sa.cr3 = ip < at(kaiser_tail_nmi_restart_cr3) ? KERNEL_CR3 : CR3;
		return sa;
	}
	if (ip == at(kaiser_nmi_nested_done) || ip == at(kaiser_tail_nmi_nested_done))
		return sa; /* registers are back, CR3 is what it was */
	sa.regs.ax = sa.regs.cx = GARBAGE;
	if (in(ip, kaiser_entry_nmi, kaiser_nmi_cr3_saved))
		return sa; /* r14 not yet touched, or just now */
	sa.regs.r14 = CR3;
	sa.cr3 = KERNEL_CR3;
	return sa;
}

static int expected(uint64_t ip)
{
	if (in(ip, kaiser_nmi_edge, kaiser_nmi_edge_end) ||
	    in(ip, kaiser_tail_nmi, kaiser_tail_nmi_end))
		return KAISER_IST_NMI_EXIT;
	if (in(ip, kaiser_entry_nmi, kaiser_nmi_head_end) || in(ip, kaiser_nmi, kaiser_nmi_safe) ||
	    in(ip, kaiser_tail_nmi_nested, kaiser_tail_nmi_nested_end) ||
	    in(ip, kaiser_tail_nmi_restart, kaiser_tail_nmi_restart_end))
		return KAISER_IST_NMI_RESTART;
	return KAISER_IST_RETURN;
}

static void every_address(void **state)
{
	unsigned count[3] = {0}, repeated = 0;
	uint64_t *dr7 = &host.cpus[0].dr7;

	(void)state;
	host_bring_up(1, KAISER_ON);
	find_slots();
	for (unsigned vector = 1; vector <= 18; vector += 17) {
		for (uint64_t ip = HOST_WINDOW; ip < HOST_WINDOW + 0x5000; ip++) {
			struct save_area sa = state_at(ip), was = sa;
			if (vector == 1 && ip == at(kaiser_entry_db))
				continue; /* lost_frame() */
			*dr7 = BREAKS;
			int got = kaiser_ist_event(&sa.regs, vector);
			if (got != expected(ip))
				fail_msg("at %#lx: %d, not %d", (unsigned long)ip, got,
					 expected(ip));
			/* Where no IRET leads back to, the same breakpoint would break for ever. */
			if (*dr7 != (vector == 1 && got != KAISER_IST_RETURN ? NO_BREAKS : BREAKS))
				fail_msg("at %#lx: DR7 is %#lx", (unsigned long)ip,
					 (unsigned long)*dr7);
			count[got]++;
			if (got != KAISER_IST_NMI_RESTART) {
				assert_memory_equal(&sa, &was, sizeof(sa));
				continue;
			}
			/* As if the NMI had not begun, with its slots filled. */
			was.regs.ax = AX;
			was.regs.cx = CX;
			was.regs.r14 = R14;
			was.cr3 = CR3;
			if (!in(ip, kaiser_entry_nmi, kaiser_nmi_saved))
				was.regs.ip = at(kaiser_entry_nmi);
			if (memcmp(&sa, &was, sizeof(sa)) != 0)
				fail_msg("at %#lx: not what the NMI found", (unsigned long)ip);
			assert_int_equal(slots[KAISER_NMI_SLOT_AX / 8], AX);
			assert_int_equal(slots[KAISER_NMI_SLOT_CX / 8], CX);
			assert_int_equal(slots[KAISER_NMI_SLOT_R14 / 8], R14);
			/* A second machine check at the first one's exit does it all again. */
			assert_int_equal(kaiser_ist_event(&sa.regs, vector), got);
			assert_memory_equal(&sa, &was, sizeof(sa));
			repeated++;
		}
	}
	assert_true(count[0] > 20000 && count[1] > 100 && count[2] > 50);
	assert_int_equal(host.debugs + host.mcs, 2 * 0x5000 - 1 + repeated);
	host_free();
}

static void frame_given(const struct save_area *sa, const struct save_area *was)
{
	assert_memory_equal(slots, &was->regs.ip, 5 * 8);
	assert_int_equal(slots[KAISER_NMI_SLOT_AX / 8], was->regs.ax);
	assert_int_equal(slots[KAISER_NMI_SLOT_CX / 8], was->regs.cx);
	assert_int_equal(slots[KAISER_NMI_SLOT_R14 / 8], was->regs.r14);
	/* else as it was */
	assert_int_equal(sa->regs.ip, at(kaiser_entry_nmi));
	assert_memory_equal(&sa->regs, &was->regs, offsetof(struct pt_regs, ip));
	assert_memory_equal(&sa->regs.cs, &was->regs.cs,
			    sizeof(*sa) - offsetof(struct pt_regs, cs));
}

/*
 * An NMI hit the exit of a machine check and was dropped, with that exit, by a second one, which
 * has the first one's save area: the NMI's frame and slots become what it holds, or the NMI is
 * latched where the NMI's exit is to come. A third machine check does the same, and then nothing is
 * dropped.
 */
static void dropped_nmi(void **state)
{
	unsigned count[3] = {0};

	(void)state;
	host_bring_up(1, KAISER_ON);
	struct kaiser_cpu *c = host.k.cpu[0];
	find_slots();
	for (uint64_t ip = HOST_WINDOW; ip < HOST_WINDOW + 0x5000; ip++) {
		struct save_area sa = state_at(ip), was = sa;
		bool leaves = expected(ip) == KAISER_IST_NMI_EXIT;

		if (expected(ip) == KAISER_IST_NMI_RESTART)
			continue; /* NMIs are blocked there */
		memset(slots, 0, KAISER_IST_FRAME);
		c->nmi_state = leaves ? KAISER_NMI_RUNNING : KAISER_NMI_IDLE;
		unsigned how = 18 | KAISER_IST_NMI_DROPPED;
		for (int times = 0; times < 2; times++, how = 18) {
			int got = kaiser_ist_event(&sa.regs, how);
			count[got]++;
			assert_int_equal(got,
					 leaves ? KAISER_IST_NMI_EXIT : KAISER_IST_NMI_RESTART);
			assert_int_equal(c->nmi_state,
					 leaves ? KAISER_NMI_RUNNING | KAISER_NMI_LATCHED
						: KAISER_NMI_IDLE);
			if (leaves)
				assert_memory_equal(&sa, &was, sizeof(sa));
			else
				frame_given(&sa, &was);
		}
	}
	assert_true(count[1] > 20000 && count[2] > 50 && !count[0]);
	host_free();
}

/* A #DB on the #DB head: what is left of the thread goes to its stack, whole but for the frame. */
static void lost_frame(void **state)
{
	static struct pt_regs stack[2];
	struct save_area sa = {.gs = 0x1234, .cr3 = CR3};

	(void)state;
	host_bring_up(1, KAISER_ON);
	host.k.cpu[0]->kstack_top = (uint64_t)(uintptr_t)(stack + 2);
	sa.regs = (struct pt_regs){.ip = at(kaiser_entry_db),
				   .cs = KAISER_KERNEL_CS,
				   .r15 = 15,
				   .bx = 3,
				   .di = 7,
				   .ax = 1};
	assert_int_equal(kaiser_ist_event(&sa.regs, 1), KAISER_IST_LOST);
	assert_int_equal(host.debugs, 0);
	assert_int_equal(stack[1].r15, 15);
	assert_int_equal(stack[1].bx, 3);
	assert_int_equal(stack[1].di, 7);
	assert_int_equal(stack[1].ax, 1);
	assert_int_equal(stack[1].cs, KAISER_USER_CS);
	assert_int_equal(stack[1].ss, KAISER_USER_DS);
	assert_int_equal(stack[1].ip, 0);
	assert_int_equal(stack[1].sp, 0);
	assert_int_equal(stack[1].flags, 0x202);
	assert_int_equal(hw_rdmsr(MSR_KERNEL_GS_BASE), 0x1234);
	sa.regs.ip = at(kaiser_entry_db) + 1;
	assert_int_equal(kaiser_ist_event(&sa.regs, 1), KAISER_IST_RETURN);
	host_free();
}

static void label_boundaries(void **state)
{
	const char *const labels[] = {kaiser_entry_nmi,
				      kaiser_nmi_saved,
				      kaiser_nmi_cr3_saved,
				      kaiser_nmi_head_end,
				      kaiser_nmi,
				      kaiser_nmi_safe,
				      kaiser_nmi_nested_done,
				      kaiser_nmi_edge,
				      kaiser_nmi_edge_end,
				      kaiser_tail_nmi,
				      kaiser_tail_nmi_end,
				      kaiser_tail_nmi_nested,
				      kaiser_tail_nmi_nested_done,
				      kaiser_tail_nmi_nested_end};

	(void)state;
	for (unsigned i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		assert_true(labels[i] >= kaiser_template && labels[i] <= kaiser_template_end);
		for (unsigned j = 0; j < i; j++) /* ranges are not empty */
			if (labels[i] == labels[j])
				assert_true(labels[j] == kaiser_tail_nmi_end ||
					    labels[j] == kaiser_nmi_head_end);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(at(labels[i]) < at(labels[i + 1]));
	assert_true(at(kaiser_nmi) < at(kaiser_nmi_nested_done));
	assert_true(at(kaiser_nmi_nested_done) < at(kaiser_nmi_safe));
	assert_true(at(kaiser_nmi_safe) < at(kaiser_nmi_edge));
	assert_true(at(kaiser_nmi_edge) < at(kaiser_nmi_edge_end));
	/* Heads in the page that both roots map, the rest behind it. */
	assert_true(kaiser_nmi_head_end - kaiser_template <= 4096);
	assert_true(kaiser_tail_nmi_nested_end - kaiser_template <= 4096);
	assert_true(kaiser_nmi - kaiser_template >= 4096);
}

static void handlers(void **state)
{
	struct save_area sa = {.regs = {.cs = KAISER_USER_CS, .ip = 0x401000}};
	struct host_cpu *c = &host.cpus[0];
	struct kaiser_cpu *k;

	(void)state;
	host_bring_up(1, KAISER_ON);
	k = host.k.cpu[0];
	c->dr7 = BREAKS;
	c->dr6 = 0xffff4ff1;
	kaiser_from_user(&sa.regs, 1);
	assert_int_equal(host.debugs, 1);
	assert_int_equal(host.last_dr6, 0xffff4ff1);
	assert_int_equal(c->dr6, 0xffff0ff0);
	assert_int_equal(c->dr7, NO_BREAKS); /* the host's to set for user mode */
	assert_int_equal(k->wipe_at_switch, 1 << KAISER_IST_DB);
	kaiser_from_user(&sa.regs, 18);
	assert_int_equal(host.mcs, 1);
	assert_int_equal(k->wipe_at_switch, 1 << KAISER_IST_DB | 1 << KAISER_IST_MC);
	kaiser_from_user(&sa.regs, 2);
	kaiser_nmi_event(&sa.regs);
	assert_int_equal(host.nmis, 2);
	kaiser_from_user(&sa.regs, 14);
	assert_int_equal(host.last_vector, 14);
	kaiser_from_user(&sa.regs, 255);
	assert_int_equal(host.last_vector, 255);
	assert_int_equal(host.interrupts, 2);

	host_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address), cmocka_unit_test(dropped_nmi),
		cmocka_unit_test(lost_frame),    cmocka_unit_test(label_boundaries),
		cmocka_unit_test(handlers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
