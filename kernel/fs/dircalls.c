/* SPDX-License-Identifier: MIT */
/* Making directories and nodes, and reading directories: mkdir, mknod, getdents. */
#include "fs.h"
#include "ia32.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

/* Makes the last name of a user path. `slash_ok`: "new/" is as good as "new". */
static long make_at(int dirfd, uint64_t path, uint32_t mode, uint64_t rdev, bool slash_ok)
{
	char *p = path_from_user(path, false);
	if (is_err(p))
		return ptr_err(p);
	struct walk w;
	long r = path_walk(dirfd, p, WALK_PARENT, &w);
	kfree(p);
	if (r != 0)
		return r;
	if (w.inode != NULL)
		r = -EEXIST;
	else if (w.slash && !slash_ok)
		r = -ENOENT;
	else
		r = ramfs_create(w.dir, w.name, mode & ~current->fs->umask, rdev, NULL, NULL);
	walk_end(&w);
	return r;
}

static long mkdir_at(int dirfd, uint64_t path, uint32_t mode)
{
	return make_at(dirfd, path, S_IFDIR | (mode & (0777 | S_ISVTX)), 0, true);
}

SYSCALL2(mkdir, uint64_t, path, uint32_t, mode)
{
	return mkdir_at(AT_FDCWD, path, mode);
}

SYSCALL3(mkdirat, int, dirfd, uint64_t, path, uint32_t, mode)
{
	return mkdir_at(dirfd, path, mode);
}

static long mknod_at(int dirfd, uint64_t path, uint32_t mode, uint32_t rdev)
{
	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		rdev = 0;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		rdev = 0;
		break;
	case S_IFCHR:
	case S_IFBLK:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	return make_at(dirfd, path, mode & (S_IFMT | MODE_BITS), rdev, false);
}

SYSCALL3(mknod, uint64_t, path, uint32_t, mode, uint32_t, rdev)
{
	return mknod_at(AT_FDCWD, path, mode, rdev);
}

SYSCALL4(mknodat, int, dirfd, uint64_t, path, uint32_t, mode, uint32_t, rdev)
{
	return mknod_at(dirfd, path, mode, rdev);
}

/* An entry: number and offset of the next one, a word each; its length; in the new form, with words
 * of 8 bytes, its type; the name; in the older form, with longs, the type in the last byte. */
struct dirent_buf {
	char *buf;
	size_t size, used;
	size_t word;
	bool old;
	const uint64_t *pos;
	char *last; /* its offset is where the next entry is: known only then */
	bool full;
};

static void dirent_end(struct dirent_buf *b)
{
	if (b->last != NULL)
		memcpy(b->last + b->word, b->pos, b->word);
}

static bool dirent_emit(void *arg, const char *name, uint64_t ino, unsigned dtype)
{
	struct dirent_buf *b = arg;
	size_t n = strlen(name), type = 2 * b->word + 2, head = type + !b->old;
	size_t len = ALIGN_UP(head + n + 1 + b->old, b->word);
	uint16_t reclen = (uint16_t)len;
	dirent_end(b);
	b->full = b->used + len > b->size;
	if (b->full)
		return false;
	char *d = b->buf + b->used;
	memset(d, 0, len);
	memcpy(d, &ino, b->word);
	memcpy(d + 2 * b->word, &reclen, sizeof(reclen));
	memcpy(d + head, name, n);
	d[b->old ? len - 1 : type] = (char)dtype;
	b->last = d;
	b->used += len;
	return true;
}

#define DIRENT_CHUNK 32768U

static long read_entries(struct file *f, uint64_t user, size_t size, size_t word, bool old)
{
	if (!mode_is(f->inode->mode, S_IFDIR) || f->ops->readdir == NULL)
		return -ENOTDIR;
	size = MIN(size, DIRENT_CHUNK);
	struct dirent_buf b = {.buf = kmalloc(size + 1), .size = size, .word = word, .old = old};
	if (b.buf == NULL)
		return -ENOMEM;
	mutex_lock(&f->pos_lock);
	uint64_t start = f->pos;
	b.pos = &f->pos;
	long r = f->ops->readdir(f, &f->pos, dirent_emit, &b);
	dirent_end(&b);
	if (r == 0 && b.used != 0)
		r = copy_to_user(user, b.buf, b.used) != 0 ? -EFAULT : (long)b.used;
	else if (r == 0 && b.full)
		r = -EINVAL; /* not even one entry fits */
	if (r < 0)
		f->pos = start;
	mutex_unlock(&f->pos_lock);
	kfree(b.buf);
	return r;
}

static long getdents(int fd, uint64_t buf, size_t n, size_t word, bool old)
{
	struct file *f = fd_get_io(fd);
	if (f == NULL)
		return -EBADF;
	long r = read_entries(f, buf, n, word, old);
	file_put(f);
	return r;
}

SYSCALL3(getdents64, int, fd, uint64_t, buf, uint32_t, n)
{
	return getdents(fd, buf, n, 8, false);
}

SYSCALL3(getdents, int, fd, uint64_t, buf, uint32_t, n)
{
	return getdents(fd, buf, n, in_ia32_call() ? 4 : 8, true);
}
