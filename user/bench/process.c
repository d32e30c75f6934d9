/* SPDX-License-Identifier: MIT */
/* Signals, processes, programs, threads. Raw system calls where a C library would add its own. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static volatile unsigned taken;

static void on_signal(int sig)
{
	(void)sig;
	taken++;
}

static void run_signal(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGILL, &sa, NULL);
	kill((int)syscall(SYS_getpid), SIGILL);
}

static void run_fork(void)
{
	long pid = syscall(SYS_fork);

	if (!pid)
		syscall(SYS_exit_group, 0);
	if (pid < 0 || syscall(SYS_wait4, pid, NULL, 0, NULL) != pid)
		die("fork");
}

/*
 * exec: a child executes this program again and again: init again LEFT REPS. What comes out of
 * execve() says MARK_STOP first thing in main(); the start-up code before is user mode's.
 */
static void execute(unsigned left, unsigned measured)
{
	char a[16], b[16];

	snprintf(a, sizeof(a), "%u", left);
	snprintf(b, sizeof(b), "%u", measured);
	if (left <= measured)
		MARK(MARK_START);
	execl("/init", "init", "again", a, b, NULL);
	_exit(1);
}

static bool prepare_exec(void)
{
	int status;
	long pid = fork();

	if (!pid)
		execute(16 + reps, reps);
	if (pid < 0 || waitpid((int)pid, &status, 0) != pid || status)
		die("exec");
	return true;
}

void exec_again(char **argv)
{
	unsigned left = (unsigned)atoi(argv[2]), measured = (unsigned)atoi(argv[3]);

	if (left <= measured)
		MARK(MARK_STOP);
	if (left == 1)
		_exit(0);
	execute(left - 1, measured);
}

static void *nothing(void *arg)
{
	return arg;
}

static void run_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL))
		die("thread");
}

const struct op process_ops[] = {
	{OP_signal, NULL, run_signal, NULL, NULL, 100},
	{OP_fork, NULL, run_fork, NULL, NULL, 30},
	{OP_exec, prepare_exec, NULL, NULL, NULL, 0},
	{OP_thread, NULL, run_thread, NULL, NULL, 30},
	{0},
};
