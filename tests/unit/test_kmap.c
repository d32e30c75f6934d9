/* SPDX-License-Identifier: MIT */
/*
 * A host without map and unmap hooks: the library writes the window into the host's kernel half.
 * With four and five levels; with every allocation failing in turn; with what it must not touch in
 * its way.
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

enum { CPUS = 2 };

static struct kaiser_ops ops;

static void start(bool five_levels)
{
	host_init(CPUS);
	if (five_levels)
		host_five_levels();
	memset(host.kernel_top, 0, 4096); /* no tables at all */
	ops = *host.cfg.ops;
	ops.map = NULL;
	ops.unmap = NULL;
	host.cfg.ops = &ops;
	host.cfg.extra_pages = 8;
}

/* The entry of the host's for va at that level (0: the leaf), NULL if no table leads there. */
static uint64_t *entry(uint64_t va, unsigned level)
{
	uint64_t *t = host.kernel_top;

	for (unsigned l = host.five_levels ? 4 : 3; l > level; l--) {
		uint64_t e = t[va >> (12 + 9 * l) & 511];
		if (!(e & PTE_P) || e & PTE_PS)
			return NULL;
		t = (uint64_t *)(e & PTE_ADDR);
	}
	return &t[va >> (12 + 9 * level) & 511];
}

static unsigned pages_of_window(void)
{
	unsigned n = 0;

	for (uint64_t va = HOST_WINDOW; va < HOST_WINDOW + kaiser_window_bytes_for(CPUS, 8);
	     va += 4096) {
		const uint64_t *e = entry(va, 0);
		n += e && *e & PTE_P;
	}
	return n;
}

static void line(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static void it_works(void **state)
{
	const uint64_t leaf = PTE_P | PTE_A | PTE_D;
	uint64_t at, *page;

	(void)state;
	for (unsigned five = 0; five < 2; five++) {
		start(five);
		host_enter_all(CPUS, KAISER_ON);
		assert_int_equal(host.maps, 0);
		assert_int_equal(*entry(HOST_WINDOW, 0), (uint64_t)host.k.idt | leaf | PTE_NX);
		assert_int_equal(*entry(HOST_WINDOW + 0x1000, 0),
				 (uint64_t)host.k.text_kernel | leaf);
		assert_int_equal(*entry((uint64_t)host.k.cpu[1]->self, 0),
				 (uint64_t)host.k.cpu[1] | leaf | PTE_W | PTE_NX);
		for (unsigned level = 1; level < (five ? 5u : 4u); level++)
			assert_int_equal(*entry(HOST_WINDOW, level) & 0xfff, PTE_P | PTE_W | PTE_A);
		assert_int_equal(kaiser_verify(&host.k, line, NULL), 0);

		/* In, out everywhere, and in again at the same place. */
		page = host_page(0);
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(kaiser_extra_add(&host.k, 1, page, 1, KAISER_PROT_W, &at),
					 0);
			assert_int_equal(*entry(at, 0), (uint64_t)page | leaf | PTE_W | PTE_NX);
			host_forget_flushes();
			assert_int_equal(kaiser_extra_remove(&host.k, 1, at), 0);
			assert_int_equal(*entry(at, 0), 0);
			for (unsigned cpu = 0; cpu < CPUS; cpu++)
				assert_int_equal(host.cpus[cpu].invlpg[0], at);
		}
	}
	host_free();
}

static void memory_runs_out(void **state)
{
	unsigned n, before;

	(void)state;
	for (n = 1;; n++) {
		start(false);
		host.fail_alloc = n;
		if (!kaiser_init(&host.k, &host.cfg))
			break;
		assert_int_equal(pages_of_window(), 0);
		assert_true(host.pages_live <= 3); /* tables */
		host.fail_alloc = 0;
		assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
		assert_int_equal(pages_of_window(), 4);
	}
	assert_int_equal(n, 6 + 3 + 1); /* its own pages, three tables */
	before = pages_of_window();
	for (n = 1;; n++) {
		start(false);
		assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
		assert_int_equal(kaiser_cpu_prepare(&host.k, 0), 0);
		assert_int_equal(kaiser_cpu_enter(&host.k, 0, 0x5550), 0);
		before = pages_of_window();
		host.fail_alloc = host.allocs + n;
		if (!kaiser_cpu_prepare(&host.k, 1))
			break;
		assert_int_equal(pages_of_window(), before);
		host.fail_alloc = 0;
		assert_int_equal(kaiser_cpu_prepare(&host.k, 1), 0);
	}
	assert_true(n > 10);
	host_free();
}

/* Something at va, whose way there the host has made with these bits at `level`. */
static void in_the_way(uint64_t va, unsigned level, uint64_t bits)
{
	uint64_t *t = host.kernel_top, *page = host_page(0);

	for (unsigned l = 3; l > level; l--) {
		uint64_t *e = &t[va >> (12 + 9 * l) & 511];
		if (!*e)
			*e = (uint64_t)host_page(0) | PTE_P | PTE_W;
		t = (uint64_t *)(*e & PTE_ADDR);
	}
	t[va >> (12 + 9 * level) & 511] = (uint64_t)page | bits;
}

static void something_is_in_the_way(void **state)
{
	static const struct {
		unsigned level;
		uint64_t bits;
	} what[] = {
		{0, PTE_P},
		{1, PTE_P | PTE_W | PTE_PS},
		{2, PTE_P | PTE_W | PTE_PS},
		{1, PTE_P}, /* what is below could not be written */
		{2, PTE_P | PTE_W | PTE_NX},
		{3, PTE_P | PTE_W | PTE_NX},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		uint64_t was;
		start(false);
		in_the_way(HOST_WINDOW + 0x1000, what[i].level, what[i].bits);
		was = *entry(HOST_WINDOW + 0x1000, what[i].level);
		assert_int_equal(kaiser_init(&host.k, &host.cfg), KAISER_E_MAP);
		assert_int_equal(*entry(HOST_WINDOW + 0x1000, what[i].level), was);
		assert_int_equal(host.pages_live, 0); /* the host's tables sufficed */
		if (!what[i].level) { /* the IDT's page was in by then, and is out again */
			assert_int_equal(*entry(HOST_WINDOW, 0), 0);
			assert_int_equal(host.cpus[0].invlpg[0], HOST_WINDOW);
		}
		*entry(HOST_WINDOW + 0x1000, what[i].level) = 0;
		assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
	}
	host_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_works),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(something_is_in_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
