/* SPDX-License-Identifier: MIT */
/* System calls that do little, by each of the ways in. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static inline long call0(long nr)
{
	__asm__ volatile("syscall" : "+a"(nr)::"rcx", "r11", "memory");
	return nr;
}

static void run_empty(void)
{
}

static void run_getppid(void)
{
	call0(SYS_getppid);
}

static void run_getpid(void)
{
	call0(SYS_getpid);
}

static void run_getuid(void)
{
	call0(SYS_getuid);
}

static void run_gettid(void)
{
	call0(SYS_gettid);
}

static void run_unknown(void)
{
	call0(9999);
}

static long int80(long nr)
{
	__asm__ volatile("int $0x80" : "+a"(nr)::"r8", "r9", "r10", "r11", "memory");
	return nr;
}

static sigjmp_buf out;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(out, 1);
}

static bool prepare_int80(void)
{
	struct sigaction sa = {.sa_handler = on_fault}, old;
	volatile bool there = false;

	sigaction(SIGSEGV, &sa, &old);
	if (!sigsetjmp(out, 1))
		there = int80(20) == getpid();
	sigaction(SIGSEGV, &old, NULL);
	return there;
}

static void run_int80(void)
{
	int80(20); /* getpid, by the numbers of i386 */
}

/* The 32-bit program does its own marks; all that happens here is its life. */
static bool prepare_sysenter(void)
{
	char count[] = {(char)('0' + reps % 10), 0};
	int status;
	long pid = fork();

	if (!pid) {
		execl("/bench32", "bench32", count, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid((int)pid, &status, 0) != pid)
		die("bench32");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const struct op call_ops[] = {
	{.number = OP_empty, .run = run_empty, .warm = 200},
	{.number = OP_getppid, .run = run_getppid, .warm = 200},
	{.number = OP_getpid, .run = run_getpid, .warm = 200},
	{.number = OP_getuid, .run = run_getuid, .warm = 200},
	{.number = OP_gettid, .run = run_gettid, .warm = 200},
	{.number = OP_unknown, .run = run_unknown, .warm = 200},
	{.number = OP_int80, .prepare = prepare_int80, .run = run_int80, .warm = 200},
	{.number = OP_sysenter, .prepare = prepare_sysenter},
	{0},
};
