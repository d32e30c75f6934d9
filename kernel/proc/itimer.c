/* SPDX-License-Identifier: MIT */
/*
 * alarm() and ITIMER_REAL. Armed processes stand in one list, the earliest first, which the boot
 * CPU's tick looks at; so an alarm comes up to a tick late and never early.
 */
#include "ia32.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"

#define NS_PER_SEC  UINT64_C(1000000000)
#define ITIMER_REAL 0
/* As for sleeps: longer is as good as never. */
#define MAX_SEC (INT64_MAX / (int64_t)NS_PER_SEC)

struct user_itimerval {
	struct k_timeval interval, value;
};

static spinlock_t alarm_lock HOT_WRITTEN = SPINLOCK_INIT; /* irqsave; alarm_* of all processes */
static struct list alarms HOT_DATA = LIST_INIT(alarms);

static void disarm_locked(struct process *p)
{
	if (p->alarm_ns)
		list_del(&p->alarm_link);
	p->alarm_ns = 0;
}

static void arm_locked(struct process *p, uint64_t when)
{
	p->alarm_ns = when;
	list_for_each_entry (other, &alarms, struct process, alarm_link) {
		if (other->alarm_ns > when) {
			list_add_tail(&other->alarm_link, &p->alarm_link);
			return;
		}
	}
	list_add_tail(&alarms, &p->alarm_link);
}

void itimer_check(uint64_t now_ns)
{
	load_tick(now_ns);
	uint64_t flags = spin_lock_irqsave(&alarm_lock);
	while (!list_empty(&alarms)) {
		struct process *p = list_first(&alarms, struct process, alarm_link);
		uint64_t due = p->alarm_ns;
		if (due > now_ns)
			break;
		disarm_locked(p);
		/* Periods that passed unseen make one signal, as a pending one absorbs the rest. */
		if (p->alarm_interval_ns) {
			uint64_t behind = (now_ns - due) / p->alarm_interval_ns;
			arm_locked(p, due + (behind + 1) * p->alarm_interval_ns);
		}
		signal_send_process(p->leader, SIGALRM, NULL);
	}
	spin_unlock_irqrestore(&alarm_lock, flags);
}

void itimer_exit(struct process *p)
{
	uint64_t flags = spin_lock_irqsave(&alarm_lock);
	disarm_locked(p);
	p->alarm_interval_ns = 0;
	spin_unlock_irqrestore(&alarm_lock, flags);
}

/* value 0: off. The former state to *left (0: was off) and *left_interval. */
static void set_alarm(uint64_t value, uint64_t interval, uint64_t *left, uint64_t *left_interval)
{
	struct process *p = current->proc;
	uint64_t flags = spin_lock_irqsave(&alarm_lock);
	uint64_t now = clock_ns();
	*left = 0;
	if (p->alarm_ns)
		*left = p->alarm_ns > now ? p->alarm_ns - now : 1;
	*left_interval = p->alarm_interval_ns;
	disarm_locked(p);
	p->alarm_interval_ns = value ? interval : 0;
	if (value)
		arm_locked(p, now + value);
	spin_unlock_irqrestore(&alarm_lock, flags);
}

SYSCALL1(alarm, unsigned, seconds)
{
	uint64_t left, interval;
	set_alarm(seconds * NS_PER_SEC, 0, &left, &interval);
	/* Rounded, but never to 0 while it was armed. */
	uint64_t sec = (left + NS_PER_SEC / 2) / NS_PER_SEC;
	return left && !sec ? 1 : (long)sec;
}

static int timeval_ns(const struct k_timeval *tv, uint64_t *ns)
{
	if (tv->sec < 0 || tv->usec < 0 || tv->usec >= 1000000)
		return -EINVAL;
	*ns = tv->sec >= MAX_SEC ? INT64_MAX
				 : (uint64_t)tv->sec * NS_PER_SEC + (uint64_t)tv->usec * 1000;
	return 0;
}

static struct k_timeval ns_timeval(uint64_t ns)
{
	ns += 999; /* an armed timer never shows 0 */
	return (struct k_timeval){(int64_t)(ns / NS_PER_SEC), (int64_t)(ns % NS_PER_SEC / 1000)};
}

static int itimer_to_user(uint64_t va, uint64_t left, uint64_t interval)
{
	struct user_itimerval it = {ns_timeval(interval), ns_timeval(left)};
	return longs_to_user(va, &it.interval.sec, 4, in_ia32_call());
}

/* ITIMER_VIRTUAL and ITIMER_PROF: CPU time is counted by ticks only; they are refused. */
SYSCALL3(setitimer, int, which, uint64_t, new_va, uint64_t, old_va)
{
	struct user_itimerval it = {{0, 0}, {0, 0}};
	uint64_t value, interval, left, left_interval;
	if (which != ITIMER_REAL)
		return -EINVAL;
	if (new_va && longs_from_user(&it.interval.sec, new_va, 4, in_ia32_call()) != 0)
		return -EFAULT;
	if (timeval_ns(&it.value, &value) != 0 || timeval_ns(&it.interval, &interval) != 0)
		return -EINVAL;
	set_alarm(value, interval, &left, &left_interval);
	return old_va ? itimer_to_user(old_va, left, left_interval) : 0;
}

SYSCALL2(getitimer, int, which, uint64_t, va)
{
	struct process *p = current->proc;
	if (which != ITIMER_REAL)
		return -EINVAL;
	uint64_t flags = spin_lock_irqsave(&alarm_lock);
	uint64_t now = clock_ns(), left = 0, interval = p->alarm_interval_ns;
	if (p->alarm_ns)
		left = p->alarm_ns > now ? p->alarm_ns - now : 1;
	spin_unlock_irqrestore(&alarm_lock, flags);
	return itimer_to_user(va, left, interval);
}
