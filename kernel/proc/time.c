/* SPDX-License-Identifier: MIT */
/*
 * Clocks and sleeping.
 *
 * clock_ns() counts from boot; CLOCK_REALTIME is that plus an offset, which clock_settime() moves.
 * Who sleeps until a point of real time waits in `realtime_moved` so as to count anew after that.
 */
#include "ia32.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"

#define NS_PER_SEC    UINT64_C(1000000000)
#define TICK_NS       (NS_PER_SEC / HZ)
#define USER_HZ       100
#define TIMER_ABSTIME 1

enum {
	CLOCK_REALTIME,
	CLOCK_MONOTONIC,
	CLOCK_PROCESS_CPUTIME,
	CLOCK_THREAD_CPUTIME,
	CLOCK_MONOTONIC_RAW,
	CLOCK_REALTIME_COARSE,
	CLOCK_MONOTONIC_COARSE,
	CLOCK_BOOTTIME,
};

static int64_t realtime_shift; /* of clock_settime(); atomic */
static struct waitq realtime_moved = WAITQ_INIT(realtime_moved);

static uint64_t realtime_offset(void)
{
	return realtime_offset_ns() + (uint64_t)__atomic_load_n(&realtime_shift, __ATOMIC_ACQUIRE);
}

uint64_t realtime_ns(void)
{
	return clock_ns() + realtime_offset();
}

int timespecs_from_user(struct k_timespec *ts, uint64_t va, size_t n)
{
	if (longs_from_user(&ts->sec, va, 2 * n, ia32_time32()) != 0)
		return -EFAULT;
	/* A 32-bit program's nsec has 4 bytes and 4 of padding. */
	for (size_t i = 0; i < n && in_ia32_call() && !ia32_time32(); i++)
		ts[i].nsec = (int64_t)(uint32_t)ts[i].nsec;
	return 0;
}

int timespec_from_user(uint64_t va, uint64_t *ns)
{
	struct k_timespec ts;
	if (timespecs_from_user(&ts, va, 1) != 0)
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)NS_PER_SEC)
		return -EINVAL;
	/* 292 years stand for all that is longer: a sum with a clock still fits. */
	if ((uint64_t)ts.sec >= INT64_MAX / NS_PER_SEC)
		*ns = INT64_MAX;
	else
		*ns = (uint64_t)ts.sec * NS_PER_SEC + (uint64_t)ts.nsec;
	return 0;
}

int timespec_to_user(uint64_t va, uint64_t ns)
{
	struct k_timespec ts = {(int64_t)(ns / NS_PER_SEC), (int64_t)(ns % NS_PER_SEC)};
	return longs_to_user(va, &ts.sec, 2, ia32_time32());
}

void process_times(struct process *p, uint64_t *utime_ns, uint64_t *stime_ns)
{
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	*utime_ns = p->gone_utime_ns;
	*stime_ns = p->gone_stime_ns;
	list_for_each_entry (t, &p->threads, struct task, thread_link) {
		*utime_ns += t->utime_ns;
		*stime_ns += t->stime_ns;
	}
	spin_unlock_irqrestore(&p->siglock, flags);
}

static int clock_read(int id, uint64_t *ns)
{
	uint64_t user, system, now = clock_ns();
	switch (id) {
	case CLOCK_REALTIME:
		*ns = now + realtime_offset();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_BOOTTIME:
		*ns = now;
		return 0;
	case CLOCK_REALTIME_COARSE:
		*ns = now - now % TICK_NS + realtime_offset();
		return 0;
	case CLOCK_MONOTONIC_COARSE:
		*ns = now - now % TICK_NS;
		return 0;
	case CLOCK_PROCESS_CPUTIME:
		process_times(current->proc, &user, &system);
		*ns = user + system;
		return 0;
	case CLOCK_THREAD_CPUTIME:
		*ns = current->utime_ns + current->stime_ns;
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL2(clock_gettime, int, id, uint64_t, va)
{
	uint64_t ns;
	int err = clock_read(id, &ns);
	return err ? err : timespec_to_user(va, ns);
}

SYSCALL2(clock_getres, int, id, uint64_t, va)
{
	uint64_t ns;
	int err = clock_read(id, &ns);
	if (err || !va)
		return err;
	bool by_tick = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE ||
		       id == CLOCK_PROCESS_CPUTIME || id == CLOCK_THREAD_CPUTIME;
	return timespec_to_user(va, by_tick ? TICK_NS : 1);
}

SYSCALL2(clock_settime, int, id, uint64_t, va)
{
	uint64_t ns;
	int err = timespec_from_user(va, &ns);
	if (err)
		return err;
	if (id != CLOCK_REALTIME)
		return -EINVAL;
	if (current->proc->cred.euid != 0)
		return -EPERM;
	int64_t shift = (int64_t)(ns - clock_ns() - realtime_offset_ns());
	__atomic_store_n(&realtime_shift, shift, __ATOMIC_RELEASE);
	wake_all(&realtime_moved);
	return 0;
}

SYSCALL2(gettimeofday, uint64_t, tv_va, uint64_t, tz_va)
{
	uint64_t ns = realtime_ns();
	struct k_timeval tv = {(int64_t)(ns / NS_PER_SEC), (int64_t)(ns % NS_PER_SEC / 1000)};
	if (tv_va && longs_to_user(tv_va, &tv.sec, 2, ia32_time32()) != 0)
		return -EFAULT;
	/* The kernel keeps UTC: no minutes west, no daylight saving. */
	if (tz_va && clear_user(tz_va, 8) != 0)
		return -EFAULT;
	return 0;
}

SYSCALL1(time, uint64_t, va)
{
	int64_t sec = (int64_t)(realtime_ns() / NS_PER_SEC);
	if (va && longs_to_user(va, &sec, 1, ia32_time32()) != 0)
		return -EFAULT;
	return sec;
}

SYSCALL1(times, uint64_t, va)
{
	struct process *p = current->proc;
	uint64_t user, system;
	process_times(p, &user, &system);
	int64_t tms[4] = {
		(int64_t)(user / (NS_PER_SEC / USER_HZ)),
		(int64_t)(system / (NS_PER_SEC / USER_HZ)),
		(int64_t)(p->child_utime_ns / (NS_PER_SEC / USER_HZ)),
		(int64_t)(p->child_stime_ns / (NS_PER_SEC / USER_HZ)),
	};
	if (va && longs_to_user(va, tms, 4, in_ia32_call()) != 0)
		return -EFAULT;
	return (long)(clock_ns() / (NS_PER_SEC / USER_HZ));
}

/* ---- sleeping ---- */

/* Until clock_ns() reaches restart_until_ns; restart_arg[0]: where the rest is told, or 0. */
static long sleep_relative(struct task *t)
{
	struct waitq q;
	struct waiter w;
	uint64_t until = t->restart_until_ns;
	int err;
	waitq_init(&q);
	wait_begin(&q, &w, true);
	do {
		err = wait_sleep(until);
	} while (err == 0);
	wait_end(&q, &w);
	uint64_t now = clock_ns();
	if (err == -ETIMEDOUT || now >= until)
		return 0;
	if (t->restart_arg[0] && timespec_to_user(t->restart_arg[0], until - now) != 0)
		return -EFAULT;
	t->restart_fn = sleep_relative;
	return -ERESTART_RESTARTBLOCK;
}

static long start_sleep(uint64_t ns, uint64_t rest_va)
{
	struct task *t = current;
	t->restart_until_ns = clock_ns() + ns;
	t->restart_arg[0] = rest_va;
	return sleep_relative(t);
}

static long sleep_absolute(int id, uint64_t target)
{
	struct waiter w;
	int err = 0;
	wait_begin(&realtime_moved, &w, true);
	while (err == 0) {
		uint64_t now;
		clock_read(id, &now);
		err = now >= target ? -ETIMEDOUT : wait_sleep(clock_ns() + (target - now));
		/* Timed out by a clock that has been set back meanwhile? */
		clock_read(id, &now);
		if (err == -ETIMEDOUT && now < target)
			err = 0;
	}
	wait_end(&realtime_moved, &w);
	return err == -ETIMEDOUT ? 0 : -ERESTARTNOHAND;
}

SYSCALL2(nanosleep, uint64_t, req_va, uint64_t, rest_va)
{
	uint64_t ns;
	int err = timespec_from_user(req_va, &ns);
	return err ? err : start_sleep(ns, rest_va);
}

SYSCALL4(clock_nanosleep, int, id, int, how, uint64_t, req_va, uint64_t, rest_va)
{
	uint64_t ns;
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		break;
	case CLOCK_PROCESS_CPUTIME:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
	int err = timespec_from_user(req_va, &ns);
	if (err)
		return err;
	return (how & TIMER_ABSTIME) ? sleep_absolute(id, ns) : start_sleep(ns, rest_va);
}

SYSCALL0(restart_syscall)
{
	struct task *t = current;
	long (*fn)(struct task *) = t->restart_fn;
	t->restart_fn = NULL;
	return fn ? fn(t) : -EINTR;
}
