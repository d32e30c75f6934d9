/* SPDX-License-Identifier: MIT */
/* Signals, system calls, events: where a traced task stops and what its tracer is told. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "ptrace.h"

static volatile uint64_t word = 0x1122334455667788;
static volatile sig_atomic_t caught;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	caught = sig + (info->si_code == -42 ? 1000 : 0);
}

static int raises(void *arg)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	signal(SIGWINCH, SIG_IGN);
	raise(*(int *)arg);
	return caught > 1000 ? caught - 1000 + 100 : caught;
}

static void test_signals(void)
{
	int sig = SIGUSR1;
	siginfo_t info;
	pid_t pid = traced_child(raises, &sig);

	CHECK(go(PTRACE_CONT, pid, 0) == STOP(SIGUSR1), "a signal stops before it is delivered");
	memset(&info, 0, sizeof(info));
	CHECK(pt(PTRACE_GETSIGINFO, pid, 0, (uint64_t)(uintptr_t)&info) == 0 &&
		      info.si_signo == SIGUSR1 && info.si_pid == pid,
	      "GETSIGINFO");
	CHECK(go(PTRACE_CONT, pid, SIGUSR1) == EXIT(SIGUSR1),
	      "it is delivered if the tracer says so");

	pid = traced_child(raises, &sig);
	go(PTRACE_CONT, pid, 0);
	CHECK(go(PTRACE_CONT, pid, 0) == EXIT(0), "... and not if it does not");
	pid = traced_child(raises, &sig);
	go(PTRACE_CONT, pid, 0);
	CHECK(go(PTRACE_CONT, pid, SIGUSR2) == EXIT(SIGUSR2), "another one in its place");
	pid = traced_child(raises, &sig);
	go(PTRACE_CONT, pid, 0);
	info.si_code = -42;
	info.si_signo = SIGUSR1;
	CHECK(pt(PTRACE_SETSIGINFO, pid, 0, (uint64_t)(uintptr_t)&info) == 0 &&
		      go(PTRACE_CONT, pid, SIGUSR1) == EXIT(SIGUSR1 + 100),
	      "SETSIGINFO");
	pid = traced_child(raises, &sig);
	go(PTRACE_CONT, pid, 0);
	CHECK(go(PTRACE_CONT, pid, SIGKILL) == SIGKILL, "SIGKILL in its place");
	sig = SIGWINCH;
	pid = traced_child(raises, &sig);
	CHECK(go(PTRACE_CONT, pid, 0) == STOP(SIGWINCH), "an ignored signal stops as well");
	CHECK(pt(PTRACE_CONT, pid, 0, 99) == -EIO, "a signal that is none: EIO");
	CHECK(pt(PTRACE_KILL, pid, 0, 0) == 0 && wait_for(pid) == SIGKILL, "PTRACE_KILL");
	CHECK(pt(PTRACE_CONT, pid, 0, 0) == -ESRCH, "a dead one: ESRCH");
}

static int memory(void *arg)
{
	(void)arg;
	raise(SIGUSR1);
	return word == 0x99 ? 0 : 1;
}

static void test_memory(void)
{
	pid_t pid = traced_child(memory, NULL);
	uint64_t v = 0, code = 0;
	uint64_t at = (uint64_t)(uintptr_t)&word, text = (uint64_t)(uintptr_t)memory;

	CHECK(pt(PTRACE_PEEKDATA, pid, at, (uint64_t)(uintptr_t)&v) == 0 && v == word, "PEEKDATA");
	CHECK(pt(PTRACE_PEEKDATA, pid, 0x1000, (uint64_t)(uintptr_t)&v) == -EIO,
	      "... where nothing is: EIO");
	CHECK(pt(PTRACE_PEEKDATA, pid, 0xffffffff81000000, (uint64_t)(uintptr_t)&v) == -EIO &&
		      pt(PTRACE_POKEDATA, pid, 0xffff888000001000, 1) == -EIO &&
		      pt(PTRACE_POKEDATA, pid, 0x00007ffffffffffc, 1) == -EIO &&
		      pt(PTRACE_POKEDATA, pid, 0x8000000000000000, 1) == -EIO,
	      "... of the kernel: EIO");
	CHECK(pt(PTRACE_PEEKDATA, pid, at, 0xffffffff81000000) == -EFAULT,
	      "... into the kernel: EFAULT");
	CHECK(pt(PTRACE_POKEDATA, pid, at, 0x99) == 0 && word != 0x99,
	      "POKEDATA, the child's only");
	pt(PTRACE_PEEKTEXT, pid, text, (uint64_t)(uintptr_t)&code);
	CHECK(pt(PTRACE_POKETEXT, pid, text, (code & ~0xfful) | 0xcc) == 0 &&
		      pt(PTRACE_PEEKTEXT, pid, text, (uint64_t)(uintptr_t)&v) == 0 &&
		      (v & 0xff) == 0xcc && *(volatile uint8_t *)text == (code & 0xff),
	      "POKETEXT into read-only code, the child's only");
	CHECK(go(PTRACE_CONT, pid, 0) == STOP(SIGTRAP), "a breakpoint instruction");
	struct regs r;
	get_regs(pid, &r);
	CHECK(r.ip == text + 1, "... stops behind it");
	r.ip = text;
	pt(PTRACE_POKETEXT, pid, text, code);
	pt(PTRACE_SETREGS, pid, 0, (uint64_t)(uintptr_t)&r);
	CHECK(go(PTRACE_CONT, pid, 0) == STOP(SIGUSR1) && go(PTRACE_CONT, pid, 0) == EXIT(0),
	      "... and is taken out again");
}

static int calls(void *arg)
{
	(void)arg;
	long a = syscall(SYS_getppid), b = syscall(9999), c = syscall(SYS_getppid);

	return a == 77 && b == -1 && c != 77 ? 0 : 1;
}

static void test_syscalls(void)
{
	pid_t pid = traced_child(calls, NULL);
	struct regs r;
	uint64_t message = 0;

	CHECK(pt(PTRACE_SETOPTIONS, pid, 0, 1ul << 30) == -EINVAL, "SETOPTIONS: unknown ones");
	CHECK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0, "SETOPTIONS");
	CHECK(go(PTRACE_SYSCALL, pid, 0) == SYSSTOP && get_regs(pid, &r) &&
		      r.orig_ax == SYS_getppid && r.ax == (uint64_t)-ENOSYS,
	      "a system call stops at its entry");
	siginfo_t info;
	pt(PTRACE_GETSIGINFO, pid, 0, (uint64_t)(uintptr_t)&info);
	pt(PTRACE_GETEVENTMSG, pid, 0, (uint64_t)(uintptr_t)&message);
	CHECK(info.si_code == (SIGTRAP | 0x80) && message == 1, "... and says so");
	CHECK(go(PTRACE_SYSCALL, pid, 0) == SYSSTOP && get_regs(pid, &r) &&
		      r.ax == (uint64_t)getpid(),
	      "... and at its exit");
	pt(PTRACE_GETEVENTMSG, pid, 0, (uint64_t)(uintptr_t)&message);
	CHECK(message == 2, "... and says that");
	pt(PTRACE_POKEUSER, pid, U_REG(ax), 77);
	CHECK(go(PTRACE_SYSCALL, pid, 0) == SYSSTOP && get_regs(pid, &r) && r.orig_ax == 9999,
	      "one that is not there, too");
	go(PTRACE_SYSCALL, pid, 0);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK(go(PTRACE_CONT, pid, 0) == EXIT(0), "a result that the tracer changed");

	/* Skipped, changed, emulated. */
	pid = traced_child(calls, NULL);
	pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	go(PTRACE_SYSCALL, pid, 0);
	pt(PTRACE_POKEUSER, pid, U_REG(orig_ax), (uint64_t)-1);
	pt(PTRACE_POKEUSER, pid, U_REG(ax), 77);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK(get_regs(pid, &r) && r.ax == 77, "number -1: the call is skipped");
	go(PTRACE_SYSCALL, pid, 0);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK(go(PTRACE_CONT, pid, 0) == EXIT(0), "... with the result of the tracer");
	pid = traced_child(calls, NULL);
	pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	CHECK(go(PTRACE_SYSEMU, pid, 0) == SYSSTOP && get_regs(pid, &r) && r.orig_ax == SYS_getppid,
	      "SYSEMU stops at the entry");
	pt(PTRACE_POKEUSER, pid, U_REG(ax), 77);
	CHECK(go(PTRACE_SYSEMU, pid, 0) == SYSSTOP && get_regs(pid, &r) && r.orig_ax == 9999,
	      "... and next at the next");
	pt(PTRACE_POKEUSER, pid, U_REG(ax), (uint64_t)-ENOSYS);
	CHECK(go(PTRACE_CONT, pid, 0) == EXIT(0), "... while nothing is called");
}

static int forks(void *arg)
{
	pid_t pid = arg ? vfork() : fork();

	if (pid == 0)
		_exit(5);
	int status = 0;
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) == 5 ? 0 : 1;
}

static void test_fork(void)
{
	pid_t pid = traced_child(forks, NULL);
	uint64_t child = 0;

	pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT);
	CHECK(go(PTRACE_CONT, pid, 0) == EVENT(PTRACE_EVENT_FORK), "the event of fork()");
	pt(PTRACE_GETEVENTMSG, pid, 0, (uint64_t)(uintptr_t)&child);
	CHECK(child > 0 && wait_for((pid_t)child) == STOP(SIGSTOP), "... the child is traced");
	CHECK(go(PTRACE_CONT, (pid_t)child, 0) == EVENT(PTRACE_EVENT_EXIT), "... with the options");
	pt(PTRACE_CONT, pid, 0, 0);
	uint64_t code = 0;
	pt(PTRACE_GETEVENTMSG, (pid_t)child, 0, (uint64_t)(uintptr_t)&code);
	CHECK(code == EXIT(5), "... and its exit code");
	CHECK(go(PTRACE_CONT, (pid_t)child, 0) == EXIT(5), "a tracer sees the end of a grandchild");
	int status = wait_for(pid);
	if (status == STOP(SIGCHLD))
		status = go(PTRACE_CONT, pid, 0);
	CHECK(status == EVENT(PTRACE_EVENT_EXIT) && go(PTRACE_CONT, pid, 0) == EXIT(0),
	      "... and then its parent does");

	pid = traced_child(forks, "v");
	pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
	CHECK(go(PTRACE_CONT, pid, 0) == EVENT(PTRACE_EVENT_VFORK), "the event of vfork()");
	pt(PTRACE_GETEVENTMSG, pid, 0, (uint64_t)(uintptr_t)&child);
	wait_for((pid_t)child);
	pt(PTRACE_CONT, pid, 0, 0);
	CHECK(go(PTRACE_CONT, (pid_t)child, 0) == EXIT(5), "... its child ends");
	status = wait_for(pid);
	CHECK(status == EVENT(PTRACE_EVENT_VFORK_DONE), "... and it goes on (%#x)",
	      (unsigned)status);
	status = go(PTRACE_CONT, pid, 0);
	if (status == STOP(SIGCHLD))
		status = go(PTRACE_CONT, pid, 0);
	CHECK(status == EXIT(0), "... to its end (%#x)", (unsigned)status);

	/* System-call stops from the event on. */
	pid = traced_child(forks, NULL);
	pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD);
	go(PTRACE_CONT, pid, 0);
	pt(PTRACE_GETEVENTMSG, pid, 0, (uint64_t)(uintptr_t)&child);
	struct regs r;
	CHECK(go(PTRACE_SYSCALL, pid, 0) == SYSSTOP && get_regs(pid, &r) && r.ax == child,
	      "PTRACE_SYSCALL at an event: the call's exit");
	wait_for((pid_t)child);
	finish((pid_t)child);
	finish(pid);
}

static void *thread(void *arg)
{
	return arg;
}

static int threads(void *arg)
{
	pthread_t t;
	void *r = NULL;

	if (pthread_create(&t, NULL, thread, arg) != 0)
		return 1;
	pthread_join(t, &r);
	return r == arg ? 0 : 2;
}

static void test_clone(void)
{
	pid_t pid = traced_child(threads, "thread");
	uint64_t tid = 0;

	pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE);
	CHECK(go(PTRACE_CONT, pid, 0) == EVENT(PTRACE_EVENT_CLONE), "the event of a new thread");
	pt(PTRACE_GETEVENTMSG, pid, 0, (uint64_t)(uintptr_t)&tid);
	CHECK(wait_for((pid_t)tid) == STOP(SIGSTOP), "... the thread is traced");
	pt(PTRACE_CONT, pid, 0, 0);
	CHECK(go(PTRACE_CONT, (pid_t)tid, 0) == EXIT(0), "... its end is told");
	CHECK(wait_for(pid) == EXIT(0), "... and the process's");
}

static int executes(void *arg)
{
	char *const argv[] = {"nothing", NULL};

	(void)arg;
	execv("/proc/self/exe", argv);
	return 1;
}

static void test_exec(void)
{
	pid_t pid = traced_child(executes, NULL);
	struct regs r;

	pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC);
	CHECK(go(PTRACE_CONT, pid, 0) == EVENT(PTRACE_EVENT_EXEC), "the event of exec()");
	finish(pid);
	pid = traced_child(executes, NULL);
	CHECK(go(PTRACE_CONT, pid, 0) == STOP(SIGTRAP), "without the option: SIGTRAP");
	CHECK(get_regs(pid, &r) && r.bx == 0 && r.r15 == 0 && r.cs == 0x33,
	      "... in the new program, with clean registers");
	finish(pid);
}

void test_stops(void)
{
	test_signals();
	test_memory();
	test_syscalls();
	test_fork();
	test_clone();
	test_exec();
}
