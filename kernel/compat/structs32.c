/* SPDX-License-Identifier: MIT */
/* i386's structures of files and locks. What does not fit is EOVERFLOW. */
#include "compat.h"
#include "uaccess.h"
#include "vfs.h"

struct stat32 { /* of stat, lstat, fstat */
	uint32_t dev, ino;
	uint16_t mode, nlink, uid, gid;
	uint32_t rdev, size, blksize, blocks;
	uint32_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec, spare[2];
};
_Static_assert(sizeof(struct stat32) == 64, "struct stat of i386");

struct stat64_32 { /* of stat64 and fstatat64 */
	uint64_t dev;
	uint32_t pad0, ino32, mode, nlink, uid, gid;
	uint64_t rdev;
	uint32_t pad1;
	int64_t size;
	uint32_t blksize;
	uint64_t blocks;
	uint32_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	uint64_t ino;
} __attribute__((__packed__, __aligned__(4)));
_Static_assert(sizeof(struct stat64_32) == 96, "struct stat64 of i386");

static uint16_t id16(uint32_t id)
{
	return id > UINT16_MAX ? 65534 : (uint16_t)id;
}

static int old_stat_to_user(uint64_t va, const struct k_stat *st)
{
	struct stat32 s = {
		.dev = (uint32_t)st->dev,
		.ino = (uint32_t)st->ino,
		.mode = (uint16_t)st->mode,
		.nlink = (uint16_t)st->nlink,
		.uid = id16(st->uid),
		.gid = id16(st->gid),
		.rdev = (uint32_t)st->rdev,
		.size = (uint32_t)st->size,
		.blksize = (uint32_t)st->blksize,
		.blocks = (uint32_t)st->blocks,
		.atime = (uint32_t)st->atime.sec,
		.atime_nsec = (uint32_t)st->atime.nsec,
		.mtime = (uint32_t)st->mtime.sec,
		.mtime_nsec = (uint32_t)st->mtime.nsec,
		.ctime = (uint32_t)st->ctime.sec,
		.ctime_nsec = (uint32_t)st->ctime.nsec,
	};

	if (st->size > INT32_MAX || s.ino != st->ino || s.nlink != st->nlink)
		return -EOVERFLOW;
	return copy_to_user(va, &s, sizeof(s));
}

int ia32_stat_to_user(uint64_t va, const struct k_stat *st)
{
	struct stat64_32 s = {
		.dev = st->dev,
		.ino32 = (uint32_t)st->ino,
		.mode = st->mode,
		.nlink = (uint32_t)st->nlink,
		.uid = st->uid,
		.gid = st->gid,
		.rdev = st->rdev,
		.size = st->size,
		.blksize = (uint32_t)st->blksize,
		.blocks = (uint64_t)st->blocks,
		.atime = (uint32_t)st->atime.sec,
		.atime_nsec = (uint32_t)st->atime.nsec,
		.mtime = (uint32_t)st->mtime.sec,
		.mtime_nsec = (uint32_t)st->mtime.nsec,
		.ctime = (uint32_t)st->ctime.sec,
		.ctime_nsec = (uint32_t)st->ctime.nsec,
		.ino = st->ino,
	};

	return ia32_old() ? old_stat_to_user(va, st) : copy_to_user(va, &s, sizeof(s));
}

struct statfs32 {
	uint32_t type, bsize, blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	uint32_t namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct statfs32) == 64, "struct statfs of i386");

struct statfs64_32 {
	uint32_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	uint32_t namelen, frsize, flags, spare[4];
} __attribute__((__packed__, __aligned__(4)));
_Static_assert(sizeof(struct statfs64_32) == 84, "struct statfs64 of i386");

int ia32_statfs_to_user(uint64_t va, const struct k_statfs *st)
{
	struct statfs64_32 s = {
		.type = (uint32_t)st->type,
		.bsize = (uint32_t)st->bsize,
		.blocks = st->blocks,
		.bfree = st->bfree,
		.bavail = st->bavail,
		.files = st->files,
		.ffree = st->ffree,
		.fsid = {st->fsid[0], st->fsid[1]},
		.namelen = (uint32_t)st->namelen,
		.frsize = (uint32_t)st->frsize,
		.flags = (uint32_t)st->flags,
	};
	struct statfs32 old = {
		.type = s.type,
		.bsize = s.bsize,
		.blocks = (uint32_t)s.blocks,
		.bfree = (uint32_t)s.bfree,
		.bavail = (uint32_t)s.bavail,
		.files = (uint32_t)s.files,
		.ffree = (uint32_t)s.ffree,
		.fsid = {s.fsid[0], s.fsid[1]},
		.namelen = s.namelen,
		.frsize = s.frsize,
		.flags = s.flags,
	};

	if (!ia32_old())
		return copy_to_user(va, &s, sizeof(s));
	if ((st->blocks | st->files) > UINT32_MAX)
		return -EOVERFLOW;
	return copy_to_user(va, &old, sizeof(old));
}

SYSCALL3(ia32_statfs64, uint64_t, path, uint32_t, size, uint64_t, buf)
{
	if (size != sizeof(struct statfs64_32) && size != sizeof(struct statfs64_32) + 4)
		return -EINVAL;
	return ia32_call(sys_statfs, path, buf, 0, 0, 0, 0);
}

SYSCALL3(ia32_fstatfs64, int, fd, uint32_t, size, uint64_t, buf)
{
	if (size != sizeof(struct statfs64_32) && size != sizeof(struct statfs64_32) + 4)
		return -EINVAL;
	return ia32_call(sys_fstatfs, (uint64_t)fd, buf, 0, 0, 0, 0);
}

/* ---- locks ---- */

struct flock32 {
	int16_t type, whence;
	int32_t start, len, pid;
};

struct flock64_32 {
	int16_t type, whence;
	int64_t start, len;
	int32_t pid;
} __attribute__((__packed__, __aligned__(4)));
_Static_assert(sizeof(struct flock32) == 16 && sizeof(struct flock64_32) == 24, "flock of i386");

int ia32_flock_from_user(struct k_flock *l, uint64_t va)
{
	struct flock64_32 s;
	struct flock32 old;

	if (!ia32_old()) {
		if (copy_from_user(&s, va, sizeof(s)) != 0)
			return -EFAULT;
		*l = (struct k_flock){s.type, s.whence, s.start, s.len, s.pid};
		return 0;
	}
	if (copy_from_user(&old, va, sizeof(old)) != 0)
		return -EFAULT;
	*l = (struct k_flock){old.type, old.whence, old.start, old.len, old.pid};
	return 0;
}

int ia32_flock_to_user(uint64_t va, const struct k_flock *l)
{
	struct flock64_32 s = {l->type, l->whence, l->start, l->len, l->pid};
	struct flock32 old = {l->type, l->whence, (int32_t)l->start, (int32_t)l->len, l->pid};

	if (!ia32_old())
		return copy_to_user(va, &s, sizeof(s));
	if (old.start != l->start)
		return -EOVERFLOW;
	if (old.len != l->len) /* to beyond what the program can name */
		old.len = 0;
	return copy_to_user(va, &old, sizeof(old));
}

/* F_GETLK64 and its two neighbours are the three of fcntl with wider numbers. */
SYSCALL3(ia32_fcntl, int, fd, uint32_t, cmd, uint64_t, arg)
{
	enum { F_GETLK = 5, F_SETLKW = 7, F_GETLK64 = 12, F_SETLKW64 = 14 };

	if (cmd >= F_GETLK && cmd <= F_SETLKW)
		current->ia32 |= IA32_OLD;
	else if (cmd >= F_GETLK64 && cmd <= F_SETLKW64)
		cmd -= F_GETLK64 - F_GETLK;
	return ia32_call(sys_fcntl, (uint64_t)fd, cmd, arg, 0, 0, 0);
}
