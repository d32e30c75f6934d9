/* SPDX-License-Identifier: MIT */
/* The command line and the decision, as tables. */
/* SRC: tests/unit/fake_host.c kaiser/entry/template.S kaiser/src/bringup.c kaiser/src/views.c */
/* SRC: kaiser/src/descriptors.c kaiser/src/window_tables.c kaiser/src/slots.c kaiser/src/space.c */
/* SRC: kaiser/src/ldt.c kaiser/src/allowed.c kaiser/src/iomap.c kaiser/src/extra.c */
/* SRC: kaiser/src/defaults.c kaiser/src/stacks.c kaiser/src/calls.c kaiser/src/kmap.c */
/* SRC: kaiser/src/flush.c kaiser/src/wipe.c kaiser/src/ist.c kaiser/src/policy.c */
/* SRC: kaiser/src/tls.c kaiser/src/mend.c */
/* SRC: kaiser/src/pcid.c kaiser/src/mode.c */
/* SRC: kaiser/src/strerror.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -Itests/unit */
/* LIBS: -lcmocka */
#include "fake_host.h"

static const struct {
	const char *line;
	enum kaiser_mode mode;
} lines[] = {
	{NULL, KAISER_AUTO},
	{"", KAISER_AUTO},
	{"quiet", KAISER_AUTO},
	{"pti=on", KAISER_ON},
	{"pti=off", KAISER_OFF},
	{"nopti", KAISER_OFF},
	{"pti=auto", KAISER_AUTO},
	{"  pti=on  ", KAISER_ON},
	{"a\tpti=on\n", KAISER_ON},
	{"pti=on nopti", KAISER_OFF},
	{"nopti pti=on", KAISER_ON},
	{"pti=on pti=auto", KAISER_AUTO},
	{"pti=onx", KAISER_AUTO},
	{"xpti=on", KAISER_AUTO},
	{"pti=", KAISER_AUTO},
	{"pti", KAISER_AUTO},
	{"pti=O", KAISER_AUTO},
	{"nopt", KAISER_AUTO},
	{"nopti2", KAISER_AUTO},
	{"nopti=1", KAISER_AUTO},
	{"x=\"pti=on\"", KAISER_AUTO},
	{"x=\"a pti=off b\" pti=on", KAISER_ON},
	{"x=\"a pti=on b", KAISER_AUTO},
	{"pti=on pti=nonsense", KAISER_ON},
	{"console=ttyS0 pti=on root=/dev/ram nopti quiet", KAISER_OFF},
};

static void parse(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (kaiser_policy_parse(lines[i].line) != lines[i].mode)
			fail_msg("\"%s\" is %d", lines[i].line, kaiser_policy_parse(lines[i].line));
}

#define INTEL 0x756e6547, 0x6c65746e, 0x49656e69
#define AMD   0x68747541, 0x444d4163, 0x69746e65
#define HYGON 0x6f677948, 0x656e6975, 0x6e65476e
#define OTHER 0x746e6543, 0x736c7561, 0x48727561
#define CAPS  (1u << 29)

static const struct {
	uint32_t vendor[3]; /* ebx ecx edx */
	uint32_t family, max_leaf, leaf7_edx;
	uint64_t arch_caps;
	bool meltdown, verw;
} cpus[] = {
	{{INTEL}, 0x000506e3, 0x16, 0, 0, true, false},
	{{INTEL}, 0x000506e3, 0x16, 1u << 10, 0, true, true},
	{{INTEL}, 0x000506e3, 0x16, CAPS, 0, true, false},
	{{INTEL}, 0x000906ed, 0x16, CAPS, 1, false, false},
	{{INTEL}, 0x000906ed, 0x16, CAPS, 2, true, false},
	{{INTEL}, 0x000906ed, 0x16, 0, 1, true, false},    /* the MSR is not there */
	{{INTEL}, 0x000906ed, 0x06, CAPS, 1, true, false}, /* nor is leaf 7 */
	{{INTEL}, 0x000106ca, 0x0a, 0, 0, false, false},   /* Atom 0x1c, in order */
	{{INTEL}, 0x00030651, 0x0a, 0, 0, false, false},   /* Atom 0x35 */
	{{INTEL}, 0x000106a5, 0x0b, 0, 0, true, false},    /* 0x1a is none */
	{{INTEL}, 0x00000f29, 0x05, 0, 0, true, false},    /* family 15 */
	{{AMD}, 0x00800f11, 0x0d, 0, 0, false, false},
	{{HYGON}, 0x00900f02, 0x0d, 0, 0, false, false},
	{{OTHER}, 0x000006fe, 0x0d, 0, 0, true, false},
};

static void decide(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		struct kaiser_policy p;
		host_init(1);
		host_set_cpuid(0, cpus[i].max_leaf, cpus[i].vendor[0], cpus[i].vendor[1],
			       cpus[i].vendor[2]);
		host_set_cpuid(1, cpus[i].family, 0, 0, 0);
		host_set_cpuid(7, 0, 0, 0, cpus[i].leaf7_edx);
		host.cpus[0].arch_caps = cpus[i].arch_caps;
		kaiser_policy_decide(&p, KAISER_AUTO);
		if (p.meltdown != cpus[i].meltdown || p.isolate != cpus[i].meltdown ||
		    p.verw != cpus[i].verw || p.asked != KAISER_AUTO)
			fail_msg("CPU %u: %s", i, p.reason);
		assert_true(strlen(p.reason) > 10);
		kaiser_policy_decide(&p, KAISER_ON);
		assert_true(p.isolate && p.asked == KAISER_ON);
		assert_int_equal(p.meltdown, cpus[i].meltdown);
		kaiser_policy_decide(&p, KAISER_OFF);
		assert_true(!p.isolate && p.asked == KAISER_OFF);
		assert_int_equal(p.meltdown, cpus[i].meltdown);
	}
	host_free();
}

static void errors_have_sentences(void **state)
{
	static const int codes[] = {KAISER_OK,
				    KAISER_E_ARG,
				    KAISER_E_STATE,
				    KAISER_E_FOREIGN,
				    KAISER_E_KERNEL_HALF,
				    KAISER_E_NOMEM,
				    KAISER_E_MAP,
				    KAISER_E_FRED,
				    KAISER_E_GUEST,
				    KAISER_E_SSS,
				    KAISER_E_XENPV,
				    KAISER_E_PCID,
				    -99};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(kaiser_strerror(codes[i]),
						kaiser_strerror(codes[j]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(decide),
		cmocka_unit_test(errors_have_sentences),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
