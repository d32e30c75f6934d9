/* SPDX-License-Identifier: MIT */
/* Which breakpoints user mode may have: the library's rule, and what the kernel makes of DR7. */
/* SRC: kaiser/src/breakpoint.c kernel/cpu/debugreg.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/src */
/* LIBS: -lcmocka */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <kaiser/kaiser.h>

#include "base.h"
#include "ptrace.h"

#define END UINT64_C(0x00007ffffffff000)

struct kaiser kaiser = {.cfg = {.user_end = END, .window = UINT64_C(0xffffffffc0000000)}};

static void ranges(void **state)
{
	static const uint64_t lens[] = {1, 2, 4, 8};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		uint64_t len = lens[i];

		assert_true(kaiser_breakpoint_allowed(&kaiser, 0, len));
		assert_true(kaiser_breakpoint_allowed(&kaiser, END - len, len));
		for (uint64_t over = 1; over <= len; over++)
			assert_false(kaiser_breakpoint_allowed(&kaiser, END - len + over, len));
		/* The kernel half, the window, the hole between the halves, and sums that wrap. */
		assert_false(kaiser_breakpoint_allowed(&kaiser, UINT64_C(1) << 47, len));
		assert_false(kaiser_breakpoint_allowed(&kaiser, UINT64_C(1) << 63, len));
		assert_false(kaiser_breakpoint_allowed(&kaiser, kaiser.cfg.window, len));
		assert_false(kaiser_breakpoint_allowed(&kaiser, kaiser.cfg.window + 0x25000, len));
		for (uint64_t a = 1; a <= 8; a++)
			assert_false(kaiser_breakpoint_allowed(&kaiser, -a, len));
	}
	assert_false(kaiser_breakpoint_allowed(&kaiser, 0, 0));
	assert_false(kaiser_breakpoint_allowed(&kaiser, 0, UINT64_MAX));
	assert_false(kaiser_breakpoint_allowed(&kaiser, 8, UINT64_MAX - 7));
	assert_true(kaiser_breakpoint_allowed(&kaiser, 0, END));
}

/* Whatever is written in whatever order, and taken, an enabled breakpoint is one of user memory, of
 * a kind and length that is defined, aligned; and GD is off. */
static void any_writes(void **state)
{
	static const uint64_t values[] = {
		0,         4,    END - 8, END - 4,  END - 1,  END,      1ul << 47,
		1ul << 63, ~0ul, -8ul,    0x401000, 0x401001, 0x401004, 0xffffffffc0025000};
	uint64_t seed = 1;
	unsigned taken = 0;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct debugreg d = {0};

		for (unsigned i = 0; i < 40; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			unsigned n = (unsigned)(seed >> 60) & 7;
			uint64_t v =
				n == 7 ? seed >> 13 : values[(seed >> 33) % ARRAY_SIZE(values)];
			int err = debugreg_set(&d, n, v);

			assert_true(err == 0 || err == -EINVAL || err == -EIO);
			taken += n == 7 && !err && d.dr7 & DR7_ENABLE_MASK;
			assert_int_equal(d.dr7 & BIT(13), 0);
			for (unsigned b = 0; b < 4; b++) {
				unsigned kind = (unsigned)(d.dr7 >> (16 + 4 * b) & 3);
				static const unsigned len_of[4] = {1, 2, 8, 4};
				uint64_t len = len_of[d.dr7 >> (18 + 4 * b) & 3];

				if (!(d.dr7 >> (2 * b) & 3))
					continue;
				assert_true(d.addr[b] + len <= END && d.addr[b] < END);
				assert_int_equal(d.addr[b] % len, 0);
				assert_int_not_equal(kind, 2);
				assert_true(kind != 0 || len == 1);
			}
		}
	}
	assert_true(taken > 100);
}

static void causes(void **state)
{
	struct debugreg d = {0};
	bool fault;

	(void)state;
	assert_int_equal(debugreg_event(&d, 0xffff0ff0, &fault), TRAP_BRKPT);
	assert_int_equal(debugreg_event(&d, 0xffff4ff0, &fault), TRAP_TRACE);
	assert_int_equal(debugreg_get(&d, 6), 0xffff4ff0);
	assert_int_equal(debugreg_set(&d, 1, 0x401000), 0);
	assert_int_equal(debugreg_set(&d, 7, 4), 0);
	assert_int_equal(debugreg_event(&d, 0xffff0ff2, &fault), TRAP_HWBKPT);
	assert_true(fault);
	/* A match of one that is not enabled is no hit. */
	assert_int_equal(debugreg_event(&d, 0xffff0ff1, &fault), TRAP_BRKPT);
	assert_false(fault);
	assert_int_equal(debugreg_get(&d, 6), 0xffff0ff0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(any_writes),
		cmocka_unit_test(causes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
