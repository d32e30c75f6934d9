/* SPDX-License-Identifier: MIT */
/*
 * Root pairs on model CPUs: what goes into which root, recycling, changes while CPUs run a space,
 * eviction, foreign tables, leaving, flushes; then random sequences of all of it against a model.
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

#define CPUS   4
#define SPACES 12

static struct kaiser_space sp[SPACES];

static uint64_t user_entry(void)
{
	return (uint64_t)host.kernel_top | 0x67;
}

static void on(unsigned cpu, struct kaiser_space *s)
{
	host.cpu = cpu;
	kaiser_space_switch(&host.k, s);
	host.cpu = 0;
}

static bool with_pcid;

static void start(unsigned cpus, enum kaiser_mode mode)
{
	host_init(cpus);
	if (with_pcid)
		host_give_pcid(true);
	host_enter_all(cpus, mode);
	for (unsigned i = 0; i < SPACES; i++)
		assert_int_equal(kaiser_space_init(&host.k, &sp[i], host_page(0)), 0);
	host_forget_flushes();
}

static unsigned slot_of(unsigned cpu, const struct kaiser_space *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < host.k.cpu[cpu]->slots; i++)
		n += host.k.cpu[cpu]->slot[i].space_id == s->id;
	assert_true(n <= 1);
	return n;
}

static void arguments(void **state)
{
	struct kaiser_space s;

	(void)state;
	start(1, KAISER_ON);
	assert_int_equal(kaiser_space_init(NULL, &s, sp[0].top), KAISER_E_ARG);
	assert_int_equal(kaiser_space_init(&host.k, NULL, sp[0].top), KAISER_E_ARG);
	assert_int_equal(kaiser_space_init(&host.k, &s, NULL), KAISER_E_ARG);
	assert_int_equal(kaiser_space_init(&host.k, &s, sp[0].top + 1), KAISER_E_ARG);
	assert_int_equal(kaiser_space_set_top(&sp[0], 256, 7), KAISER_E_ARG);
	for (unsigned i = 1; i < SPACES; i++)
		assert_int_not_equal(sp[i].id, sp[i - 1].id);
	host_free();
}

/* What each root gets of a user entry and of a supervisor one. */
static void poison(void **state)
{
	uint64_t *pair, kernel_half;

	(void)state;
	for (unsigned mode = 0; mode < 3; mode++) { /* isolated; without NX; not isolated */
		host_init(1);
		host.cfg.mode = mode == 2 ? KAISER_OFF : KAISER_ON;
		host.cpus[0].efer = mode == 1 ? 0 : EFER_NXE;
		assert_int_equal(kaiser_init(&host.k, &host.cfg), 0);
		assert_int_equal(kaiser_cpu_prepare(&host.k, 0), 0);
		assert_int_equal(kaiser_cpu_enter(&host.k, 0, 0x1000), 0);
		assert_int_equal(kaiser_space_init(&host.k, &sp[0], host_page(0)), 0);
		kaiser_space_set_top(&sp[0], 5, user_entry());
		kaiser_space_set_top(&sp[0], 6, user_entry() & ~PTE_U);
		kaiser_space_set_top(&sp[0], 7, 0x1234000); /* not present */
		kaiser_space_switch(&host.k, &sp[0]);
		pair = host_pair(0);
		assert_int_equal(pair[5], user_entry() | (mode == 0 ? PTE_NX : 0));
		assert_int_equal(pair[512 + 5], user_entry());
		assert_int_equal(pair[6], user_entry() & ~PTE_U);
		assert_int_equal(pair[512 + 6], 0);
		assert_int_equal(pair[7], 0);
		assert_int_equal(pair[512 + 7], 0);
		assert_int_equal(host.k.cpu[0]->exit_cr3,
				 (uint64_t)pair | (mode == 2 ? 0 : KAISER_SWITCH_BIT));
		/* The kernel half: the host's in the kernel root, the window's one entry in the
		 * user root, and those two lead to different tables. */
		kernel_half = HOST_WINDOW >> 39 & 511;
		assert_memory_equal(&pair[256], &host.kernel_top[256], 2048);
		for (unsigned i = 256; i < 512; i++)
			if (i != kernel_half)
				assert_int_equal(pair[512 + i], 0);
		assert_int_not_equal(pair[512 + kernel_half] & PTE_ADDR, 0);
		assert_int_not_equal(pair[512 + kernel_half] & PTE_ADDR,
				     pair[kernel_half] & PTE_ADDR);
	}
	host_free();
}

static void recycling(void **state)
{
	struct kaiser_stats st;

	(void)state;
	start(1, KAISER_ON);
	kaiser_space_set_top(&sp[0], 1, user_entry());
	kaiser_space_set_top(&sp[1], 2, user_entry());
	kaiser_space_set_top(&sp[2], 3, user_entry());
	for (unsigned i = 0; i < 9; i++) {
		uint64_t *pair;
		on(0, &sp[i % 3]);
		pair = host_pair(0);
		for (unsigned j = 0; j < 256; j++) /* no entry of the slot's former space */
			assert_int_equal(pair[512 + j], j == i % 3 + 1 ? user_entry() : 0);
	}
	on(0, &sp[1]);
	on(0, &sp[0]);
	kaiser_stats(&host.k, &st);
	assert_int_equal(st.switches, 11 + 1); /* one by kaiser_cpu_enter() */
	host_forget_flushes();
	on(0, &sp[0]); /* loaded: nothing to do */
	assert_int_equal(host.cpus[0].cr3_writes, 0);
	on(0, &sp[1]); /* held: no copy, one write */
	assert_int_equal(host.cpus[0].cr3_writes, 1);
	host_free();
}

/* A space that a slot only holds catches up at the next switch. */
static void held_space_catches_up(void **state)
{
	(void)state;
	start(2, KAISER_ON);
	on(0, &sp[0]);
	on(0, &sp[1]);
	host.cpu = 1;
	kaiser_space_set_top(&sp[0], 9, user_entry());
	assert_int_equal(host.ipis, 0);
	on(0, &sp[0]);
	assert_int_equal(host_pair(0)[512 + 9], user_entry());
	on(0, &sp[1]);
	host.cpu = 1;
	kaiser_space_set_top(&sp[0], 9, 0);
	on(0, &sp[0]);
	assert_int_equal(host_pair(0)[512 + 9], 0);
	host_free();
}

static void set_top_reaches_all(void **state)
{
	(void)state;
	start(CPUS, KAISER_ON);
	for (unsigned i = 0; i < 3; i++)
		on(i, &sp[0]);
	on(3, &sp[1]);
	host_forget_flushes();
	kaiser_space_set_top(&sp[0], 200, user_entry()); /* adding flushes nothing */
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(host_pair(i)[512 + 200], i < 3 ? user_entry() : 0);
		assert_int_equal(host.cpus[i].cr3_writes, 0);
	}
	assert_int_equal(host.ipis, 2);
	kaiser_space_set_top(&sp[0], 200, user_entry() & ~PTE_W); /* a change does */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(host_pair(i)[512 + 200], user_entry() & ~PTE_W);
		assert_int_equal(host.cpus[i].cr3_writes, 1);
	}
	kaiser_space_set_top(&sp[0], 200, user_entry() & ~PTE_W); /* the same again does not */
	assert_int_equal(host.cpus[1].cr3_writes, 1);
	kaiser_space_set_top(&sp[0], 200, user_entry() & ~PTE_U); /* for the kernel alone now */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(host_pair(i)[200], user_entry() & ~PTE_U);
		assert_int_equal(host_pair(i)[512 + 200], 0);
	}
	kaiser_space_set_top(&sp[0], 200, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(host_pair(i)[200], 0);
		assert_int_equal(host.cpus[i].cr3_writes, 3);
	}
	assert_int_equal(host.cpus[3].cr3_writes, 0);
	assert_int_equal(sp[0].used[3], 0);
	host_free();
}

static void eviction(void **state)
{
	(void)state;
	start(CPUS, KAISER_ON);
	kaiser_space_set_top(&sp[0], 1, user_entry());
	on(0, &sp[0]);
	on(1, &sp[0]);
	on(1, &sp[1]); /* CPU 1 holds it only */
	on(2, &sp[2]);
	assert_int_equal(sp[0].cpus, 3);
	assert_int_equal(sp[0].active, 1);
	kaiser_space_evict(&sp[0]);
	assert_int_equal(sp[0].cpus, 0);
	assert_int_equal(sp[0].active, 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(slot_of(i, &sp[0]), 0);
	assert_int_equal(host_pair(0)[512 + 1], 0); /* the empty space */
	assert_int_equal(slot_of(0, &host.k.empty), 1);
	assert_int_equal(slot_of(1, &sp[1]), 1);
	host_free();
}

static void foreign_tables(void **state)
{
	uint64_t *table = host_page(1);

	(void)state;
	start(2, KAISER_ON);
	on(0, &sp[0]);
	assert_int_equal(kaiser_load_foreign(&host.k, (uint64_t)table | 0x1000), KAISER_E_FOREIGN);
	assert_int_not_equal(host.cpus[0].cr3, (uint64_t)table | 0x1000);
	assert_int_equal(slot_of(0, &sp[0]), 1);
	host_free();
	start(2, KAISER_ON);
	table = host_page(1);
	on(0, &sp[0]);
	assert_int_equal(kaiser_load_foreign(&host.k, (uint64_t)table), 0);
	assert_int_equal(host.cpus[0].cr3, (uint64_t)table);
	assert_int_equal(sp[0].active, 0);
	kaiser_space_set_top(&sp[0], 1, user_entry()); /* does not load anything */
	kaiser_flush_space(&sp[0], true);
	assert_int_equal(host.cpus[0].cr3, (uint64_t)table);
	on(0, NULL); /* and back, to the empty space as well */
	assert_int_not_equal(host.cpus[0].cr3, (uint64_t)table);
	assert_int_equal(kaiser_load_foreign(&host.k, 0), 0);
	assert_int_equal(host.cpus[0].cr3, (uint64_t)host.kernel_top);
	on(0, &sp[0]);
	assert_int_equal(host_pair(0)[512 + 1], user_entry());
	host_free();
}

static void leaving(void **state)
{
	(void)state;
	start(2, KAISER_ON);
	on(1, &sp[0]);
	on(1, &sp[1]);
	host.cpu = 1;
	kaiser_cpu_leave(&host.k);
	assert_int_equal(host.k.live, 1);
	assert_int_equal(sp[0].cpus | sp[1].cpus | sp[0].active | sp[1].active, 0);
	assert_int_equal(host.k.empty.cpus, 1);
	assert_int_equal(host.k.empty.active, 1);
	host.cpu = 0;
	kaiser_space_set_top(&sp[1], 4, user_entry()); /* asks nobody */
	kaiser_flush_all(&host.k);
	kaiser_space_evict(&sp[1]);
	host.cpu = 1;
	assert_int_equal(kaiser_cpu_enter(&host.k, 1, 0x2000), 0);
	on(1, &sp[1]);
	assert_int_equal(host_pair(1)[512 + 4], user_entry());
	host_free();
}

/* ---- flushes ---- */

static void flush_lists(void **state)
{
	struct kaiser_stats st;

	(void)state;
	start(CPUS, KAISER_ON);
	on(0, &sp[0]);
	on(1, &sp[0]);
	on(2, &sp[1]);
	host_forget_flushes();
	kaiser_flush_page(&sp[0], 0x401234);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(host.cpus[i].invlpgs, i < 2);
	assert_int_equal(host.cpus[1].invlpg[0], 0x401000);
	assert_int_equal(host.ipis, 1);

	host_forget_flushes();
	kaiser_flush_range(&sp[0], 0x1000, 0x1000, false);
	kaiser_flush_range(&sp[0], 0x2000, 0x1000, false);
	assert_int_equal(host.cpus[0].invlpgs + host.ipis + host.cpus[0].cr3_writes, 0);
	kaiser_flush_range(&sp[0], 0x400000, 0x403000, false);
	assert_int_equal(host.cpus[1].invlpgs, 3);
	assert_int_equal(host.cpus[1].invlpg[2], 0x402000);

	host_forget_flushes();
	kaiser_flush_range(&sp[0], 0x400000, 0x401000, true);
	kaiser_flush_range(&sp[0], 0, 0x1000 * 1000, false); /* too many: all */
	kaiser_flush_space(&sp[0], false);
	assert_int_equal(host.cpus[0].invlpgs, 0);
	assert_int_equal(host.cpus[0].cr3_writes, 3);
	assert_int_equal(host.cpus[1].cr3_writes, 3);
	assert_int_equal(host.cpus[2].cr3_writes, 0);

	host_forget_flushes();
	kaiser_flush_kernel(&host.k, HOST_WINDOW, HOST_WINDOW + 0x2000);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(host.cpus[i].invlpgs, 2);
	kaiser_flush_kernel(&host.k, HOST_WINDOW, HOST_WINDOW);
	kaiser_flush_all(&host.k);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(host.cpus[i].invlpgs, 2);
		assert_int_equal(host.cpus[i].cr3_writes, 1);
		assert_int_equal(host.cpus[i].cr3, (uint64_t)host_pair(i)); /* the same root */
	}
	kaiser_stats(&host.k, &st);
	assert_true(st.flush_pages >= 12 && st.flush_full >= 8 && st.flush_ipis > 0);
	host_free();
}

/* What user mode could read of the former space's registers goes with the space. */
static void wiping(void **state)
{
	struct kaiser_cpu *c;
	uint64_t *entry;

	(void)state;
	start(1, KAISER_ON);
	c = host.k.cpu[0];
	entry = c->page[KAISER_CPU_ENTRY / KAISER_PAGE_SIZE];
	on(0, &sp[0]);
	entry[KAISER_SCRATCH_SP / 8] = entry[KAISER_SCRATCH_DI / 8] = 0x5555;
	entry[KAISER_ENTRY_STACK_TOP / 8 - 1] = entry[KAISER_ENTRY_STACK_TOP / 8 - 20] = 0x5555;
	entry[KAISER_IST_MC_TOP / 8 - 1] = entry[KAISER_IST_NMI_TOP / 8 - 1] = 0x5555;
	c->wipe_at_switch = 1 << KAISER_IST_MC;
	on(0, &sp[0]);
	assert_int_equal(entry[KAISER_SCRATCH_SP / 8], 0x5555);
	on(0, &sp[1]);
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(entry[i], i == KAISER_IST_NMI_TOP / 8 - 1 ? 0x5555 : 0);
	assert_int_equal(c->wipe_at_switch, 0);
	c->wipe = 1 << KAISER_IST_NMI;
	kaiser_exit_work(&(struct pt_regs){0});
	assert_int_equal(entry[KAISER_IST_NMI_TOP / 8 - 1], 0);
	assert_int_equal(c->wipe, 0);
	host_free();
}

/* ---- random sequences ---- */

static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 20) % n);
}

static int runs[CPUS]; /* the space; -1: the empty one */
static bool foreign[CPUS], gone[CPUS];

static bool isolated(const struct kaiser_space *s)
{
	return host.k.policy.isolate && !s->opted_out;
}

static void check_cpu(unsigned cpu)
{
	struct kaiser_cpu *c = host.k.cpu[cpu];
	const uint64_t *pair = c->slot[c->loaded].root;
	struct kaiser_space *s = runs[cpu] < 0 ? &host.k.empty : &sp[runs[cpu]];

	assert_int_equal(host.k.live >> cpu & 1, !gone[cpu]);
	if (gone[cpu])
		return;
	assert_int_equal(c->slot[c->loaded].space_id, s->id);
	assert_true(s->active >> cpu & 1);
	assert_true(s->cpus >> cpu & 1);
	if (!foreign[cpu]) /* else it is turned when it comes back */
		assert_int_equal(c->exit_cr3 & PTE_ADDR,
				 c->slot[c->loaded].pa | (isolated(s) ? KAISER_SWITCH_BIT : 0));
	assert_int_equal(c->slot[c->loaded].seq & 1, 0);
	if (foreign[cpu])
		assert_int_equal(host.cpus[cpu].cr3, (uint64_t)host.kernel_top);
	else
		assert_int_equal(host.cpus[cpu].cr3 & PTE_ADDR, c->slot[c->loaded].pa);
	for (unsigned i = 0; i < 256; i++) {
		uint64_t e = s->top[i] & PTE_P ? s->top[i] : 0;
		bool user = e & PTE_U;
		if ((pair[i] != (user && isolated(s) ? e | PTE_NX : e) && !foreign[cpu]) ||
		    pair[512 + i] != (user ? e : 0))
			fail_msg("CPU %u: entry %u is out of date", cpu, i);
	}
}

static void check_space(unsigned i)
{
	uint64_t active = 0, cpus = 0;

	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		active |= (uint64_t)(!gone[cpu] && runs[cpu] == (int)i) << cpu;
		cpus |= (uint64_t)slot_of(cpu, &sp[i]) << cpu;
	}
	assert_int_equal(sp[i].active, active);
	assert_int_equal(sp[i].cpus, cpus);
}

static uint64_t random_entry(void)
{
	uint64_t frame = (uint64_t)rnd(1000) << 12;

	switch (rnd(4)) {
	case 0:
		return rnd(2) ? 0 : frame; /* not present, zero or not */
	case 1:
		return frame | PTE_P | PTE_W;
	default:
		return frame | PTE_P | PTE_W | PTE_U | (rnd(2) ? PTE_A : 0);
	}
}

static void change(unsigned cpu, struct kaiser_space *s)
{
	unsigned index = rnd(8) ? rnd(6) * 51 : rnd(256);
	uint64_t old = s->top[index], entry = random_entry();
	unsigned before[CPUS];

	for (unsigned i = 0; i < CPUS; i++)
		before[i] = host.cpus[i].cr3_writes;
	host.cpu = cpu;
	assert_int_equal(kaiser_space_set_top(s, index, entry), 0);
	for (unsigned i = 0; i < CPUS; i++)
		if (!gone[i] && s == &sp[runs[i] < 0 ? 0 : runs[i]] && runs[i] >= 0 &&
		    !foreign[i] && (old & PTE_P) && old != entry)
			assert_int_not_equal(host.cpus[i].cr3_writes, before[i]);
}

static void step(void)
{
	unsigned cpu = rnd(CPUS), n = rnd(SPACES);
	struct kaiser_space *s = &sp[n];

	while (gone[cpu] && rnd(4)) {
		host.cpu = cpu;
		assert_int_equal(kaiser_cpu_enter(&host.k, cpu, 0x1000), 0);
		gone[cpu] = foreign[cpu] = false;
		runs[cpu] = -1;
	}
	if (gone[cpu])
		return;
	host.cpu = cpu;
	switch (rnd(40)) {
	case 0: /* dies; another takes its place */
		kaiser_space_evict(s);
		for (unsigned i = 0; i < CPUS; i++) {
			assert_int_equal(slot_of(i, s), 0);
			if (runs[i] == (int)n)
				runs[i] = -1;
		}
		memset(s->top, 0, 2048);
		assert_int_equal(kaiser_space_init(&host.k, s, s->top), 0);
		break;
	case 1:
		assert_int_equal(kaiser_load_foreign(&host.k, 0), 0);
		foreign[cpu] = true;
		runs[cpu] = -1;
		break;
	case 2:
		kaiser_cpu_leave(&host.k);
		gone[cpu] = true;
		runs[cpu] = -1;
		break;
	case 3:
		kaiser_flush_range(s, 0x1000, 0x1000u * (2 + rnd(60)), rnd(2));
		break;
	case 5:
		kaiser_set_mode(&host.k, rnd(2) ? KAISER_ON : KAISER_OFF);
		break;
	case 6:
		kaiser_space_isolate(s, rnd(2));
		break;
	case 4:
		kaiser_space_switch(&host.k, NULL);
		foreign[cpu] = false;
		runs[cpu] = -1;
		break;
	default:
		if (rnd(2)) {
			kaiser_space_switch(&host.k, s);
			foreign[cpu] = false;
			runs[cpu] = (int)n;
		} else {
			change(cpu, s);
		}
	}
}

static void random_sequences(void **state)
{
	const char *s = getenv("SEED"), *count = getenv("STEPS");
	unsigned steps = count ? (unsigned)atoi(count) : 200000;

	seed = s ? strtoull(s, NULL, 0) : 0x726f6f74;
	with_pcid = *state;
	start(CPUS, KAISER_ON);
	for (unsigned i = 0; i < CPUS; i++) {
		runs[i] = -1;
		foreign[i] = gone[i] = false;
	}
	for (unsigned i = 0; i < steps; i++) {
		step();
		for (unsigned cpu = 0; cpu < CPUS; cpu++)
			check_cpu(cpu);
		check_space(i % SPACES);
	}
	host_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments),
		cmocka_unit_test(poison),
		cmocka_unit_test(recycling),
		cmocka_unit_test(held_space_catches_up),
		cmocka_unit_test(set_top_reaches_all),
		cmocka_unit_test(eviction),
		cmocka_unit_test(foreign_tables),
		cmocka_unit_test(leaving),
		cmocka_unit_test(flush_lists),
		cmocka_unit_test(wiping),
		cmocka_unit_test(random_sequences),
		cmocka_unit_test_prestate(random_sequences, &with_pcid),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
