/* SPDX-License-Identifier: MIT */
/* The handlers that a host need not write: what they tell its panic hook. That a host's own take
 * their place is shown by all other tests. */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src */
/* LIBS: -lcmocka */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "internal.h"

static jmp_buf out;
static char said[128];

static void host_panic(void *ctx, const char *message)
{
	assert_ptr_equal(ctx, said);
	assert_true(strlen(message) < sizeof(said));
	strcpy(said, message);
	longjmp(out, 1);
}

static const struct kaiser_ops ops = {.panic = host_panic};
static struct kaiser k = {
	.cfg = {.ops = &ops, .ctx = said, .window = UINT64_C(0xffffffffa0000000), .cpus = 2}};
static struct kaiser_cpu cpu = {.k = &k};

struct kaiser_cpu *hw_this_cpu(void)
{
	return &cpu;
}

static void double_fault(uint64_t cr2, uint64_t sp, const char *expected)
{
	struct pt_regs regs = {.sp = sp};

	strcpy(said, "nothing");
	if (!setjmp(out))
		kaiser_on_double_fault(&regs, cr2);
	assert_string_equal(said, expected);
}

static void double_faults(void **state)
{
	const uint64_t cpu1 = k.cfg.window + 2 * KAISER_CPU_STRIDE;
	static const struct {
		uint32_t stack;
		const char *text;
	} stacks[] = {
		{KAISER_CPU_ENTRY, "double fault: entry stack overflow"},
		{KAISER_CPU_DF_STACK, "double fault: #DF stack overflow"},
		{KAISER_CPU_MC_STACK, "double fault: #MC stack overflow"},
		{KAISER_CPU_DB_STACK, "double fault: #DB stack overflow"},
		{KAISER_CPU_NMI_STACK, "double fault: NMI stack overflow"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		double_fault(cpu1 + stacks[i].stack - 8, 0, stacks[i].text);
		double_fault(0, cpu1 + stacks[i].stack, stacks[i].text);
	}
	double_fault(0x1234, cpu1 + KAISER_CPU_ENTRY + 64, "double fault");
}

static void machine_check(void **state)
{
	struct pt_regs regs = {0};

	(void)state;
	if (!setjmp(out))
		kaiser_on_machine_check(&regs);
	assert_string_equal(said, "machine check");
	kaiser_on_ia32(&regs, KAISER_IA32_INT80); /* nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(double_faults),
		cmocka_unit_test(machine_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
