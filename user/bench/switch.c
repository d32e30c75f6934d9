/* SPDX-License-Identifier: MIT */
/* From one thread or process to another, on one CPU. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static int there[2], back[2];
static long partner;
static pthread_t thread;
static char byte;

static bool make_pipes(void)
{
	return pipe(there) == 0 && pipe(back) == 0;
}

static void *answer(void *arg)
{
	char c;

	while (read(there[0], &c, 1) == 1 && c != 'q')
		if (write(back[1], &c, 1) != 1)
			break;
	return arg;
}

static bool prepare_process(void)
{
	if (!make_pipes())
		return false;
	partner = fork();
	if (!partner) {
		answer(NULL);
		_exit(0);
	}
	return partner > 0;
}

static bool prepare_thread(void)
{
	return make_pipes() && pthread_create(&thread, NULL, answer, NULL) == 0;
}

static void run_pingpong(void)
{
	if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
		die("ping-pong");
}

static void end_pipes(void)
{
	char q = 'q';

	if (write(there[1], &q, 1) != 1)
		die("ping-pong");
}

static void close_pipes(void)
{
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
}

static void finish_process(void)
{
	end_pipes();
	waitpid((int)partner, NULL, 0);
	close_pipes();
}

static void finish_thread(void)
{
	end_pipes();
	pthread_join(thread, NULL);
	close_pipes();
}

/* ---- futex: whoever sleeps is of its own, least priority, so that no kernel switches to it at
 * once */

static int word;
static volatile bool over;
static char sleeper_stack[16384] __attribute__((__aligned__(16)));

static int sleeper(void *arg)
{
	struct timespec t;
	long start, now;

	(void)arg;
	setpriority(PRIO_PROCESS, 0, 19);
	clock_gettime(CLOCK_MONOTONIC, &t);
	start = t.tv_sec * 1000 + t.tv_nsec / 1000000;
	do { /* what time it was given before it had that priority */
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = t.tv_sec * 1000 + t.tv_nsec / 1000000;
	} while (now - start < 30);
	while (!over)
		syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 0, NULL, NULL, 0);
	return 0;
}

static void let_it_sleep(void)
{
	usleep(3000);
}

/* A process, since not every kernel has a priority for each thread, on this one's memory. */
static bool prepare_futex(void)
{
	over = false;
	partner = clone(sleeper, sleeper_stack + sizeof(sleeper_stack), CLONE_VM | SIGCHLD, NULL);
	usleep(100000);
	return partner > 0;
}

static void run_futex(void)
{
	if (syscall(SYS_futex, &word, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0) != 1)
		die("FUTEX_WAKE woke nobody");
}

static void finish_futex(void)
{
	over = true;
	syscall(SYS_futex, &word, 1, 1, NULL, NULL, 0);
	waitpid((int)partner, NULL, 0);
}

const struct op switch_ops[] = {
	{OP_futex_wake, prepare_futex, run_futex, let_it_sleep, finish_futex, 100},
	{OP_pingpong_proc, prepare_process, run_pingpong, NULL, finish_process, 100},
	{OP_pingpong_thread, prepare_thread, run_pingpong, NULL, finish_thread, 100},
	{0},
};
