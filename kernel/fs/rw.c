/* SPDX-License-Identifier: MIT */
/* read, write and their relatives. User memory may fault, and a fault may need an inode's lock; so
 * data goes through a kernel buffer, and only pos_lock (which no fault takes) is held around the
 * copy.
 *
 * pos_lock makes read and write of files with a position atomic to each other. Pipes and terminals
 * have none: a reader that sleeps must not keep writers of the same struct file out. */
#include "fs.h"
#include "ia32.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

#define BOUNCE  65536UL
#define SMALL   256UL /* up to here the buffer is on the stack */
#define MAX_IOV 1024U
#define MAX_RW  0x7ffff000UL /* Linux's limit of one call */

struct user_iov {
	uint64_t base, len;
};

/* A scattered user buffer and how far it has been used. */
struct user_iter {
	struct user_iov one, *iov; /* iov is &one, or kmalloc'ed */
	unsigned n, i;
	uint64_t off, left;
};

static int iter_one(struct user_iter *it, uint64_t base, uint64_t n)
{
	*it = (struct user_iter){.one = {base, MIN(n, MAX_RW)}, .n = 1};
	it->iov = &it->one;
	it->left = it->one.len;
	return user_range_ok(base, it->left) ? 0 : -EFAULT;
}

static int iter_vec(struct user_iter *it, uint64_t vec, uint64_t n)
{
	*it = (struct user_iter){.n = (unsigned)n};
	it->iov = &it->one;
	if (n > MAX_IOV)
		return -EINVAL;
	if (n == 0)
		return 0;
	struct user_iov *iov = kmalloc(n * sizeof(*iov));
	if (iov == NULL)
		return -ENOMEM;
	bool ia32 = in_ia32_call();
	int err = longs_from_user((int64_t *)iov, vec, n * 2, ia32);
	for (unsigned i = 0; i < n && err == 0; i++) {
		if (ia32)
			iov[i].base = (uint32_t)iov[i].base;
		if (iov[i].len > (uint64_t)INT64_MAX)
			err = -EINVAL;
		else if (!user_range_ok(iov[i].base, iov[i].len))
			err = -EFAULT;
		else
			iov[i].len = MIN(iov[i].len, MAX_RW - it->left);
		if (err == 0)
			it->left += iov[i].len;
	}
	if (err != 0) {
		kfree(iov);
		return err;
	}
	it->iov = iov;
	return 0;
}

static void iter_end(struct user_iter *it)
{
	if (it->iov != &it->one)
		kfree(it->iov);
}

/* Copies n <= it->left bytes and advances; -EFAULT leaves the iterator where it is. */
static int iter_copy(struct user_iter *it, char *buf, size_t n, bool to_user)
{
	unsigned i = it->i;
	uint64_t off = it->off;
	size_t done = 0;
	while (done < n) {
		uint64_t va = it->iov[i].base + off;
		size_t chunk = MIN(n - done, it->iov[i].len - off);
		int err = to_user ? copy_to_user(va, buf + done, chunk)
				  : copy_from_user(buf + done, va, chunk);
		if (err != 0)
			return -EFAULT;
		done += chunk;
		off += chunk;
		if (off == it->iov[i].len) {
			off = 0;
			i++;
		}
	}
	it->i = i;
	it->off = off;
	it->left -= n;
	return 0;
}

static long read_iter(struct file *f, struct user_iter *it, char *buf, size_t size, uint64_t *pos)
{
	long done = 0;
	do {
		size_t n = MIN(it->left, size);
		uint64_t at = *pos;
		long r = f->ops->read(f, buf, n, &at);
		if (r < 0)
			return done != 0 ? done : r;
		if (iter_copy(it, buf, (size_t)r, true) != 0)
			return done != 0 ? done : -EFAULT;
		*pos = at;
		done += r;
		if ((size_t)r < n || mode_is(f->inode->mode, S_IFIFO))
			break; /* the end, or more would have to be waited for */
	} while (it->left != 0 && !(signal_pending() && done != 0));
	return done;
}

static long write_iter(struct file *f, struct user_iter *it, char *buf, size_t size, uint64_t *pos)
{
	long done = 0;
	do {
		size_t n = MIN(it->left, size);
		if (iter_copy(it, buf, n, false) != 0)
			return done != 0 ? done : -EFAULT;
		long r = f->ops->write(f, buf, n, pos);
		if (r < 0)
			return done != 0 ? done : r;
		done += r;
		if ((size_t)r < n)
			break;
	} while (it->left != 0);
	return done;
}

static inline long may(const struct file *f, bool write)
{
	if ((f->flags & O_ACCMODE) == (write ? O_RDONLY : O_WRONLY) || (f->flags & O_PATH))
		return -EBADF;
	return (write ? f->ops->write == NULL : f->ops->read == NULL) ? -EINVAL : 0;
}

/* pos NULL: at the file's own position. */
static long rw(struct file *f, struct user_iter *it, bool write, uint64_t *pos)
{
	char small[SMALL];
	char *buf = small;
	size_t size = SMALL;
	long err = may(f, write);
	if (err != 0 || it->left == 0)
		return err;
	if (it->left > SMALL) {
		size = MIN(it->left, BOUNCE);
		buf = kmalloc(size);
		if (buf == NULL && size > PAGE_SIZE) { /* a long run may be hard to find */
			size = PAGE_SIZE;
			buf = kmalloc(size);
		}
		if (buf == NULL)
			return -ENOMEM;
	}
	bool own = pos == NULL;
	bool lock = own && f->at_pos;
	if (lock)
		mutex_lock(&f->pos_lock);
	if (own)
		pos = &f->pos;
	long r = write ? write_iter(f, it, buf, size, pos) : read_iter(f, it, buf, size, pos);
	if (lock)
		mutex_unlock(&f->pos_lock);
	if (buf != small)
		kfree(buf);
	return r;
}

/* Pipes and terminals (majors 4 and 5) have no positions. */
static bool seekable(const struct file *f)
{
	uint64_t major = f->inode->rdev >> 8;
	if (mode_is(f->inode->mode, S_IFCHR))
		return major != 4 && major != 5;
	return !mode_is(f->inode->mode, S_IFIFO) && !mode_is(f->inode->mode, S_IFSOCK);
}

/* err: of making the iterator. */
static long rw_fd(int fd, struct user_iter *it, int err, bool write, const int64_t *at)
{
	struct file *f = fd_get(fd);
	long r = f == NULL ? -EBADF : err;
	if (r == 0 && at != NULL && *at < 0)
		r = -EINVAL;
	if (r == 0 && at != NULL && !seekable(f))
		r = -ESPIPE;
	if (r == 0) {
		uint64_t pos = at != NULL ? (uint64_t)*at : 0;
		r = rw(f, it, write, at != NULL ? &pos : NULL);
	}
	file_put(f);
	if (err == 0)
		iter_end(it);
	return r;
}

/* Calls of up to SMALL bytes in one buffer are by far the most: no iterator, one turn. */
static long write_short(int fd, uint64_t va, size_t n)
{
	char buf[SMALL];
	struct fd_loan l = fd_borrow(fd);
	struct file *f = l.file;
	if (f == NULL)
		return -EBADF;
	long r = may(f, true);
	if (r != 0 || n == 0)
		goto out;
	if (f->at_pos)
		mutex_lock(&f->pos_lock);
	r = copy_from_user(buf, va, n);
	if (r == 0)
		r = f->ops->write(f, buf, n, &f->pos);
	if (f->at_pos)
		mutex_unlock(&f->pos_lock);
out:
	fd_return(l);
	return r;
}

static long read_short(int fd, uint64_t va, size_t n)
{
	char buf[SMALL];
	struct fd_loan l = fd_borrow(fd);
	struct file *f = l.file;
	if (f == NULL)
		return -EBADF;
	long r = may(f, false);
	if (r == 0 && !user_range_ok(va, n))
		r = -EFAULT;
	if (r != 0 || n == 0)
		goto out;
	if (f->at_pos)
		mutex_lock(&f->pos_lock);
	uint64_t pos = f->pos;
	r = f->ops->read(f, buf, n, &pos);
	if (r >= 0 && copy_to_user(va, buf, (size_t)r) != 0)
		r = -EFAULT;
	else if (r >= 0)
		f->pos = pos;
	if (f->at_pos)
		mutex_unlock(&f->pos_lock);
out:
	fd_return(l);
	return r;
}

SYSCALL3(read, int, fd, uint64_t, buf, uint64_t, n)
{
	if (n <= SMALL)
		return read_short(fd, buf, n);
	struct user_iter it;
	int err = iter_one(&it, buf, n);
	return rw_fd(fd, &it, err, false, NULL);
}

SYSCALL3(write, int, fd, uint64_t, buf, uint64_t, n)
{
	if (n <= SMALL)
		return write_short(fd, buf, n);
	struct user_iter it;
	int err = iter_one(&it, buf, n);
	return rw_fd(fd, &it, err, true, NULL);
}

SYSCALL4(pread64, int, fd, uint64_t, buf, uint64_t, n, int64_t, at)
{
	struct user_iter it;
	int err = iter_one(&it, buf, n);
	return rw_fd(fd, &it, err, false, &at);
}

SYSCALL4(pwrite64, int, fd, uint64_t, buf, uint64_t, n, int64_t, at)
{
	struct user_iter it;
	int err = iter_one(&it, buf, n);
	return rw_fd(fd, &it, err, true, &at);
}

SYSCALL3(readv, int, fd, uint64_t, vec, uint64_t, n)
{
	struct user_iter it;
	int err = iter_vec(&it, vec, n);
	return rw_fd(fd, &it, err, false, NULL);
}

SYSCALL3(writev, int, fd, uint64_t, vec, uint64_t, n)
{
	struct user_iter it;
	int err = iter_vec(&it, vec, n);
	return rw_fd(fd, &it, err, true, NULL);
}

SYSCALL4(preadv, int, fd, uint64_t, vec, uint64_t, n, int64_t, at)
{
	struct user_iter it;
	int err = iter_vec(&it, vec, n);
	return rw_fd(fd, &it, err, false, &at);
}

SYSCALL4(pwritev, int, fd, uint64_t, vec, uint64_t, n, int64_t, at)
{
	struct user_iter it;
	int err = iter_vec(&it, vec, n);
	return rw_fd(fd, &it, err, true, &at);
}

static int64_t seek_base(struct file *f, int whence)
{
	enum { SEEK_DATA = 3, SEEK_HOLE = 4 };
	switch (whence) {
	case SEEK_SET:
		return 0;
	case SEEK_CUR:
		return (int64_t)f->pos;
	case SEEK_END:
	case SEEK_DATA:
	case SEEK_HOLE:
		return (int64_t)f->inode->size;
	default:
		return -EINVAL;
	}
}

SYSCALL3(lseek, int, fd, int64_t, off, int, whence)
{
	struct file *f = fd_get_io(fd);
	if (f == NULL)
		return -EBADF;
	long r = -ESPIPE;
	if (seekable(f)) {
		mutex_lock(&f->pos_lock);
		int64_t base = seek_base(f, whence), to = 0;
		if (base < 0)
			r = base;
		else if (whence > SEEK_END) /* all data up to the end, where the only hole is */
			r = off < 0 || off >= base ? -ENXIO : whence == SEEK_END + 1 ? off : base;
		else if (__builtin_add_overflow(base, off, &to))
			r = -EOVERFLOW;
		else
			r = to < 0 ? -EINVAL : to;
		if (r >= 0)
			f->pos = (uint64_t)r;
		mutex_unlock(&f->pos_lock);
	}
	file_put(f);
	return r;
}
