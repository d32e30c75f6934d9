/* SPDX-License-Identifier: MIT */
/* Handlers, masks, queues, alternate stacks, restarted and interrupted calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

static volatile sig_atomic_t count, depth, deepest;
static volatile siginfo_t last;
static volatile uintptr_t handler_sp;

static void on_info(int sig, siginfo_t *info, void *uc)
{
	char here;

	(void)sig;
	(void)uc;
	count++;
	last = *info;
	handler_sp = (uintptr_t)&here;
}

static void on_nested(int sig)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	depth--;
}

static void handle(int sig, int flags)
{
	struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO | flags};

	sigaction(sig, &sa, NULL);
}

static void alarm_in(long usec)
{
	struct itimerval t = {{0, 0}, {0, usec}};

	setitimer(ITIMER_REAL, &t, NULL);
}

static void test_delivery(void)
{
	sigset_t set, old, pending;
	union sigval v = {.sival_int = 77};

	handle(SIGUSR1, 0);
	count = 0;
	kill(getpid(), SIGUSR1);
	CHECK(count == 1 && last.si_signo == SIGUSR1 && last.si_code == SI_USER &&
		      last.si_pid == getpid(),
	      "a handler with siginfo");
	sigqueue(getpid(), SIGUSR1, v);
	CHECK(count == 2 && last.si_code == SI_QUEUE && last.si_value.sival_int == 77, "sigqueue");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	raise(SIGUSR1);
	CHECK(count == 2 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1),
	      "blocked: pending");
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK(count == 3, "unblocked: once");
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	CHECK(count == 3, "ignored");
	struct sigaction sa = {.sa_handler = on_nested};

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR1);
	CHECK(depth == 0 && deepest == 2, "a signal within a handler");
	handle(SIGUSR1, (int)SA_RESETHAND);
	raise(SIGUSR1);
	CHECK(sigaction(SIGUSR1, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL, "SA_RESETHAND");
	CHECK(sigaction(SIGKILL, &sa, NULL) == -1 && errno == EINVAL, "SIGKILL cannot be had");
	/* Real-time signals queue, in order of number. */
	handle(SIGRTMIN + 1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	count = 0;
	for (int i = 0; i < 5; i++)
		sigqueue(getpid(), SIGRTMIN + 1, v);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK(count == 5, "real-time signals queue");
	struct timespec zero = {0, 0};
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(sigtimedwait(&set, &info, &zero) == -1 && errno == EAGAIN, "sigtimedwait: EAGAIN");
	raise(SIGUSR2);
	CHECK(sigtimedwait(&set, &info, &zero) == SIGUSR2, "sigtimedwait takes it");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void test_interruption(void)
{
	int p[2], status;
	char c = 0;
	sigset_t none, block;
	struct timespec nap = {5, 0}, left = {0, 0};

	pipe(p);
	handle(SIGALRM, 0);
	alarm_in(30000);
	CHECK(read(p[0], &c, 1) == -1 && errno == EINTR, "read is interrupted: EINTR");
	handle(SIGALRM, SA_RESTART);
	pid_t pid = fork();

	if (pid == 0) {
		usleep(120000);
		write(p[1], "r", 1);
		_exit(0);
	}
	alarm_in(30000);
	count = 0;
	CHECK(read(p[0], &c, 1) == 1 && c == 'r' && count == 1, "with SA_RESTART it goes on");
	waitpid(pid, &status, 0);
	alarm_in(30000);
	CHECK(nanosleep(&nap, &left) == -1 && errno == EINTR && left.tv_sec >= 4,
	      "nanosleep: EINTR and what is left");
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, NULL);
	alarm_in(10000);
	usleep(1000);
	count = 0;
	CHECK(sigsuspend(&none) == -1 && errno == EINTR && count == 1, "sigsuspend");
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	close(p[0]);
	close(p[1]);
	signal(SIGALRM, SIG_DFL);
	handle(SIGCHLD, 0);
	count = 0;
	pid = fork();
	if (pid == 0)
		_exit(3);
	while (waitpid(pid, &status, 0) < 0)
		;
	CHECK(count == 1 && last.si_pid == pid && last.si_code == CLD_EXITED && last.si_status == 3,
	      "SIGCHLD says who and how");
	signal(SIGCHLD, SIG_DFL);
}

static sigjmp_buf out;

static void on_overflow(int sig)
{
	siglongjmp(out, sig);
}

/* The compiler is not to see that this never ends. */
static volatile int forever = 1;

__attribute__((noinline)) static int deeper(volatile char *above)
{
	volatile char room[4096];

	room[0] = above[0];
	return forever ? deeper(room) + room[0] : 0;
}

static void test_altstack(void)
{
	static char space[32768];
	stack_t ss = {.ss_sp = space, .ss_size = sizeof(space)}, old;
	struct sigaction sa = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK};
	char c = 0;

	CHECK(sigaltstack(&ss, NULL) == 0 && sigaltstack(NULL, &old) == 0 && old.ss_sp == space,
	      "sigaltstack");
	handle(SIGUSR1, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(handler_sp >= (uintptr_t)space && handler_sp < (uintptr_t)space + sizeof(space),
	      "the handler runs there");
	sigaction(SIGSEGV, &sa, NULL);
	int sig = sigsetjmp(out, 1);

	if (!sig)
		deeper(&c);
	CHECK(sig == SIGSEGV, "a stack overflow is handled there");
	ss.ss_size = 100;
	CHECK(sigaltstack(&ss, NULL) == -1 && errno == ENOMEM, "too small: ENOMEM");
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, NULL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
}

void basic_signals(void)
{
	test_delivery();
	test_interruption();
	test_altstack();
}
