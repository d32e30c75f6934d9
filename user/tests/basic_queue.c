/* SPDX-License-Identifier: MIT */
/* Signals that queue, with what they carry. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic.h"
#include "ktap.h"

static const struct timespec zero;

static int queue(int sig, uintptr_t value)
{
	return sigqueue(getpid(), sig, (union sigval){.sival_ptr = (void *)value});
}

static void block_realtime(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
		sigaddset(&set, i);
	sigprocmask(how, &set, NULL);
}

/* The next pending real-time signal, 0 if there is none. */
static int next(siginfo_t *info)
{
	sigset_t set;

	sigemptyset(&set);
	for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
		sigaddset(&set, i);
	memset(info, 0, sizeof(*info));
	int sig = sigtimedwait(&set, info, &zero);

	return sig < 0 ? 0 : sig;
}

static int in_order(void *arg)
{
	static const struct {
		int above, code;
		uintptr_t value;
	} expect[] = {{1, SI_QUEUE, 2}, {1, SI_QUEUE, 4}, {2, SI_USER, 0},
		      {2, SI_USER, 0},  {3, SI_QUEUE, 1}, {3, SI_QUEUE, 0xfedcba9876543210u}};
	siginfo_t info;

	(void)arg;
	block_realtime(SIG_BLOCK);
	queue(SIGRTMIN + 3, 1);
	queue(SIGRTMIN + 1, 2);
	kill(getpid(), SIGRTMIN + 2);
	queue(SIGRTMIN + 3, 0xfedcba9876543210u);
	queue(SIGRTMIN + 1, 4);
	kill(getpid(), SIGRTMIN + 2);
	for (unsigned i = 0; i < sizeof(expect) / sizeof(expect[0]); i++) {
		if (next(&info) != SIGRTMIN + expect[i].above)
			return 1 + (int)i;
		if (info.si_code != expect[i].code || info.si_pid != getpid() ||
		    info.si_uid != getuid())
			return 11 + (int)i;
		if ((uintptr_t)info.si_value.sival_ptr != expect[i].value)
			return 21 + (int)i;
	}
	return next(&info) ? 31 : 0;
}

static volatile sig_atomic_t seen;
static uintptr_t values[8];

static void on_value(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	if (sig == SIGRTMIN + 1 && seen < 8)
		values[seen++] = (uintptr_t)info->si_value.sival_ptr;
}

static int handled(void *arg)
{
	struct sigaction sa = {.sa_sigaction = on_value, .sa_flags = SA_SIGINFO};

	(void)arg;
	sigaction(SIGRTMIN + 1, &sa, NULL);
	block_realtime(SIG_BLOCK);
	for (uintptr_t i = 1; i <= 5; i++)
		queue(SIGRTMIN + 1, i << 40 | i);
	block_realtime(SIG_UNBLOCK);
	for (uintptr_t i = 1; i <= 5; i++) {
		if (values[i - 1] != (i << 40 | i))
			return (int)i;
	}
	return seen == 5 ? 0 : 6;
}

/* Of the sender's user Linux counts other processes' as well: there may be room for fewer. */
static int limited(void *arg)
{
	struct rlimit r = {16, 16}, now;
	siginfo_t info;
	int n = 0, got = 0, plain = 0;

	(void)arg;
	if (setrlimit(RLIMIT_SIGPENDING, &r) || getrlimit(RLIMIT_SIGPENDING, &now) ||
	    now.rlim_cur != 16)
		return 1;
	block_realtime(SIG_BLOCK);
	while (n < 100 && queue(SIGRTMIN + 1, (uintptr_t)n) == 0)
		n++;
	if (n > 16 || errno != EAGAIN)
		return 2;
	/* Those that carry nothing are noted all the same, though they do not queue. */
	if (kill(getpid(), SIGRTMIN + 2) || kill(getpid(), SIGRTMIN + 2))
		return 3;
	for (int sig; (sig = next(&info)) != 0;) {
		if (sig == SIGRTMIN + 2)
			plain++;
		else if (info.si_value.sival_int != got++)
			return 4;
	}
	return got == n && plain >= 1 ? 0 : 5;
}

static long queueinfo(pid_t pid, int sig, siginfo_t *info)
{
	return syscall(SYS_rt_sigqueueinfo, pid, sig, info) ? errno : 0;
}

static long tgqueueinfo(pid_t pid, pid_t tid, int sig, siginfo_t *info)
{
	return syscall(SYS_rt_tgsigqueueinfo, pid, tid, sig, info) ? errno : 0;
}

/* Nobody may pretend to be the kernel, but to itself. */
static int claims(void *arg)
{
	siginfo_t user = {.si_code = SI_USER}, tkill = {.si_code = SI_TKILL};
	siginfo_t mine = {.si_code = -60, .si_errno = 5}, got;
	pid_t me = getpid(), other = getppid();

	(void)arg;
	mine.si_pid = 77;
	mine.si_uid = 88;
	mine.si_value.sival_ptr = &mine;
	block_realtime(SIG_BLOCK);
	if (queueinfo(other, 0, &user) != EPERM || queueinfo(other, 0, &tkill) != EPERM ||
	    tgqueueinfo(other, other, 0, &tkill) != EPERM)
		return 1;
	if (queueinfo(other, 0, &mine) != 0 || tgqueueinfo(other, other, 0, &mine) != 0)
		return 2;
	if (queueinfo(me, 65, &mine) != EINVAL || tgqueueinfo(me, 0, 0, &mine) != EINVAL ||
	    queueinfo(me, 0, (siginfo_t *)8) != EFAULT)
		return 3;
	if (queueinfo(0x3ffffff, SIGRTMIN, &mine) != ESRCH ||
	    tgqueueinfo(other, me, SIGRTMIN, &mine) != ESRCH)
		return 4;
	if (queueinfo(me, SIGRTMIN, &user) != 0 || next(&got) != SIGRTMIN || got.si_code != SI_USER)
		return 5;
	if (tgqueueinfo(me, me, SIGRTMIN, &mine) != 0 || next(&got) != SIGRTMIN)
		return 6;
	return got.si_code == -60 && got.si_errno == 5 && got.si_pid == 77 && got.si_uid == 88 &&
			       got.si_value.sival_ptr == &mine
		       ? 0
		       : 7;
}

static int leave_some(void *arg)
{
	block_realtime(SIG_BLOCK);
	for (int i = 0; i < 1000; i++)
		if (queue(SIGRTMIN + i % 20, 0))
			return 1;
	/* Both ways out: an exit, and a death by a signal that does not wait. */
	if (arg)
		kill(getpid(), SIGKILL);
	return 0;
}

static long free_kb(void)
{
	char line[100];
	long kb = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "MemFree: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

static void test_leak(void)
{
	bool ok = ktap_child(leave_some, NULL) == 0;
	long before = free_kb();

	for (int i = 0; i < 100 && ok; i++) {
		int status = ktap_child(leave_some, i & 1 ? "" : NULL);

		ok = i & 1 ? WIFSIGNALED(status) : status == 0;
	}
	CHECK(ok, "processes that end with 1000 signals pending");
	/* 100 times 1000 of 64 bytes and more. Others use memory too unless we are alone. */
	CHECK(getpid() != 1 || free_kb() > before - 3000, "and the memory comes back");
}

/* Process 1 has no default actions, but what it blocks it can wait for. */
static void test_blocked(void)
{
	const struct timespec soon = {5, 0};
	sigset_t set, old, pending;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	signal(SIGUSR2, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGUSR2);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2) == 1 &&
		      sigtimedwait(&set, &info, &soon) == SIGUSR2 && info.si_pid == getpid(),
	      "a blocked signal waits, whatever its action, for process %d", getpid());
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void basic_queue(void)
{
	int status = ktap_child(in_order, NULL);

	CHECK(status == 0, "real-time signals by number, then by age (%s)", ktap_status(status));
	status = ktap_child(handled, NULL);
	CHECK(status == 0, "handlers get the values in order (%s)", ktap_status(status));
	status = ktap_child(limited, NULL);
	CHECK(status == 0, "RLIMIT_SIGPENDING: EAGAIN (%s)", ktap_status(status));
	status = ktap_child(claims, NULL);
	CHECK(status == 0, "rt_sigqueueinfo: who may say what (%s)", ktap_status(status));
	test_blocked();
	test_leak();
}
