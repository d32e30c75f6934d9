/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c user/tests/ptrace_stops.c user/tests/ptrace_jobs.c */
/* SRC: user/tests/ptrace_regs.c user/tests/ptrace_debug.c user/tests/traced.c */
/* ptrace(2) as Linux has it: this passes there as well. And what a tracer could do to the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"
#include "ptrace.h"

long pt(long request, pid_t pid, uint64_t addr, uint64_t data)
{
	long r;

	register uint64_t r10 __asm__("r10") = data;
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"((long)SYS_ptrace), "D"(request), "S"((long)pid), "d"(addr), "r"(r10)
			 : "rcx", "r11", "memory");
	return r;
}

pid_t traced_child(int (*fn)(void *), void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(30);
		if (pt(PTRACE_TRACEME, 0, 0, 0) != 0)
			_exit(99);
		syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
		_exit(fn(arg));
	}
	int status = wait_for(pid);
	if (status != STOP(SIGSTOP))
		ktap_note("a traced child's first stop: %#x", (unsigned)status);
	return pid;
}

bool get_regs(pid_t pid, struct regs *r)
{
	memset(r, 0, sizeof(*r));
	return pt(PTRACE_GETREGS, pid, 0, (uint64_t)(uintptr_t)r) == 0;
}

int main(void)
{
	ktap_start();
	test_stops();
	test_jobs();
	test_registers();
	test_debug();
	return ktap_end();
}
