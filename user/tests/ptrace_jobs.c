/* SPDX-License-Identifier: MIT */
/* Attaching, job control, and what becomes of the traced when tracers go. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "ptrace.h"

static pid_t child(int (*fn)(void *), void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(30);
		_exit(fn(arg));
	}
	return pid;
}

static int spins(void *arg)
{
	for (; arg == NULL;)
		__asm__ volatile("pause");
	return 0;
}

static int sleeps(void *arg)
{
	for (; arg == NULL;)
		pause();
	return 0;
}

static void test_attach(void)
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = child(i ? sleeps : spins, NULL);
		const char *what = i ? "asleep" : "running";

		usleep(5000);
		CHECK(pt(PTRACE_CONT, pid, 0, 0) == -ESRCH, "a stranger: ESRCH");
		CHECK(pt(PTRACE_ATTACH, pid, 0, 0) == 0 && wait_for(pid) == STOP(SIGSTOP),
		      "attach to one that is %s", what);
		CHECK(pt(PTRACE_ATTACH, pid, 0, 0) == -EPERM, "... not twice");
		CHECK(pt(PTRACE_CONT, pid, 0, 0) == 0 && pt(PTRACE_GETREGS, pid, 0, 0) == -ESRCH,
		      "... while it runs: ESRCH");
		kill(pid, SIGSTOP);
		CHECK(wait_for(pid) == STOP(SIGSTOP), "... stopped by a signal");
		CHECK(pt(PTRACE_DETACH, pid, 0, 0) == 0 && kill(pid, 0) == 0 &&
			      waitpid(pid, NULL, WNOHANG | WUNTRACED) == 0,
		      "detach: it runs on");
		finish(pid);
	}
	CHECK(pt(PTRACE_ATTACH, getpid(), 0, 0) == -EPERM, "oneself: EPERM");
	CHECK(pt(PTRACE_ATTACH, 99999, 0, 0) == -ESRCH, "nobody: ESRCH");
	CHECK(pt(PTRACE_ATTACH, -1, 0, 0) == -ESRCH, "a negative number: ESRCH");
}

static void test_group_stop(void)
{
	pid_t pid = child(sleeps, NULL);

	usleep(5000);
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	CHECK(pt(PTRACE_ATTACH, pid, 0, 0) == 0 && wait_for(pid) == STOP(SIGSTOP),
	      "attach to one that is stopped");
	finish(pid);

	pid = child(sleeps, NULL);
	usleep(5000);
	CHECK(pt(PTRACE_SEIZE, pid, 1, 0) == -EIO, "SEIZE: addr must be 0");
	CHECK(pt(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) == 0 &&
		      waitpid(pid, NULL, WNOHANG | __WALL) == 0,
	      "SEIZE does not stop it");
	CHECK(pt(PTRACE_INTERRUPT, pid, 0, 0) == 0 && wait_for(pid) == EVENT(PTRACE_EVENT_STOP),
	      "INTERRUPT does");
	CHECK(pt(PTRACE_LISTEN, pid, 0, 0) == 0 && pt(PTRACE_INTERRUPT, pid, 0, 0) == 0 &&
		      wait_for(pid) == EVENT(PTRACE_EVENT_STOP),
	      "INTERRUPT of one that listens");
	pt(PTRACE_CONT, pid, 0, 0);
	kill(pid, SIGSTOP);
	CHECK(wait_for(pid) == STOP(SIGSTOP), "a stop signal is a signal first");
	int group = STOP(SIGSTOP) | PTRACE_EVENT_STOP << 16;
	int status = go(PTRACE_CONT, pid, SIGSTOP);
	CHECK(status == group, "... then a group stop (%#x)", (unsigned)status);
	CHECK(pt(PTRACE_LISTEN, pid, 0, 0) == 0 && pt(PTRACE_GETREGS, pid, 0, 0) == -ESRCH,
	      "LISTEN: it stays stopped, and out of reach");
	kill(pid, SIGCONT);
	CHECK(wait_for(pid) == EVENT(PTRACE_EVENT_STOP), "SIGCONT is news");
	status = go(PTRACE_CONT, pid, 0);
	CHECK(status == STOP(SIGCONT), "... and a signal (%#x)", (unsigned)status);
	finish(pid);

	/* Without SEIZE: a group stop ends by PTRACE_CONT. */
	pid = child(sleeps, NULL);
	pt(PTRACE_ATTACH, pid, 0, 0);
	wait_for(pid);
	siginfo_t info;
	CHECK(go(PTRACE_CONT, pid, SIGSTOP) == STOP(SIGSTOP) &&
		      pt(PTRACE_GETSIGINFO, pid, 0, (uint64_t)(uintptr_t)&info) == -EINVAL,
	      "a group stop has no siginfo");
	CHECK(pt(PTRACE_LISTEN, pid, 0, 0) == -EIO, "LISTEN needs SEIZE");
	CHECK(pt(PTRACE_INTERRUPT, pid, 0, 0) == -EIO, "INTERRUPT needs SEIZE");
	CHECK(pt(PTRACE_DETACH, pid, 0, 0) == 0, "detach in a group stop");
	usleep(5000);
	kill(pid, SIGCONT);
	CHECK(kill(pid, 0) == 0, "... which is then ended as any other");
	finish(pid);
}

static volatile sig_atomic_t chld_code, chld_status;

static void on_chld(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	chld_code = info->si_code;
	chld_status = info->si_status;
}

static int raises_usr1(void *arg)
{
	(void)arg;
	raise(SIGUSR1);
	return 0;
}

static void test_news(void)
{
	struct sigaction sa = {.sa_sigaction = on_chld, .sa_flags = SA_SIGINFO}, old;
	pid_t pid = traced_child(raises_usr1, NULL);
	siginfo_t info = {0};

	sigaction(SIGCHLD, &sa, &old);
	go(PTRACE_CONT, pid, 0);
	CHECK(chld_code == CLD_TRAPPED && chld_status == SIGUSR1, "SIGCHLD tells of a stop (%d %d)",
	      (int)chld_code, (int)chld_status);
	sigaction(SIGCHLD, &old, NULL);
	pt(PTRACE_CONT, pid, 0, SIGUSR1);
	CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0 &&
		      info.si_code == CLD_KILLED && info.si_status == SIGUSR1,
	      "waitid leaves the end alone with WNOWAIT");
	CHECK(wait_for(pid) == SIGUSR1, "... for the next to take");
}

/* A tracer between this process and its child, which goes away. */
static void test_tracer_dies(bool exitkill)
{
	pid_t pid = child(sleeps, NULL), tracer;
	int status = 0;

	tracer = fork();
	if (tracer == 0) {
		long r = pt(PTRACE_SEIZE, pid, 0, exitkill ? PTRACE_O_EXITKILL : 0);

		if (r == 0)
			r = pt(PTRACE_INTERRUPT, pid, 0, 0);
		_exit(r == 0 && wait_for(pid) == EVENT(PTRACE_EVENT_STOP) ? 0 : 1);
	}
	waitpid(tracer, &status, 0);
	CHECK(status == 0, "a child is stopped by a tracer that then exits");
	if (exitkill) {
		CHECK(wait_for(pid) == SIGKILL, "EXITKILL: it is killed");
		return;
	}
	usleep(5000);
	CHECK(waitpid(pid, &status, WNOHANG | WUNTRACED) == 0 && kill(pid, 0) == 0,
	      "... it goes on without");
	finish(pid);
}

/* The end of a child that another traces: first the tracer hears of it. */
static void test_order(void)
{
	int fds[2], go_fd[2];
	char c = 0;
	pid_t pid = child(sleeps, NULL), tracer;

	if (pipe(fds) != 0 || pipe(go_fd) != 0)
		return;
	tracer = fork();
	if (tracer == 0) {
		pt(PTRACE_SEIZE, pid, 0, 0);
		write(fds[1], "a", 1);
		read(go_fd[0], &c, 1);
		_exit(wait_for(pid) == SIGTERM || wait_for(pid) == STOP(SIGTERM) ? 0 : 1);
	}
	read(fds[0], &c, 1);
	kill(pid, SIGKILL);
	usleep(20000);
	CHECK(waitpid(pid, NULL, WNOHANG) == 0, "a parent does not see its child's end ...");
	write(go_fd[1], "b", 1);
	CHECK(wait_for(pid) == SIGKILL, "... before its tracer did");
	waitpid(tracer, NULL, 0);
	close(fds[0]);
	close(fds[1]);
	close(go_fd[0]);
	close(go_fd[1]);
}

static int attaches(void *arg)
{
	if (setgid(1000) != 0 || setuid(1000) != 0)
		return 98;
	return (int)-pt(PTRACE_ATTACH, *(pid_t *)arg, 0, 0);
}

static int sleeps_as_1000(void *arg)
{
	if (setgid(1000) != 0 || setuid(1000) != 0)
		return 98;
	prctl(PR_SET_DUMPABLE, arg == NULL);
	return sleeps(NULL);
}

static void test_permission(void)
{
	if (getuid() != 0) {
		ktap_skip("permissions", "not root");
		return;
	}
	pid_t pid = child(sleeps, NULL);
	CHECK(ktap_child(attaches, &pid) == EXIT(EPERM), "root's process, by another user: EPERM");
	finish(pid);
	pid = child(sleeps_as_1000, NULL);
	usleep(20000);
	CHECK(ktap_child(attaches, &pid) == EXIT(0), "one's own");
	finish(pid);
	pid = child(sleeps_as_1000, "undumpable");
	usleep(20000);
	CHECK(ktap_child(attaches, &pid) == EXIT(EPERM), "one's own that is not dumpable: EPERM");
	CHECK(pt(PTRACE_ATTACH, pid, 0, 0) == 0 && wait_for(pid) == STOP(SIGSTOP), "... root may");
	finish(pid);
}

void test_jobs(void)
{
	test_attach();
	test_group_stop();
	test_news();
	test_tracer_dies(false);
	test_tracer_dies(true);
	test_order();
	test_permission();
}
