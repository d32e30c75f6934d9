/* SPDX-License-Identifier: MIT */
/* stat, statx, access: what an inode looks like to programs. */
#include "../proc/proc.h"
#include "fs.h"
#include "ia32.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

#define NS_PER_SEC UINT64_C(1000000000)

_Static_assert(sizeof(struct k_stat) == 144, "struct stat drifted");

struct k_statx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t pad;
};

struct k_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad0;
	uint64_t ino, size, blocks, attributes_mask;
	struct k_statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id, spare[13];
};
_Static_assert(sizeof(struct k_statx) == 256, "struct statx drifted");

#define STATX_BASIC_STATS 0x7ffU
#define STATX_RESERVED    0x80000000U

uint64_t now_ns(void)
{
	return realtime_ns();
}

static uint64_t blocks_of(const struct inode *in)
{
	return ramfs_is(in) ? ramfs_pages(in) * (PAGE_SIZE / 512) : 0;
}

static struct k_timespec timespec_of(uint64_t ns)
{
	return (struct k_timespec){(int64_t)(ns / NS_PER_SEC), (int64_t)(ns % NS_PER_SEC)};
}

static void refresh(struct inode *in)
{
	if (in->iops != NULL && in->iops->getattr != NULL)
		in->iops->getattr(in);
}

static int put_stat(struct inode *in, uint64_t buf)
{
	refresh(in);
	struct k_stat st = {
		.dev = in->dev,
		.ino = in->ino,
		.nlink = in->nlink,
		.mode = in->mode,
		.uid = in->uid,
		.gid = in->gid,
		.rdev = in->rdev,
		.size = (int64_t)in->size,
		.blksize = (int64_t)PAGE_SIZE,
		.blocks = (int64_t)blocks_of(in),
		.atime = timespec_of(in->atime_ns),
		.mtime = timespec_of(in->mtime_ns),
		.ctime = timespec_of(in->ctime_ns),
	};
	return in_ia32_call() ? ia32_stat_to_user(buf, &st) : copy_to_user(buf, &st, sizeof(st));
}

/* Takes the reference over. */
static long stat_inode(struct inode *in, uint64_t buf)
{
	if (is_err(in))
		return ptr_err(in);
	long r = put_stat(in, buf);
	inode_put(in);
	return r;
}

SYSCALL2(stat, uint64_t, path, uint64_t, buf)
{
	return stat_inode(user_path_inode(AT_FDCWD, path, WALK_FOLLOW), buf);
}

SYSCALL2(lstat, uint64_t, path, uint64_t, buf)
{
	return stat_inode(user_path_inode(AT_FDCWD, path, 0), buf);
}

SYSCALL2(fstat, int, fd, uint64_t, buf)
{
	struct file *f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	long r = put_stat(f->inode, buf);
	file_put(f);
	return r;
}

unsigned walk_flags_of_at(uint32_t flags)
{
	return ((flags & AT_SYMLINK_NOFOLLOW) ? 0 : WALK_FOLLOW) |
	       ((flags & AT_EMPTY_PATH) ? WALK_EMPTY : 0);
}

enum { AT_NO_AUTOMOUNT = 0x800, AT_STATX_SYNC = 0x6000, AT_EACCESS = 0x200 };

SYSCALL4(newfstatat, int, dirfd, uint64_t, path, uint64_t, buf, uint32_t, flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return -EINVAL;
	return stat_inode(user_path_inode(dirfd, path, walk_flags_of_at(flags)), buf);
}

static struct k_statx_time statx_time_of(uint64_t ns)
{
	return (struct k_statx_time){(int64_t)(ns / NS_PER_SEC), (uint32_t)(ns % NS_PER_SEC), 0};
}

SYSCALL5(statx, int, dirfd, uint64_t, path, uint32_t, flags, uint32_t, mask, uint64_t, buf)
{
	if ((flags &
	     ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC)) ||
	    (flags & AT_STATX_SYNC) == AT_STATX_SYNC || (mask & STATX_RESERVED))
		return -EINVAL;
	struct inode *in = user_path_inode(dirfd, path, walk_flags_of_at(flags));
	if (is_err(in))
		return ptr_err(in);
	refresh(in);
	struct k_statx st = {
		.mask = STATX_BASIC_STATS,
		.blksize = PAGE_SIZE,
		.nlink = in->nlink,
		.uid = in->uid,
		.gid = in->gid,
		.mode = (uint16_t)in->mode,
		.ino = in->ino,
		.size = in->size,
		.blocks = blocks_of(in),
		.atime = statx_time_of(in->atime_ns),
		.ctime = statx_time_of(in->ctime_ns),
		.mtime = statx_time_of(in->mtime_ns),
		.rdev_major = (uint32_t)(in->rdev >> 8),
		.rdev_minor = (uint32_t)(in->rdev & 0xff),
		.dev_minor = in->dev,
	};
	inode_put(in);
	return copy_to_user(buf, &st, sizeof(st));
}

/* Everybody is the superuser, so only X_OK on a file without any x bit can fail. */
static long access_at(int dirfd, uint64_t path, uint32_t mode, unsigned flags)
{
	enum { X_OK = 1, ANY_OK = 7 };
	if (mode & ~(uint32_t)ANY_OK)
		return -EINVAL;
	struct inode *in = user_path_inode(dirfd, path, flags);
	if (is_err(in))
		return ptr_err(in);
	bool ok = !(mode & X_OK) || mode_is(in->mode, S_IFDIR) || (in->mode & 0111);
	inode_put(in);
	return ok ? 0 : -EACCES;
}

SYSCALL2(access, uint64_t, path, uint32_t, mode)
{
	return access_at(AT_FDCWD, path, mode, WALK_FOLLOW);
}

SYSCALL3(faccessat, int, dirfd, uint64_t, path, uint32_t, mode)
{
	return access_at(dirfd, path, mode, WALK_FOLLOW);
}

SYSCALL4(faccessat2, int, dirfd, uint64_t, path, uint32_t, mode, uint32_t, flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EACCESS))
		return -EINVAL;
	return access_at(dirfd, path, mode, walk_flags_of_at(flags));
}
