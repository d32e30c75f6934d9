/* SPDX-License-Identifier: MIT */
/* poll and select. The first look at the files puts the task into the queues they name; from then
 * on a change wakes it, and it looks again. Joining a queue marks the task as sleeping and so
 * undoes a wake-up from the queues it is in already: it looks a second time, joining none, before
 * it sleeps.
 */
#include "fs.h"
#include "ia32.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"
#include "../proc/proc.h"

enum { POLLRDNORM = 64, POLLRDBAND = 128, POLLWRNORM = 256, INLINE_WAITS = 16, MORE_WAITS = 64 };
#define NEVER UINT64_MAX

struct wait_entry {
	struct waitq *queue;
	struct waiter waiter;
};

struct wait_block {
	struct wait_block *next;
	unsigned used;
	struct wait_entry entry[MORE_WAITS];
};

struct poll_table {
	struct wait_block *blocks;
	unsigned used;
	int err;
	struct wait_entry entry[INLINE_WAITS];
};

struct poll_item { /* one file that is asked about */
	struct file *file;
	int fd;
	unsigned want, got;
};

void poll_wait(struct poll_table *pt, struct waitq *q)
{
	struct wait_entry *e;
	if (pt == NULL || pt->err != 0)
		return;
	if (pt->used < INLINE_WAITS) {
		e = &pt->entry[pt->used++];
	} else {
		struct wait_block *b = pt->blocks;
		if (b == NULL || b->used == MORE_WAITS) {
			b = kmalloc(sizeof(*b));
			if (b == NULL) {
				pt->err = -ENOMEM;
				return;
			}
			b->used = 0;
			b->next = pt->blocks;
			pt->blocks = b;
		}
		e = &b->entry[b->used++];
	}
	e->queue = q;
	wait_begin(q, &e->waiter, true);
}

/* The last joined first: waits nest. */
static void leave_queues(struct poll_table *pt)
{
	while (pt->blocks != NULL) {
		struct wait_block *b = pt->blocks;
		pt->blocks = b->next;
		while (b->used > 0) {
			struct wait_entry *e = &b->entry[--b->used];
			wait_end(e->queue, &e->waiter);
		}
		kfree(b);
	}
	while (pt->used > 0) {
		struct wait_entry *e = &pt->entry[--pt->used];
		wait_end(e->queue, &e->waiter);
	}
}

static unsigned poll_file(struct file *f, struct poll_table *pt)
{
	/* Regular files and directories never block. */
	unsigned m = f->ops->poll != NULL ? f->ops->poll(f, pt) : POLLIN | POLLOUT;
	if (m & POLLIN)
		m |= POLLRDNORM;
	if (m & POLLOUT)
		m |= POLLWRNORM;
	return m;
}

/* How many items have something to tell, waiting until `deadline` (0: no wait, NEVER) for one. */
static int poll_items(struct poll_item *items, unsigned n, uint64_t deadline)
{
	struct poll_table pt;
	struct waitq nobody; /* so that there is a queue to sleep on, even without files */
	int ready, err = 0;

	pt.blocks = NULL;
	pt.used = 0;
	pt.err = 0;
	waitq_init(&nobody);
	struct poll_table *reg = deadline != 0 ? &pt : NULL;
	poll_wait(reg, &nobody);
	for (;;) {
		ready = 0;
		for (unsigned i = 0; i < n; i++) {
			struct poll_item *it = &items[i];
			if (it->fd < 0)
				continue;
			it->got = POLLNVAL;
			if (it->file != NULL)
				it->got = poll_file(it->file, reg) & (it->want | POLLERR | POLLHUP);
			if (it->got != 0) {
				ready++;
				reg = NULL; /* no need to wait any more */
			}
		}
		if (ready > 0 || deadline == 0 || err != 0)
			break;
		if (reg != NULL) {
			reg = NULL;
			err = pt.err;
			continue;
		}
		err = wait_sleep(deadline == NEVER ? 0 : deadline);
	}
	leave_queues(&pt);
	if (ready > 0 || err == -ETIMEDOUT)
		return ready;
	return err == -ERESTARTSYS ? -ERESTARTNOHAND : err;
}

/* ---- the signal mask of ppoll and pselect6 */

static int swap_mask(uint64_t mask_va, uint64_t size)
{
	sigset_t mask;
	if (mask_va == 0)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (copy_from_user(&mask, mask_va, sizeof(mask)) != 0)
		return -EFAULT;
	current->saved_blocked = current->blocked;
	signal_set_blocked(mask);
	current->restore_blocked = true;
	exit_work_set();
	return 0;
}

/* After an interruption the mask stays, so that the signal is delivered under it; the way out to
 * user mode restores it then. */
static void unswap_mask(long result)
{
	if (!current->restore_blocked || result == -ERESTARTNOHAND)
		return;
	current->restore_blocked = false;
	signal_set_blocked(current->saved_blocked);
}

/* ---- time */

static uint64_t deadline_after(uint64_t ns)
{
	uint64_t now = clock_ns();
	if (ns == 0)
		return 0;
	return ns > NEVER - 1 - now ? NEVER : now + ns;
}

static uint64_t time_left(uint64_t deadline)
{
	uint64_t now = clock_ns();
	return deadline > now ? deadline - now : 0;
}

static int deadline_from_timespec(uint64_t va, uint64_t *deadline)
{
	uint64_t ns;
	*deadline = NEVER;
	if (va == 0)
		return 0;
	int err = timespec_from_user(va, &ns);
	if (err == 0)
		*deadline = deadline_after(ns);
	return err;
}

/* ---- poll */

struct pollfd_k {
	int32_t fd;
	int16_t events, revents;
};

static long do_poll_fds(uint64_t fds_va, unsigned n, uint64_t deadline)
{
	if (n > MAX(current->proc->rlim_nofile, (uint64_t)NOFILE))
		return -EINVAL;
	size_t bytes = n * sizeof(struct pollfd_k);
	struct pollfd_k *fds = kmalloc(MAX(bytes, (size_t)1));
	struct poll_item *items = kzalloc(MAX(n, 1u) * sizeof(*items));
	long r = -ENOMEM;
	unsigned open = 0;

	if (fds == NULL || items == NULL)
		goto out;
	r = -EFAULT;
	if (copy_from_user(fds, fds_va, bytes) != 0)
		goto out;
	for (; open < n; open++) {
		items[open].fd = fds[open].fd;
		items[open].want = (uint16_t)fds[open].events;
		if (fds[open].fd >= 0)
			items[open].file = fd_get_io(fds[open].fd);
	}
	r = poll_items(items, n, deadline);
	for (unsigned i = 0; i < n; i++)
		fds[i].revents = r < 0 ? 0 : (int16_t)items[i].got;
	if (r >= 0 && copy_to_user(fds_va, fds, bytes) != 0)
		r = -EFAULT;
out:
	for (unsigned i = 0; i < open; i++)
		if (items[i].file != NULL)
			file_put(items[i].file);
	kfree(items);
	kfree(fds);
	return r;
}

SYSCALL3(poll, uint64_t, fds, unsigned, n, int, timeout_ms)
{
	uint64_t deadline = timeout_ms < 0 ? NEVER : deadline_after((uint64_t)timeout_ms * 1000000);
	return do_poll_fds(fds, n, deadline);
}

SYSCALL5(ppoll, uint64_t, fds, unsigned, n, uint64_t, timeout, uint64_t, mask, uint64_t, mask_size)
{
	uint64_t deadline;
	int err = deadline_from_timespec(timeout, &deadline);
	if (err == 0)
		err = swap_mask(mask, mask_size);
	if (err != 0)
		return err;
	long r = do_poll_fds(fds, n, deadline);
	unswap_mask(r);
	if (timeout != 0)
		timespec_to_user(timeout, time_left(deadline));
	return r;
}

/* ---- select */

enum { SET_IN, SET_OUT, SET_EX, SETS };

static const unsigned set_wants[SETS] = {
	POLLIN | POLLRDNORM | POLLRDBAND,
	POLLOUT | POLLWRNORM,
	POLLPRI,
};
static const unsigned set_shows[SETS] = {
	POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	POLLOUT | POLLWRNORM | POLLERR,
	POLLPRI,
};

static bool bit_of(const uint64_t *set, unsigned i)
{
	return set[i / 64] >> i % 64 & 1;
}

static long select_items(struct poll_item *items, uint64_t sets[SETS][NOFILE / 64], unsigned n,
			 uint64_t deadline)
{
	for (unsigned i = 0; i < n; i++) {
		items[i].fd = -1;
		for (unsigned s = 0; s < SETS; s++)
			if (bit_of(sets[s], i))
				items[i].want |= set_wants[s];
		if (items[i].want == 0)
			continue;
		items[i].fd = (int)i;
		items[i].file = fd_get_io((int)i);
		if (items[i].file == NULL)
			return -EBADF;
	}
	int r = poll_items(items, n, deadline);
	if (r < 0)
		return r;
	long bits = 0;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned s = 0; s < SETS; s++) {
			if (!bit_of(sets[s], i))
				continue;
			if (items[i].got & set_shows[s])
				bits++;
			else
				sets[s][i / 64] &= ~BIT(i % 64);
		}
	}
	return bits;
}

static long do_select_fds(int count, const uint64_t va[SETS], uint64_t deadline)
{
	uint64_t sets[SETS][NOFILE / 64] = {{0}};
	if (count < 0)
		return -EINVAL;
	/* No descriptor is larger than NOFILE, so higher bits cannot name one. */
	unsigned n = MIN((unsigned)count, (unsigned)NOFILE);
	size_t bytes = in_ia32_call() ? (n + 31) / 32 * 4 : (n + 63) / 64 * 8;
	for (unsigned s = 0; s < SETS; s++)
		if (va[s] != 0 && copy_from_user(sets[s], va[s], bytes) != 0)
			return -EFAULT;
	struct poll_item *items = kzalloc(MAX(n, 1u) * sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	long r = select_items(items, sets, n, deadline);
	for (unsigned i = 0; i < n; i++)
		if (items[i].file != NULL)
			file_put(items[i].file);
	kfree(items);
	for (unsigned s = 0; s < SETS && r >= 0; s++)
		if (va[s] != 0 && copy_to_user(va[s], sets[s], bytes) != 0)
			r = -EFAULT;
	return r;
}

SYSCALL5(select, int, n, uint64_t, in, uint64_t, out, uint64_t, ex, uint64_t, timeout)
{
	const uint64_t va[SETS] = {in, out, ex};
	uint64_t deadline = NEVER;
	struct k_timeval tv;

	if (timeout != 0) {
		if (longs_from_user(&tv.sec, timeout, 2, in_ia32_call()) != 0)
			return -EFAULT;
		if (tv.sec < 0 || tv.usec < 0)
			return -EINVAL;
		/* Linux takes any number of microseconds; centuries are for ever. */
		uint64_t sec = MIN((uint64_t)tv.sec, UINT64_C(1) << 33) +
			       MIN((uint64_t)tv.usec / 1000000, UINT64_C(1) << 33);
		uint64_t ns = (uint64_t)tv.usec % 1000000 * 1000;
		deadline =
			sec > UINT64_C(4000000000) ? NEVER : deadline_after(sec * 1000000000 + ns);
	}
	long r = do_select_fds(n, va, deadline);
	if (timeout != 0) {
		uint64_t left = time_left(deadline);
		if (deadline != NEVER) {
			tv.sec = (int64_t)(left / 1000000000);
			tv.usec = (int64_t)(left % 1000000000 / 1000);
		}
		/* The sets are already written: a failure here does not undo the call. */
		(void)longs_to_user(timeout, &tv.sec, 2, in_ia32_call());
	}
	return r;
}

SYSCALL6(pselect6, int, n, uint64_t, in, uint64_t, out, uint64_t, ex, uint64_t, timeout, uint64_t,
	 mask_arg)
{
	const uint64_t va[SETS] = {in, out, ex};
	int64_t mask[2] = {0, 0}; /* address, size */
	uint64_t deadline;

	if (mask_arg != 0 && longs_from_user(mask, mask_arg, 2, in_ia32_call()) != 0)
		return -EFAULT;
	int err = deadline_from_timespec(timeout, &deadline);
	if (err == 0)
		err = swap_mask(in_ia32_call() ? (uint32_t)mask[0] : (uint64_t)mask[0],
				(uint64_t)mask[1]);
	if (err != 0)
		return err;
	long r = do_select_fds(n, va, deadline);
	unswap_mask(r);
	if (timeout != 0)
		timespec_to_user(timeout, time_left(deadline));
	return r;
}
