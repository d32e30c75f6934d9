/* SPDX-License-Identifier: MIT */
/* Calls that change what an inode says about itself: mode, owner, times, size. */
#include "fs.h"
#include "ia32.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

/* A reference to what fd names; O_PATH files only if `path_too`. */
static struct inode *fd_inode(int fd, bool path_too)
{
	struct file *f = path_too ? fd_get(fd) : fd_get_io(fd);
	if (f == NULL)
		return err_ptr(-EBADF);
	struct inode *in = f->inode;
	inode_get(in);
	file_put(f);
	return in;
}

/* These three take the reference over. */
static long set_mode(struct inode *in, uint32_t mode)
{
	if (is_err(in))
		return ptr_err(in);
	long r = mode_is(in->mode, S_IFLNK) ? -EOPNOTSUPP : in->iops != NULL ? -EPERM : 0;
	if (r == 0) {
		mutex_lock(&in->lock);
		in->mode = (in->mode & S_IFMT) | (mode & MODE_BITS);
		in->ctime_ns = now_ns();
		mutex_unlock(&in->lock);
	}
	inode_put(in);
	return r;
}

static long set_owner(struct inode *in, uint32_t uid, uint32_t gid)
{
	if (is_err(in))
		return ptr_err(in);
	long r = in->iops != NULL ? -EPERM : 0;
	if (r == 0) {
		mutex_lock(&in->lock);
		in->uid = uid != UINT32_MAX ? uid : in->uid;
		in->gid = gid != UINT32_MAX ? gid : in->gid;
		if (mode_is(in->mode, S_IFREG)) {
			in->mode &= ~(uint32_t)S_ISUID;
			if (in->mode & 010)
				in->mode &= ~(uint32_t)S_ISGID;
		}
		in->ctime_ns = now_ns();
		mutex_unlock(&in->lock);
	}
	inode_put(in);
	return r;
}

#define KEEP_TIME UINT64_MAX

static long set_times(struct inode *in, const uint64_t ns[2])
{
	if (is_err(in))
		return ptr_err(in);
	mutex_lock(&in->lock);
	if (ns[0] != KEEP_TIME)
		in->atime_ns = ns[0];
	if (ns[1] != KEEP_TIME)
		in->mtime_ns = ns[1];
	if (ns[0] != KEEP_TIME || ns[1] != KEEP_TIME)
		in->ctime_ns = now_ns();
	mutex_unlock(&in->lock);
	inode_put(in);
	return 0;
}

SYSCALL2(chmod, uint64_t, path, uint32_t, mode)
{
	return set_mode(user_path_inode(AT_FDCWD, path, WALK_FOLLOW), mode);
}

SYSCALL2(fchmod, int, fd, uint32_t, mode)
{
	return set_mode(fd_inode(fd, false), mode);
}

SYSCALL3(fchmodat, int, dirfd, uint64_t, path, uint32_t, mode)
{
	return set_mode(user_path_inode(dirfd, path, WALK_FOLLOW), mode);
}

SYSCALL3(chown, uint64_t, path, uint32_t, uid, uint32_t, gid)
{
	return set_owner(user_path_inode(AT_FDCWD, path, WALK_FOLLOW), uid, gid);
}

SYSCALL3(lchown, uint64_t, path, uint32_t, uid, uint32_t, gid)
{
	return set_owner(user_path_inode(AT_FDCWD, path, 0), uid, gid);
}

SYSCALL3(fchown, int, fd, uint32_t, uid, uint32_t, gid)
{
	return set_owner(fd_inode(fd, false), uid, gid);
}

SYSCALL5(fchownat, int, dirfd, uint64_t, path, uint32_t, uid, uint32_t, gid, uint32_t, flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return set_owner(user_path_inode(dirfd, path, walk_flags_of_at(flags)), uid, gid);
}

#define NS_PER_SEC INT64_C(1000000000)

/* Times before 1970 become 1970: inodes count nanoseconds since then, up to the year 2554. */
static uint64_t to_ns(int64_t sec, int64_t nsec)
{
	if (sec < 0)
		return 0;
	if (sec >= (int64_t)((UINT64_MAX - 1) / (uint64_t)NS_PER_SEC))
		return UINT64_MAX - 1;
	return (uint64_t)sec * (uint64_t)NS_PER_SEC + (uint64_t)nsec;
}

SYSCALL2(utime, uint64_t, path, uint64_t, times)
{
	int64_t t[2];
	uint64_t ns[2] = {now_ns(), now_ns()};
	if (times != 0) {
		if (longs_from_user(t, times, 2, in_ia32_call()) != 0)
			return -EFAULT;
		ns[0] = to_ns(t[0], 0);
		ns[1] = to_ns(t[1], 0);
	}
	return set_times(user_path_inode(AT_FDCWD, path, WALK_FOLLOW), ns);
}

static long utimes_at(int dirfd, uint64_t path, uint64_t times)
{
	struct k_timeval t[2];
	uint64_t ns[2] = {now_ns(), now_ns()};
	if (times != 0) {
		if (longs_from_user(&t[0].sec, times, 4, in_ia32_call()) != 0)
			return -EFAULT;
		for (int i = 0; i < 2; i++) {
			if (t[i].usec < 0 || t[i].usec >= 1000000)
				return -EINVAL;
			ns[i] = to_ns(t[i].sec, t[i].usec * 1000);
		}
	}
	if (path == 0 && dirfd != AT_FDCWD)
		return set_times(fd_inode(dirfd, false), ns);
	return set_times(user_path_inode(dirfd, path, WALK_FOLLOW), ns);
}

SYSCALL2(utimes, uint64_t, path, uint64_t, times)
{
	return utimes_at(AT_FDCWD, path, times);
}

SYSCALL3(futimesat, int, dirfd, uint64_t, path, uint64_t, times)
{
	return utimes_at(dirfd, path, times);
}

SYSCALL4(utimensat, int, dirfd, uint64_t, path, uint64_t, times, uint32_t, flags)
{
	enum { UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe };
	struct k_timespec t[2];
	uint64_t ns[2] = {now_ns(), now_ns()};
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (times != 0) {
		if (timespecs_from_user(t, times, 2) != 0)
			return -EFAULT;
		for (int i = 0; i < 2; i++) {
			if (t[i].nsec == UTIME_NOW)
				continue;
			if (t[i].nsec != UTIME_OMIT && (t[i].nsec < 0 || t[i].nsec >= NS_PER_SEC))
				return -EINVAL;
			ns[i] = t[i].nsec == UTIME_OMIT ? KEEP_TIME : to_ns(t[i].sec, t[i].nsec);
		}
	}
	if (path == 0 && dirfd != AT_FDCWD)
		return flags != 0 ? -EINVAL : set_times(fd_inode(dirfd, false), ns);
	return set_times(user_path_inode(dirfd, path, walk_flags_of_at(flags)), ns);
}

static long set_size(struct inode *in, int64_t size)
{
	if (mode_is(in->mode, S_IFDIR))
		return -EISDIR;
	if (size < 0 || !mode_is(in->mode, S_IFREG) || !ramfs_is(in))
		return -EINVAL;
	return inode_cut(in, (uint64_t)size);
}

SYSCALL2(truncate, uint64_t, path, int64_t, size)
{
	struct inode *in = user_path_inode(AT_FDCWD, path, WALK_FOLLOW);
	if (is_err(in))
		return ptr_err(in);
	long r = set_size(in, size);
	inode_put(in);
	return r;
}

SYSCALL2(ftruncate, int, fd, int64_t, size)
{
	struct file *f = fd_get_io(fd);
	if (f == NULL)
		return -EBADF;
	long r = (f->flags & O_ACCMODE) == O_RDONLY ? -EINVAL : set_size(f->inode, size);
	file_put(f);
	return r;
}
