/* SPDX-License-Identifier: MIT */
/*
 * What the library's C does for 32-bit programs: gates open only if the host asked, calls reach its
 * handler as documented, single steps that SYSENTER brings into the kernel stay there, and the TLS
 * entries of the GDT take nothing but data segments of ring 3 and are gone with the space.
 */
/* SRC: tests/unit/fake_host.c kaiser/entry/template.S kaiser/src/bringup.c kaiser/src/views.c */
/* SRC: kaiser/src/descriptors.c kaiser/src/window_tables.c kaiser/src/slots.c kaiser/src/space.c */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c kaiser/src/calls.c kaiser/src/kmap.c */
/* SRC: kaiser/src/flush.c kaiser/src/wipe.c kaiser/src/ist.c kaiser/src/policy.c */
/* SRC: kaiser/src/mend.c */
/* SRC: kaiser/src/tls.c kaiser/src/pcid.c kaiser/src/ldt.c kaiser/src/allowed.c */
/* SRC: kaiser/src/iomap.c kaiser/src/extra.c */
/* SRC: kaiser/src/mode.c */
/* SRC: kaiser/src/verify_self.c kaiser/src/verify.c kaiser/src/verify_walk.c */
/* SRC: kaiser/src/verify_tables.c kaiser/src/verify_roots.c kaiser/src/verify_cpu.c */
/* SRC: kaiser/src/verify_pointers.c kaiser/src/verify_tlb.c kaiser/src/verify_compare.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include "fake_host.h"

extern const char kaiser_entry_db[], kaiser_entry_syscall32[], kaiser_entry_syscall32_closed[],
	kaiser_entry_sysenter[], kaiser_entry_sysenter_end[], kaiser_sysenter_entry[],
	kaiser_sysenter_flags_done[];

static struct pt_regs last;
static unsigned last_how, calls;

void kaiser_on_ia32(struct pt_regs *regs, unsigned how)
{
	last = *regs;
	last_how = how;
	calls++;
}

static uint64_t at(const char *label)
{
	return HOST_WINDOW + KAISER_WIN_TEXT + (uint64_t)(label - kaiser_template);
}

static unsigned gate_dpl(unsigned vector)
{
	return ((uint8_t *)host.k.idt)[vector * 16 + 5] >> 5 & 3;
}

static void bring_up(bool ia32)
{
	host_init(1);
	host.cfg.ia32 = ia32;
	host.cfg.mode = KAISER_ON;
	assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	assert_int_equal(kaiser_cpu_prepare(&host.k, 0), 0);
	assert_int_equal(kaiser_cpu_enter(&host.k, 0, 0x5550), 0);
}

static void closed(void **state)
{
	struct pt_regs regs = {.cs = KAISER_USER_CS, .ax = 20};

	(void)state;
	bring_up(false);
	assert_int_equal(gate_dpl(0x80), 0);
	assert_int_equal(host.cpus[0].sysenter_cs, 0);
	assert_int_equal(host.cpus[0].cstar, at(kaiser_entry_syscall32_closed));
	/* An interrupt of the host's own, then. */
	calls = 0;
	kaiser_from_user(&regs, 0x80);
	assert_int_equal(calls, 0);
	assert_int_equal(host.last_vector, 0x80);
	host_free();
}

static void opened(void **state)
{
	struct pt_regs regs = {.cs = KAISER_USER_CS, .ax = 0x1234567800000014, .orig_ax = 99};
	const struct host_cpu *c = &host.cpus[0];

	(void)state;
	bring_up(true);
	for (unsigned v = 0; v < 256; v++)
		assert_int_equal(gate_dpl(v), v == 3 || v == 4 || v == 0x80 ? 3 : 0);
	assert_int_equal(c->sysenter_cs, KAISER_KERNEL_CS);
	assert_int_equal(c->sysenter_eip, at(kaiser_entry_sysenter));
	assert_int_equal(c->sysenter_esp, host.k.cpu[0]->entry_top);
	assert_int_equal(c->cstar, at(kaiser_entry_syscall32));

	calls = host.interrupts = 0;
	kaiser_from_user(&regs, 0x80);
	assert_int_equal(calls, 1);
	assert_int_equal(host.interrupts, 0);
	assert_int_equal(last_how, KAISER_IA32_INT80);
	assert_int_equal(last.orig_ax, 0x14);
	assert_int_equal(last.ax, (uint64_t)-38);
	regs.orig_ax = 0xffffffff00000004;
	regs.sp = 0xffffffff00001000;
	kaiser_from_ia32(&regs, KAISER_IA32_SYSENTER);
	assert_int_equal(last_how, KAISER_IA32_SYSENTER);
	assert_int_equal(last.orig_ax, 4);
	assert_int_equal(last.sp, 0x1000);
	host_free();
}

/* At every address of the window's text: told or not, and TF afterwards. */
static void single_steps(void **state)
{
	unsigned silent = 0;

	(void)state;
	bring_up(true);
	for (uint64_t ip = HOST_WINDOW; ip < HOST_WINDOW + 0x5000; ip++) {
		bool in = (ip >= at(kaiser_entry_sysenter) && ip < at(kaiser_entry_sysenter_end)) ||
			  (ip >= at(kaiser_sysenter_entry) && ip <= at(kaiser_sysenter_flags_done));
		struct {
			struct pt_regs regs;
			uint64_t cr3, gs, cr2, unused;
		} sa = {.regs = {.cs = KAISER_KERNEL_CS, .ip = ip, .flags = 0x102}};

		if (ip == at(kaiser_entry_db))
			continue; /* a lost frame: test_ist.c */
		host.debugs = 0;
		host.cpus[0].dr6 = 0xffff4ff0; /* a step */
		assert_int_equal(kaiser_ist_event(&sa.regs, 1) == KAISER_IST_RETURN || !in, 1);
		assert_int_equal(host.debugs, !in);
		silent += in;
		host.cpus[0].dr6 = 0xffff4ff2; /* and a breakpoint that was held up */
		kaiser_ist_event(&sa.regs, 1);
		assert_int_equal(host.debugs, in ? 1 : 2);
		assert_int_equal(host.last_dr6 & 0x4000, in ? 0 : 0x4000);
		if (in)
			assert_int_equal(sa.regs.flags, 0x102);
	}
	assert_true(silent > 30 && silent < 120);
	host_free();
}

#define SEGMENT(type) (UINT64_C(0x00c0f0345678ffff) | (uint64_t)(type) << 40)

static void tls(void **state)
{
	const uint64_t *gdt;
	const uint64_t good[3] = {SEGMENT(2), 0, SEGMENT(5)}, none[3] = {0};
	struct kaiser_space s[2];

	(void)state;
	bring_up(true);
	gdt = (uint64_t *)host.k.cpu[0]->page[KAISER_CPU_DESC / KAISER_PAGE_SIZE] + KAISER_GDT_TLS;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(kaiser_space_init(&host.k, &s[i], host_page(0)), 0);
	kaiser_space_switch(&host.k, &s[0]);
	assert_int_equal(kaiser_set_tls(good), 0);
	assert_int_equal(gdt[0], SEGMENT(3)); /* accessed */
	assert_int_equal(gdt[1], 0);
	assert_int_equal(gdt[2], SEGMENT(5));

	/* Of the access byte's values only data segments of ring 3 are taken, present or not. */
	for (unsigned access = 0; access < 256; access++) {
		const uint64_t d[3] = {(SEGMENT(0) & ~(UINT64_C(0xff) << 40)) | (uint64_t)access
											<< 40};
		bool ok = (access & 0x78) == 0x70;
		assert_int_equal(kaiser_set_tls(d), ok ? 0 : KAISER_E_ARG);
		if (!ok) /* and nothing was changed */
			assert_true(gdt[0] != d[0]);
		assert_int_equal(kaiser_set_tls(good), 0);
	}
	const uint64_t lng[3] = {0, SEGMENT(2) | UINT64_C(1) << 53, 0};
	assert_int_equal(kaiser_set_tls(lng), KAISER_E_ARG);
	/* SS could be loaded with it, and IRET to a stack of 16 bits leaves ESP's upper half. */
	const uint64_t stack16[3] = {0, 0, SEGMENT(2) & ~(UINT64_C(1) << 54)};
	assert_int_equal(kaiser_set_tls(stack16), KAISER_E_ARG);
	assert_int_equal(gdt[2], SEGMENT(5));

	kaiser_space_switch(&host.k, &s[0]); /* no other space: they stay */
	assert_int_equal(gdt[0], SEGMENT(3));
	kaiser_space_switch(&host.k, &s[1]);
	assert_memory_equal(gdt, none, sizeof(none));
	assert_int_equal(kaiser_set_tls(good), 0);
	kaiser_space_evict(&s[1]);
	assert_memory_equal(gdt, none, sizeof(none));
	kaiser_space_evict(&s[0]);
	host_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed),
		cmocka_unit_test(opened),
		cmocka_unit_test(single_steps),
		cmocka_unit_test(tls),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
