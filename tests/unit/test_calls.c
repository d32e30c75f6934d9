/* SPDX-License-Identifier: MIT */
/* SRC: kaiser/src/calls.c */
/* CFLAGS: -DKAISER_FAKE_HW -Ikaiser/include -Ikaiser/src -pthread */
/* CFLAGS: -include sched.h -D__builtin_ia32_pause=sched_yield */
/* LIBS: -lcmocka */
/* kaiser_call_cpus() between threads that stand for CPUs: an interrupt is a flag that a CPU looks
 * at when its interrupts are on, so one that waits with them off is reached only by what it serves
 * itself. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "internal.h"

enum { CPUS = 4, CALLS = 500 };

static struct kaiser_cpu cpu[CPUS];
static bool pending[CPUS], leaving;
static unsigned ran[CPUS], wrong, finished, sent;
static _Thread_local unsigned self;
static _Thread_local bool irq_on;

static void interrupt(void *ctx, uint64_t mask)
{
	assert_ptr_equal(ctx, NULL);
	for (unsigned i = 0; i < CPUS; i++)
		if (i != self) /* whoever is not asked gets one too */
			__atomic_store_n(&pending[i], true, __ATOMIC_SEQ_CST);
	if (!mask || mask >> self & 1 || irq_on)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&sent, 1, __ATOMIC_SEQ_CST);
}

static const struct kaiser_ops ops = {.interrupt_cpus = interrupt};
static struct kaiser k = {.cfg.ops = &ops};

struct kaiser_cpu *hw_this_cpu(void)
{
	return &cpu[self];
}

uint64_t hw_irq_save(void)
{
	bool was = irq_on;

	irq_on = false;
	return was;
}

void hw_irq_restore(uint64_t flags)
{
	irq_on = flags;
}

static void look(void)
{
	if (irq_on && __atomic_exchange_n(&pending[self], false, __ATOMIC_SEQ_CST)) {
		irq_on = false;
		kaiser_serve_call(&k);
		irq_on = true;
	}
}

static void count(void *arg)
{
	if (irq_on || !(__atomic_load_n(&k.live, __ATOMIC_SEQ_CST) >> self & 1))
		__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
	ran[self]++;
	__atomic_add_fetch((unsigned *)arg, 1, __ATOMIC_SEQ_CST);
}

/* Out and in again, as kaiser_cpu_leave() and kaiser_cpu_enter() do it, by way of INIT: an
 * interrupt that comes meanwhile is lost. */
static void leave_and_enter(void)
{
	irq_on = false;
	__atomic_and_fetch(&k.live, ~(UINT64_C(1) << self), __ATOMIC_SEQ_CST);
	sched_yield();
	__atomic_store_n(&pending[self], false, __ATOMIC_SEQ_CST);
	kaiser_call_pass_by(&k, UINT64_C(1) << self);
	__atomic_or_fetch(&k.live, UINT64_C(1) << self, __ATOMIC_SEQ_CST);
	irq_on = true;
}

/* Calls CPUs, itself among them, every second time with interrupts off. */
static void *body(void *arg)
{
	self = (unsigned)(uintptr_t)arg;
	irq_on = true;
	for (unsigned i = 0; i < CALLS; i++) {
		uint64_t mask = i % ((1u << CPUS) - 1) + 1;
		unsigned met = 0, want = (unsigned)__builtin_popcountll(mask);
		bool off = i & 1;

		irq_on = !off;
		kaiser_call_cpus(&k, mask, count, &met);
		if ((leaving ? met > want : met != want) || irq_on == off)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
		irq_on = true;
		look();
		sched_yield();
		if (leaving && i % 16 == 0)
			leave_and_enter();
	}
	__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < CPUS) {
		look();
		sched_yield();
	}
	return NULL;
}

/* Returns how often anybody ran it. */
static unsigned all_call(void)
{
	pthread_t t[CPUS];
	unsigned got = 0;

	k.live = (1u << CPUS) - 1;
	finished = wrong = 0;
	for (unsigned i = 0; i < CPUS; i++)
		ran[i] = 0;
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, body, (void *)(uintptr_t)i), 0);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(t[i], NULL);
	for (unsigned c = 0; c < CPUS; c++)
		got += ran[c];
	assert_int_equal(wrong, 0);
	assert_int_equal(k.call.waiting | k.call.asked | k.call.busy, 0);
	return got;
}

static void all_call_each_other(void **state)
{
	unsigned want = 0;

	(void)state;
	for (unsigned i = 0; i < CALLS; i++)
		want += CPUS * (unsigned)__builtin_popcount(i % ((1u << CPUS) - 1) + 1);
	assert_int_equal(all_call(), want);
}

static void cpus_leave_meanwhile(void **state)
{
	unsigned ran_it;

	(void)state;
	leaving = true;
	ran_it = all_call();
	/* It is in about half of its own masks, and most of the others are there. */
	assert_in_range(ran_it, CALLS * CPUS, CALLS * CPUS * CPUS);
	leaving = false;
}

static void interrupt_and_go(void *ctx, uint64_t mask)
{
	(void)ctx;
	(void)mask;
	sent++;
	__atomic_and_fetch(&k.live, ~UINT64_C(2), __ATOMIC_SEQ_CST); /* CPU 1 is gone */
}

static void who_left_is_passed_by(void **state)
{
	static const struct kaiser_ops go = {.interrupt_cpus = interrupt_and_go};
	unsigned met = 0;

	(void)state;
	self = 0;
	irq_on = true;
	sent = wrong = 0;
	k.cfg.ops = &go;
	k.live = 3;
	kaiser_call_cpus(&k, 3, count, &met); /* it leaves before its interrupt */
	assert_int_equal(met, 1);
	assert_int_equal(sent, 1);
	kaiser_call_cpus(&k, 14, count, &met); /* it and two that never entered */
	assert_int_equal(met, 1);
	assert_int_equal(sent, 1);
	self = 1; /* back, and its interrupt comes now */
	k.live = 3;
	irq_on = false;
	kaiser_serve_call(&k);
	assert_int_equal(met, 1);
	assert_int_equal(wrong, 0);
	k.cfg.ops = &ops;
}

static bool ended;

/* As a host takes a CPU out by a call: it is gone from `live` before its part has ended. */
static void leave_slowly(void *arg)
{
	(void)arg;
	__atomic_and_fetch(&k.live, ~(UINT64_C(1) << self), __ATOMIC_SEQ_CST);
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	__atomic_store_n(&ended, true, __ATOMIC_SEQ_CST);
}

static void *served(void *arg)
{
	self = 1;
	irq_on = true;
	while (!__atomic_load_n((bool *)arg, __ATOMIC_SEQ_CST)) {
		look();
		sched_yield();
	}
	return NULL;
}

static void who_has_begun_is_waited_for(void **state)
{
	pthread_t t;

	(void)state;
	self = 0;
	irq_on = true;
	k.live = 3;
	assert_int_equal(pthread_create(&t, NULL, served, &ended), 0);
	kaiser_call_cpus(&k, 2, leave_slowly, NULL);
	assert_true(__atomic_load_n(&ended, __ATOMIC_SEQ_CST));
	pthread_join(t, NULL);
}

static void nobody_is_called(void **state)
{
	unsigned met = 0;

	(void)state;
	self = 0;
	irq_on = true;
	wrong = sent = 0;
	k.live = 3;
	kaiser_call_cpus(&k, 0, count, &met);
	kaiser_call_cpus(&k, 1, count, &met); /* itself alone */
	assert_int_equal(met, 1);
	assert_int_equal(sent, 0);
	assert_true(irq_on);
	met = 0;
	irq_on = false;
	kaiser_serve_call(&k); /* an interrupt without a call */
	assert_int_equal(met, 0);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_call_each_other),
		cmocka_unit_test(cpus_leave_meanwhile),
		cmocka_unit_test(who_left_is_passed_by),
		cmocka_unit_test(nobody_is_called),
		cmocka_unit_test(who_has_begun_is_waited_for),
	};

	for (unsigned i = 0; i < CPUS; i++)
		cpu[i].number = i;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
