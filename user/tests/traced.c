/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "traced.h"

const char *const where_name[WHERES] = {"a signal", "a call's entry", "a call's exit", "a trap"};

int wait_for(pid_t pid)
{
	int status;

	for (int i = 0; i < 10000; i++) {
		pid_t got = waitpid(pid, &status, WNOHANG | __WALL);

		if (got == pid)
			return status;
		if (got < 0 && errno != EINTR)
			return -1;
		usleep(i < 100 ? 50 : 1000);
	}
	return -2;
}

int go(long request, pid_t pid, int signal)
{
	return syscall(SYS_ptrace, request, (long)pid, 0L, (long)signal) ? -3 : wait_for(pid);
}

void finish(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) == pid)
		;
}

void busy(void)
{
	for (int i = 0; i < 3; i++) {
		raise(SIGUSR1);
		syscall(SYS_getppid);
		__asm__ volatile("int3");
	}
}

void go_to(pid_t pid, enum where where)
{
	go(PTRACE_CONT, pid, 0); /* the signal */
	if (where == AT_TRAP)
		go(PTRACE_CONT, pid, 0);
	if (where == AT_ENTRY || where == AT_EXIT)
		go(PTRACE_SYSCALL, pid, 0);
	if (where == AT_EXIT)
		go(PTRACE_SYSCALL, pid, 0);
}

int end_of(pid_t pid)
{
	int sig = 0;

	for (int i = 0; i < 60; i++) {
		int status = go(PTRACE_CONT, pid, sig);

		if (status < 0 || !WIFSTOPPED(status))
			return status;
		sig = WSTOPSIG(status);
		if (sig == SIGUSR1 || (sig == SIGTRAP && i < 20))
			sig = 0;
	}
	finish(pid);
	return 0;
}

bool ended_well(int status)
{
	static const unsigned long fatal = 1ul << SIGSEGV | 1ul << SIGBUS | 1ul << SIGILL |
					   1ul << SIGTRAP | 1ul << SIGSYS | 1ul << SIGFPE;

	return status >= 0 &&
	       (WIFEXITED(status) || (WIFSIGNALED(status) && fatal >> WTERMSIG(status) & 1));
}
