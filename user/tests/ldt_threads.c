/* SPDX-License-Identifier: MIT */
/* One LDT, two threads: a change reaches the CPU on which the other one runs before the call that
 * makes it returns, and no thread meets a selector that is half changed. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "ktap.h"
#include "ldt.h"

enum { ENTRY = 40, ROUNDS = 400 };

static const uint32_t word[2][1] = {{100}, {101}};
static atomic_uint asked, answered, stop;
static atomic_uint value;

static uint32_t read_gs(void)
{
	uint32_t v;

	__asm__ volatile("movl %1, %%gs; movl %%gs:0, %0; movl %2, %%gs"
			 : "=&r"(v)
			 : "r"((uint32_t)SEL(ENTRY)), "r"(0)
			 : "memory");
	return v;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *reader(void *arg)
{
	pin((unsigned)(uintptr_t)arg);
	while (!stop) {
		unsigned n = asked;

		if (n == answered) {
			sched_yield();
			continue;
		}
		value = read_gs();
		answered = n;
	}
	return NULL;
}

/* Reads all the time, whatever the other does. */
static void *busy(void *arg)
{
	unsigned *bad = arg;

	while (!stop) {
		uint32_t v = read_gs();

		*bad += v != 100 && v != 101;
		sched_yield();
	}
	return NULL;
}

void ldt_threads(void)
{
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN), wrong = 0, bad = 0;
	pthread_t a, b;

	ldt_set(ENTRY, (uint32_t)(uintptr_t)word[0], 3, SEG_32BIT | SEG_READ_EXEC_ONLY);
	pin(0);
	pthread_create(&a, NULL, reader, (void *)(uintptr_t)(cpus - 1));
	pthread_create(&b, NULL, busy, &bad);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		ldt_set(ENTRY, (uint32_t)(uintptr_t)word[i & 1], 3, SEG_32BIT | SEG_READ_EXEC_ONLY);
		asked = i;
		while (answered != i)
			sched_yield();
		wrong += value != 100 + (i & 1);
	}
	stop = 1;
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	CHECK(wrong == 0, "%u changes, each seen by a thread on another CPU (%u CPUs)", ROUNDS,
	      cpus);
	CHECK(bad == 0, "and none half done");
}
