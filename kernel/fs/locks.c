/* SPDX-License-Identifier: MIT */
/* Advisory locks: flock (owned by the struct file) and fcntl record locks (owned by the table of
 * open files, which is the process). One list, one spin lock, one queue of waiters: programs hold
 * few of these. A record lock's inode is open in its owner's table, so no reference is kept. */
#include "fs.h"
#include "ia32.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

struct file_lock {
	struct list link;
	const struct inode *in;
	const void *owner; /* struct file of flock, struct files of fcntl */
	uint64_t start, end;
	int pid;
	bool record, exclusive;
};

static struct list locks = LIST_INIT(locks);
static spinlock_t locks_lock = SPINLOCK_INIT;
static struct waitq locks_wait = WAITQ_INIT(locks_wait);

/* locks_lock held: what keeps `want` out, or NULL. */
static struct file_lock *conflict(const struct file_lock *want)
{
	list_for_each_entry (l, &locks, struct file_lock, link)
		if (l->in == want->in && l->record == want->record && l->owner != want->owner &&
		    (l->exclusive || want->exclusive) && l->start < want->end &&
		    want->start < l->end)
			return l;
	return NULL;
}

static bool is_free(const struct file_lock *want)
{
	spin_lock(&locks_lock);
	bool ok = conflict(want) == NULL;
	spin_unlock(&locks_lock);
	return ok;
}

/* locks_lock held. Takes [start, end) away from what the owner holds; *spare is used up if a lock
 * is cut in two. Freed locks go to *dead. */
static void cut_out(const struct file_lock *w, struct file_lock **spare, struct list *dead)
{
	list_for_each_entry_safe (l, n, &locks, struct file_lock, link) {
		if (l->in != w->in || l->record != w->record || l->owner != w->owner ||
		    l->start >= w->end || w->start >= l->end)
			continue;
		if (l->start < w->start && l->end > w->end) {
			**spare = *l;
			(*spare)->start = w->end;
			list_add(&l->link, &(*spare)->link);
			*spare = NULL;
			l->end = w->start;
		} else if (l->start < w->start) {
			l->end = w->start;
		} else if (l->end > w->end) {
			l->start = w->end;
		} else {
			list_del(&l->link);
			list_add(dead, &l->link);
		}
	}
}

static void free_all(struct list *dead)
{
	list_for_each_entry_safe (l, n, dead, struct file_lock, link)
		kfree(l);
}

/* Sets (or, unlock: removes) w. 0, -EAGAIN, -ENOMEM, -ERESTARTSYS. */
static int set_lock(const struct file_lock *w, bool unlock, bool wait)
{
	struct file_lock *fresh = kzalloc(sizeof(*fresh)), *spare = kzalloc(sizeof(*spare));
	struct list dead = LIST_INIT(dead);
	int err = fresh == NULL || spare == NULL ? -ENOMEM : 0;
	while (err == 0) {
		spin_lock(&locks_lock);
		if (unlock || conflict(w) == NULL) {
			cut_out(w, &spare, &dead);
			if (!unlock) {
				*fresh = *w;
				list_add_tail(&locks, &fresh->link);
				fresh = NULL;
			}
			spin_unlock(&locks_lock);
			wake_all(&locks_wait);
			break;
		}
		if (!w->record) /* flock gives its old lock up before it waits for the new */
			cut_out(w, &spare, &dead);
		spin_unlock(&locks_lock);
		if (wait)
			wait_event_interruptible(&locks_wait, is_free(w), err);
		else
			err = -EAGAIN;
	}
	free_all(&dead);
	kfree(fresh);
	kfree(spare);
	return err;
}

static void drop_owner(const void *owner, const struct inode *in, bool record)
{
	struct list dead = LIST_INIT(dead);
	spin_lock(&locks_lock);
	list_for_each_entry_safe (l, n, &locks, struct file_lock, link) {
		if (l->owner == owner && l->record == record && l->in == in) {
			list_del(&l->link);
			list_add(&dead, &l->link);
		}
	}
	spin_unlock(&locks_lock);
	if (!list_empty(&dead))
		wake_all(&locks_wait);
	free_all(&dead);
}

static bool none_held(void)
{
	return __atomic_load_n(&locks.next, __ATOMIC_ACQUIRE) == &locks;
}

void locks_file_released(struct file *f)
{
	if (!none_held())
		drop_owner(f, f->inode, false);
}

void locks_inode_closed(struct inode *in, struct files *owner)
{
	if (!none_held())
		drop_owner(owner, in, true);
}

SYSCALL2(flock, int, fd, uint32_t, op)
{
	enum { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };
	uint32_t what = op & ~(uint32_t)LOCK_NB;
	if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
		return -EINVAL;
	struct file *f = fd_get_io(fd);
	if (f == NULL)
		return -EBADF;
	struct file_lock w = {
		.in = f->inode, .owner = f, .end = UINT64_MAX, .exclusive = what == LOCK_EX};
	long r = set_lock(&w, what == LOCK_UN, !(op & LOCK_NB));
	file_put(f);
	return r;
}

_Static_assert(sizeof(struct k_flock) == 32, "struct flock drifted");

enum { F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2, F_GETLK = 5, F_SETLKW = 7 };

static int to_range(const struct file *f, const struct k_flock *u, struct file_lock *w)
{
	int64_t base = 0, start = 0, end = 0;
	if (u->whence == SEEK_CUR)
		base = (int64_t)f->pos;
	else if (u->whence == SEEK_END)
		base = (int64_t)f->inode->size;
	else if (u->whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(base, u->start, &start) ||
	    __builtin_add_overflow(start, u->len, &end))
		return -EOVERFLOW;
	if (u->len < 0) { /* the bytes before start */
		int64_t t = start;
		start = end;
		end = t;
	}
	if (start < 0)
		return -EINVAL;
	w->start = (uint64_t)start;
	w->end = u->len == 0 ? UINT64_MAX : (uint64_t)end;
	return 0;
}

static void get_lock(const struct file_lock *w, struct k_flock *u)
{
	spin_lock(&locks_lock);
	const struct file_lock *l = conflict(w);
	u->type = l == NULL ? F_UNLCK : l->exclusive ? F_WRLCK : F_RDLCK;
	if (l != NULL) {
		u->whence = SEEK_SET;
		u->start = (int64_t)l->start;
		u->len = l->end == UINT64_MAX ? 0 : (int64_t)(l->end - l->start);
		u->pid = l->pid;
	}
	spin_unlock(&locks_lock);
}

long lock_fcntl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct k_flock u;
	bool ia32 = in_ia32_call();
	if ((ia32 ? ia32_flock_from_user(&u, arg) : copy_from_user(&u, arg, sizeof(u))) != 0)
		return -EFAULT;
	struct file_lock w = {.in = f->inode,
			      .owner = current->files,
			      .record = true,
			      .exclusive = u.type == F_WRLCK,
			      .pid = current->proc != NULL ? current->proc->pid : 0};
	if (u.type != F_RDLCK && u.type != F_WRLCK && (u.type != F_UNLCK || cmd == F_GETLK))
		return -EINVAL;
	int err = to_range(f, &u, &w);
	if (err != 0)
		return err;
	if (cmd == F_GETLK) {
		get_lock(&w, &u);
		return ia32 ? ia32_flock_to_user(arg, &u) : copy_to_user(arg, &u, sizeof(u));
	}
	uint32_t mode = f->flags & O_ACCMODE;
	if ((u.type == F_WRLCK && mode == O_RDONLY) || (u.type == F_RDLCK && mode == O_WRONLY))
		return -EBADF;
	return set_lock(&w, u.type == F_UNLCK, cmd == F_SETLKW);
}
