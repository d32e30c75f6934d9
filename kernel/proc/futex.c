/* SPDX-License-Identifier: MIT */
/*
 * Futexes: a sleeper queues itself under the name of a word in user memory, a waker looks there.
 *
 * No wake-up is lost: the sleeper is in its bucket before it reads the word, and the waker wrote
 * the word before it takes the bucket's lock. The word is read with no lock held, for the read may
 * fault; so a sleeper may be woken although it then finds the word changed, and it reports that as
 * a wake-up, since the waker counted it. Who is requeued changes buckets: w->bucket is read anew
 * until the lock that was taken is the right one. Wakers touch a sleeper under its bucket's lock
 * only, and the sleeper takes that lock once more before its stack frame goes.
 */
#include "futex.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"

enum {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_REQUEUE = 3,
	FUTEX_CMP_REQUEUE = 4,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_PRIVATE = 128,
	FUTEX_REALTIME = 256,
	FUTEX_COMMAND = 127,
};
#define ANY_BIT UINT32_MAX
#define BUCKETS 128

struct bucket {
	spinlock_t lock; /* task context only */
	struct list waiters;
};

struct futex_waiter {
	struct list link;
	struct futex_key key;
	uint32_t bits;
	struct bucket *volatile bucket;
	volatile bool woken;
	struct waitq sleep;
};

static struct bucket buckets[BUCKETS];

static struct bucket *bucket_of(const struct futex_key *key)
{
	uint64_t h = (key->base ^ key->where >> 2) * UINT64_C(0x9e3779b97f4a7c15);
	return &buckets[(h >> 32) % BUCKETS];
}

/* An all-zero head is an empty one. */
static void bucket_lock(struct bucket *b)
{
	spin_lock(&b->lock);
	if (!b->waiters.next)
		list_init(&b->waiters);
}

static bool same(const struct futex_key *a, const struct futex_key *b)
{
	return a->base == b->base && a->where == b->where;
}

static void enqueue(struct futex_waiter *w, struct bucket *b)
{
	w->bucket = b;
	list_add_tail(&b->waiters, &w->link);
}

static void wake_locked(struct futex_waiter *w)
{
	list_del(&w->link);
	w->woken = true;
	wake_all(&w->sleep);
}

/* Out of whatever bucket w is in: true if a waker has taken it out before. */
static bool unqueue(struct futex_waiter *w)
{
	struct bucket *b;
	for (;;) {
		b = w->bucket;
		bucket_lock(b);
		if (b == w->bucket)
			break;
		spin_unlock(&b->lock);
	}
	bool woken = w->woken;
	if (!woken)
		list_del(&w->link);
	spin_unlock(&b->lock);
	return woken;
}

/* deadline: clock_ns() time, 0 for none. 0, -EAGAIN, -ETIMEDOUT, -ERESTARTSYS, -EFAULT. */
static long futex_wait(uint64_t addr, bool private, uint32_t value, uint32_t bits,
		       uint64_t deadline)
{
	struct futex_waiter w = {.bits = bits};
	struct waiter sleeper;
	uint32_t now;
	int err = futex_key_get(current->mm, addr, private, &w.key);
	if (err)
		return err;
	waitq_init(&w.sleep);
	struct bucket *b = bucket_of(&w.key);
	bucket_lock(b);
	enqueue(&w, b);
	spin_unlock(&b->lock);

	err = user_read32(addr, &now);
	if (!err && now != value)
		err = -EAGAIN;
	if (!err) {
		wait_begin(&w.sleep, &sleeper, true);
		while (!w.woken && !err)
			err = wait_sleep(deadline);
		wait_end(&w.sleep, &sleeper);
	}
	if (unqueue(&w))
		err = 0;
	futex_key_put(&w.key);
	return err;
}

/* The rest of a wait with a deadline, after a signal without a handler. */
static long futex_wait_again(struct task *t)
{
	long err =
		futex_wait(t->restart_arg[0], t->restart_arg[1] != 0, (uint32_t)t->restart_arg[2],
			   (uint32_t)t->restart_arg[3], t->restart_until_ns);
	if (err != -ERESTARTSYS)
		return err;
	t->restart_fn = futex_wait_again;
	return -ERESTART_RESTARTBLOCK;
}

static long futex_wait_first(uint64_t addr, bool private, uint32_t value, uint32_t bits,
			     uint64_t deadline)
{
	struct task *t = current;
	if (!deadline)
		return futex_wait(addr, private, value, bits, 0);
	t->restart_arg[0] = addr;
	t->restart_arg[1] = private;
	t->restart_arg[2] = value;
	t->restart_arg[3] = bits;
	t->restart_until_ns = deadline;
	return futex_wait_again(t);
}

static long futex_wake(struct mm *mm, uint64_t addr, bool private, int n, uint32_t bits)
{
	struct futex_key key;
	long woken = 0;
	int err = futex_key_get(mm, addr, private, &key);
	if (err)
		return err;
	struct bucket *b = bucket_of(&key);
	bucket_lock(b);
	list_for_each_entry_safe (w, next, &b->waiters, struct futex_waiter, link) {
		if (!same(&w->key, &key) || !(w->bits & bits))
			continue;
		wake_locked(w);
		if (++woken >= n)
			break;
	}
	spin_unlock(&b->lock);
	futex_key_put(&key);
	return woken;
}

long futex_wake_addr(struct mm *mm, uint64_t addr, int n)
{
	return futex_wake(mm, addr, false, n, ANY_BIT);
}

/* ---- requeueing ---- */

static void lock_two(struct bucket *a, struct bucket *b)
{
	bucket_lock(a < b ? a : b);
	if (a != b)
		bucket_lock(a < b ? b : a);
}

static void unlock_two(struct bucket *a, struct bucket *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

static long move_locked(struct bucket *from, struct bucket *to, const struct futex_key *key,
			const struct futex_key *new_key, int wake, int move)
{
	long done = 0;
	list_for_each_entry_safe (w, next, &from->waiters, struct futex_waiter, link) {
		if (!same(&w->key, key))
			continue;
		if (done < wake) {
			wake_locked(w);
		} else if (done - wake < move) {
			if (same(key, new_key)) {
				done++; /* it is there already */
				continue;
			}
			list_del(&w->link);
			/* The caller holds both keys too, so neither page can go here. */
			futex_key_put(&w->key);
			w->key = *new_key;
			futex_key_ref(&w->key);
			enqueue(w, to);
		} else {
			break;
		}
		done++;
	}
	return done;
}

/* Wakes `wake` sleepers of addr and moves up to `move` others to addr2. With `compare`, only if the
 * word is `value` at that very time: it is read with the buckets locked, through the direct map,
 * while mm->lock keeps the page in its place. */
static long futex_requeue(uint64_t addr, uint64_t addr2, bool private, int wake, int move,
			  bool compare, uint32_t value)
{
	struct mm *mm = current->mm;
	struct futex_key key, key2;
	const volatile uint32_t *word = NULL;
	if (wake < 0 || move < 0)
		return -EINVAL;
	long ret = futex_key_get(mm, addr, private, &key);
	if (ret)
		return ret;
	ret = futex_key_get(mm, addr2, private, &key2);
	if (ret)
		goto put_first;
	if (compare) {
		word = futex_word_lock(mm, addr);
		if (!word) {
			ret = -EFAULT;
			goto put_both;
		}
	}
	struct bucket *from = bucket_of(&key), *to = bucket_of(&key2);
	lock_two(from, to);
	if (compare && *word != value)
		ret = -EAGAIN;
	else
		ret = move_locked(from, to, &key, &key2, wake, move);
	unlock_two(from, to);
	if (compare)
		mutex_unlock(&mm->lock);
put_both:
	futex_key_put(&key2);
put_first:
	futex_key_put(&key);
	return ret;
}

/* ---- the system call ---- */

/* The timeout as clock_ns() time: 0 for none. */
static int deadline_from_user(uint64_t va, int op, uint64_t *deadline)
{
	uint64_t ns;
	*deadline = 0;
	if (!va)
		return 0;
	int err = timespec_from_user(va, &ns);
	if (err)
		return err;
	uint64_t now = clock_ns(), offset = realtime_ns() - now;
	if ((op & FUTEX_COMMAND) == FUTEX_WAIT)
		ns += now;
	else if (op & FUTEX_REALTIME)
		ns = ns > offset ? ns - offset : 0;
	*deadline = ns ? ns : 1;
	return 0;
}

SYSCALL6(futex, uint64_t, addr, int, op, uint32_t, value, uint64_t, timeout, uint64_t, addr2,
	 uint32_t, value3)
{
	bool private = op & FUTEX_PRIVATE;
	int command = op & FUTEX_COMMAND;
	uint64_t deadline;
	int err;
	if ((op & FUTEX_REALTIME) && command != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT:
		value3 = ANY_BIT;
		__attribute__((__fallthrough__));
	case FUTEX_WAIT_BITSET:
		if (value3 == 0)
			return -EINVAL;
		err = deadline_from_user(timeout, op, &deadline);
		return err ? err : futex_wait_first(addr, private, value, value3, deadline);
	case FUTEX_WAKE:
		return futex_wake(current->mm, addr, private, (int)value, ANY_BIT);
	case FUTEX_WAKE_BITSET:
		if (value3 == 0)
			return -EINVAL;
		return futex_wake(current->mm, addr, private, (int)value, value3);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(addr, addr2, private, (int)value, (int)timeout,
				     command == FUTEX_CMP_REQUEUE, value3);
	default:
		return -ENOSYS;
	}
}
