/* SPDX-License-Identifier: MIT */
/* SRC: user/bench/bench.c user/bench/calls.c user/bench/memory.c user/bench/process.c
 * user/bench/switch.c user/bench/event.c */
/*
 * /init of the guests of kaiser bench: each operation often enough to be warm, then some times
 * between marks. Arguments: ops=NAME,NAME... reps=N procs=N (so many sleeping processes first).
 * What the tool waits for goes to the console: "BENCH: ...".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

unsigned reps = 5, cpus = 1;
static const char *ops = "";
static unsigned sleepers;

static const char *const names[OPS] = {
#define OP(number, name, what) #name,
#include "ops.h"
#undef OP
};

void die(const char *what)
{
	printf("BENCH: failed: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	for (;;)
		pause();
}

bool op_wanted(unsigned number)
{
	size_t n = strlen(names[number]);

	if (!*ops)
		return true;
	for (const char *p = ops; (p = strstr(p, names[number])); p += n)
		if ((p == ops || p[-1] == ',') && (!p[n] || p[n] == ','))
			return true;
	return false;
}

/* The recorder knows constants only. */
void op_mark(unsigned number)
{
	switch (number) {
#define OP(number, name, what)          \
	case number:                    \
		MARK(MARK_OP + number); \
		break;
#include "ops.h"
#undef OP
	}
}

static void measure(const struct op *o)
{
	if (!op_wanted(o->number))
		return;
	op_mark(o->number);
	if (o->prepare && !o->prepare()) {
		MARK(MARK_ABSENT);
		return;
	}
	for (unsigned i = 0; o->run && i < o->warm + reps; i++) {
		if (i < o->warm) {
			o->run();
		} else {
			MARK(MARK_START);
			o->run();
			MARK(MARK_STOP);
		}
		if (o->after)
			o->after();
	}
	if (o->finish)
		o->finish();
}

static void start_sleepers(void)
{
	struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY};

	setrlimit(RLIMIT_NPROC, &l);
	for (unsigned i = 0; i < sleepers; i++) {
		long pid = fork();

		if (pid < 0)
			die("fork of a sleeping process");
		if (!pid)
			for (;;)
				pause();
		if (i % 64 == 63)
			sched_yield();
	}
}

static void read_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "ops=", 4))
			ops = argv[i] + 4;
		else if (!strncmp(argv[i], "reps=", 5))
			reps = (unsigned)atoi(argv[i] + 5);
		else if (!strncmp(argv[i], "procs=", 6))
			sleepers = (unsigned)atoi(argv[i] + 6);
	}
}

int main(int argc, char **argv)
{
	static const struct op *const lists[] = {call_ops, memory_ops, process_ops, switch_ops};
	cpu_set_t one;

	if (argc > 1 && !strcmp(argv[1], "again"))
		exec_again(argv);
	if (getpid() == 1 && open("/dev/console", O_RDWR) >= 0 && open("/dev/console", O_RDWR) < 0)
		die("console");
	setvbuf(stdout, NULL, _IOLBF, 0);
	read_arguments(argc, argv);
	if (!sched_getaffinity(0, sizeof(one), &one))
		cpus = (unsigned)CPU_COUNT(&one);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	printf("BENCH: begins\n");
	start_sleepers();
	MARK(MARK_ARM);
	for (unsigned i = 0; i < 2000; i++)
		syscall(SYS_sched_yield);
	for (unsigned l = 0; l < 4; l++)
		for (const struct op *o = lists[l]; o->run || o->prepare; o++)
			measure(o);
	event_timer();
	event_nmi();
	printf("BENCH: end\n");
	fflush(stdout);
	for (;;) /* in user mode, for whoever looks at its page tables */
		__asm__ volatile("pause");
}
