/* SPDX-License-Identifier: MIT */
/* open and its relatives, fcntl, ioctl. */
#include "fs.h"
#include "pipe.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

static long open_call(int dirfd, uint64_t path, uint32_t flags, uint32_t mode)
{
	char *p = path_from_user(path, false);
	if (is_err(p))
		return ptr_err(p);
	struct file *f = file_open_at(dirfd, p, flags, mode);
	kfree(p);
	return is_err(f) ? ptr_err(f) : fd_install(f, flags & O_CLOEXEC);
}

SYSCALL3(open, uint64_t, path, uint32_t, flags, uint32_t, mode)
{
	return open_call(AT_FDCWD, path, flags, mode);
}

SYSCALL4(openat, int, dirfd, uint64_t, path, uint32_t, flags, uint32_t, mode)
{
	return open_call(dirfd, path, flags, mode);
}

SYSCALL2(creat, uint64_t, path, uint32_t, mode)
{
	return open_call(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

enum {
	F_DUPFD = 0,
	F_GETFD = 1,
	F_SETFD = 2,
	F_GETFL = 3,
	F_SETFL = 4,
	F_GETLK = 5,
	F_SETLK = 6,
	F_SETLKW = 7,
	F_SETOWN = 8,
	F_GETOWN = 9,
	F_DUPFD_CLOEXEC = 1030,
	F_SETPIPE_SZ = 1031,
	F_GETPIPE_SZ = 1032,
	FD_CLOEXEC = 1,
	SETFL_MAY = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME,
};

/* Takes the reference over. */
static long dup_from(struct file *f, uint64_t min, bool cloexec)
{
	const struct process *p = current->proc;
	int fd = -EINVAL;
	if (min < NOFILE && (p == NULL || min < p->rlim_nofile))
		fd = fd_install_from(f, cloexec, (unsigned)min);
	if (fd < 0)
		file_put(f);
	return fd;
}

SYSCALL3(fcntl, int, fd, uint32_t, cmd, uint64_t, arg)
{
	struct file *f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	long r = -EINVAL;
	bool path_only = f->flags & O_PATH;
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_from(f, arg, cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		r = fd_get_cloexec(fd);
		r = r > 0 ? FD_CLOEXEC : r;
		break;
	case F_SETFD:
		r = fd_set_cloexec(fd, arg & FD_CLOEXEC);
		break;
	case F_GETFL:
		r = f->flags;
		break;
	case F_SETFL:
		r = path_only ? -EBADF : 0;
		if (r == 0)
			f->flags = (f->flags & ~(uint32_t)SETFL_MAY) | ((uint32_t)arg & SETFL_MAY);
		break;
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
		r = path_only ? -EBADF : lock_fcntl(f, cmd, arg);
		break;
	case F_GETOWN: /* nobody is sent SIGIO */
		r = 0;
		break;
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		r = f->ops != &pipe_ops ? -EBADF : pipe_size(f, cmd == F_SETPIPE_SZ, arg);
		break;
	default:
		break;
	}
	file_put(f);
	return r;
}

enum { FIONREAD = 0x541b, FIONBIO = 0x5421, FIONCLEX = 0x5450, FIOCLEX = 0x5451 };

static long ioctl_call(struct file *f, int fd, uint32_t cmd, uint64_t arg)
{
	uint32_t v;
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		return fd_set_cloexec(fd, cmd == FIOCLEX);
	case FIONBIO:
		if (user_read32(arg, &v) != 0)
			return -EFAULT;
		f->flags = v != 0 ? f->flags | O_NONBLOCK : f->flags & ~(uint32_t)O_NONBLOCK;
		return 0;
	case FIONREAD:
		if (!mode_is(f->inode->mode, S_IFREG))
			break;
		v = (uint32_t)(f->inode->size - f->pos);
		return copy_to_user(arg, &v, sizeof(v));
	default:
		break;
	}
	return f->ops->ioctl != NULL ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
}

SYSCALL3(ioctl, int, fd, uint32_t, cmd, uint64_t, arg)
{
	struct file *f = fd_get_io(fd);
	if (f == NULL)
		return -EBADF;
	long r = ioctl_call(f, fd, cmd, arg);
	file_put(f);
	return r;
}
