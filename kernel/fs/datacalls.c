/* SPDX-License-Identifier: MIT */
/* Calls about the data of open files other than read and write: allocation, copying inside the
 * kernel, and those that bring data to a disk, of which there is none. */
#include "fs.h"
#include "ia32.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

static long check_fd(int fd, bool path_only_ok)
{
	struct file *f = path_only_ok ? fd_get(fd) : fd_get_io(fd);
	if (f == NULL)
		return -EBADF;
	bool pipe = mode_is(f->inode->mode, S_IFIFO);
	file_put(f);
	return pipe ? -EINVAL : 0;
}

SYSCALL1(fsync, int, fd)
{
	return check_fd(fd, false);
}

SYSCALL1(fdatasync, int, fd)
{
	return check_fd(fd, false);
}

SYSCALL0(sync)
{
	return 0;
}

SYSCALL1(syncfs, int, fd)
{
	long r = check_fd(fd, false);
	return r == -EINVAL ? 0 : r;
}

SYSCALL4(fadvise64, int, fd, int64_t, off, int64_t, n, int, advice)
{
	(void)off;
	enum { ADVICE_LAST = 5 };
	long r = check_fd(fd, false);
	if (r != 0)
		return r == -EINVAL ? -ESPIPE : r;
	return n < 0 || advice < 0 || advice > ADVICE_LAST ? -EINVAL : 0;
}

static long fallocate_file(struct file *f, uint32_t mode, int64_t off, int64_t n)
{
	enum { KEEP_SIZE = 1, PUNCH_HOLE = 2 };
	if (off < 0 || n <= 0)
		return -EINVAL;
	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (mode & ~(uint32_t)(KEEP_SIZE | PUNCH_HOLE) || mode == PUNCH_HOLE)
		return -EOPNOTSUPP;
	if (mode_is(f->inode->mode, S_IFIFO))
		return -ESPIPE;
	if (mode_is(f->inode->mode, S_IFDIR))
		return -EISDIR;
	if (!mode_is(f->inode->mode, S_IFREG))
		return -ENODEV;
	if (!ramfs_is(f->inode))
		return -EOPNOTSUPP;
	if (mode & PUNCH_HOLE)
		return ramfs_punch(f->inode, (uint64_t)off, (uint64_t)n);
	return ramfs_fallocate(f->inode, (uint64_t)off, (uint64_t)n, mode & KEEP_SIZE);
}

SYSCALL4(fallocate, int, fd, uint32_t, mode, int64_t, off, int64_t, n)
{
	struct file *f = fd_get_io(fd);
	if (f == NULL)
		return -EBADF;
	long r = fallocate_file(f, mode, off, n);
	file_put(f);
	return r;
}

#define COPY_CHUNK 32768UL

/* Positions are the caller's own. What was read but could not be written is not counted as read. */
static long copy_data(struct file *in, uint64_t *ipos, struct file *out, uint64_t *opos, uint64_t n)
{
	long done = 0;
	char *buf = kmalloc(COPY_CHUNK);
	if (buf == NULL)
		return -ENOMEM;
	while (n != 0) {
		uint64_t at = *ipos;
		long r = in->ops->read(in, buf, MIN(n, COPY_CHUNK), &at);
		long w = r > 0 ? out->ops->write(out, buf, (size_t)r, opos) : r;
		if (w <= 0) {
			done = done != 0 ? done : w;
			break;
		}
		*ipos += (uint64_t)w;
		done += w;
		n -= (uint64_t)w;
		if (w < r || signal_pending())
			break;
	}
	kfree(buf);
	return done;
}

static int get_pos(uint64_t user, const struct file *f, uint64_t *pos)
{
	*pos = f->pos;
	if (user != 0 && longs_from_user((int64_t *)pos, user, 1, ia32_old()) != 0)
		return -EFAULT;
	return *pos > (uint64_t)INT64_MAX ? -EINVAL : 0;
}

static int put_pos(uint64_t user, struct file *f, uint64_t pos)
{
	if (user != 0)
		return longs_to_user(user, (const int64_t *)&pos, 1, ia32_old());
	f->pos = pos;
	return 0;
}

/* Common to both: checks and runs. uin, uout: user positions or 0. */
static long copy_files(struct file *in, uint64_t uin, struct file *out, uint64_t uout, uint64_t n)
{
	uint64_t ipos, opos;
	if ((in->flags & O_ACCMODE) == O_WRONLY || (out->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (in->ops->read == NULL || out->ops->write == NULL)
		return -EINVAL;
	long r = get_pos(uin, in, &ipos);
	if (r == 0)
		r = get_pos(uout, out, &opos);
	if (r != 0)
		return r;
	r = copy_data(in, &ipos, out, &opos, MIN(n, 0x7ffff000UL));
	if (r > 0 && (put_pos(uin, in, ipos) != 0 || put_pos(uout, out, opos) != 0))
		return -EFAULT;
	return r;
}

SYSCALL4(sendfile, int, ofd, int, ifd, uint64_t, off, uint64_t, n)
{
	struct file *in = fd_get_io(ifd), *out = fd_get_io(ofd);
	long r = -EBADF;
	if (in != NULL && out != NULL) {
		if (mode_is(in->inode->mode, S_IFIFO) || mode_is(in->inode->mode, S_IFCHR))
			r = -EINVAL; /* read data that cannot be written would be lost */
		else
			r = copy_files(in, off, out, 0, n);
	}
	file_put(in);
	file_put(out);
	return r;
}

SYSCALL6(copy_file_range, int, ifd, uint64_t, ioff, int, ofd, uint64_t, ooff, uint64_t, n, uint32_t,
	 flags)
{
	struct file *in = fd_get_io(ifd), *out = fd_get_io(ofd);
	long r = -EBADF;
	if (in != NULL && out != NULL) {
		if (mode_is(in->inode->mode, S_IFDIR) || mode_is(out->inode->mode, S_IFDIR))
			r = -EISDIR;
		else if (flags != 0 || !mode_is(in->inode->mode, S_IFREG) ||
			 !mode_is(out->inode->mode, S_IFREG))
			r = -EINVAL;
		else if (out->flags & O_APPEND)
			r = -EBADF;
		else if (!ramfs_is(in->inode) || !ramfs_is(out->inode))
			r = -EXDEV; /* made-up files have no size: let the caller read them */
		else
			r = copy_files(in, ioff, out, ooff, n);
	}
	file_put(in);
	file_put(out);
	return r;
}
