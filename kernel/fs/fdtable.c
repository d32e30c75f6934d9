/* SPDX-License-Identifier: MIT */
/* Tables of open files. A table is small and fixed; its spin lock is held only to read or change
 * slots, and files are released after it is dropped, because releasing may sleep. */
#include "fs.h"
#include "syscall.h"
#include "task.h"

struct files {
	int refs;
	spinlock_t lock;
	uint64_t open[NOFILE / 64]; /* of each slot: whether it holds a file */
	struct file *file[NOFILE];
	bool cloexec[NOFILE];
};

/* The first open slot from fd on; NOFILE: none. The lock is held, or nobody else has the table. */
static unsigned next_open(const struct files *fs, unsigned fd)
{
	for (; fd < NOFILE; fd = (fd | 63) + 1) {
		uint64_t m = fs->open[fd / 64] >> fd % 64;

		if (m)
			return fd + (unsigned)__builtin_ctzll(m);
	}
	return NOFILE;
}

static void fill_slot(struct files *fs, unsigned fd, struct file *f, bool cloexec)
{
	fs->file[fd] = f;
	fs->cloexec[fd] = cloexec;
	if (f)
		fs->open[fd / 64] |= BIT(fd % 64);
	else
		fs->open[fd / 64] &= ~BIT(fd % 64);
}

struct files *files_create(void)
{
	struct files *fs = kzalloc(sizeof(*fs));
	if (fs != NULL)
		fs->refs = 1;
	return fs;
}

struct files *files_copy(struct files *from)
{
	struct files *fs = files_create();
	if (fs == NULL)
		return NULL;
	spin_lock(&from->lock);
	for (unsigned i = 0; (i = next_open(from, i)) < NOFILE; i++) {
		fill_slot(fs, i, from->file[i], from->cloexec[i]);
		file_get(fs->file[i]);
	}
	spin_unlock(&from->lock);
	return fs;
}

bool files_shared(const struct files *fs)
{
	return __atomic_load_n(&fs->refs, __ATOMIC_ACQUIRE) > 1;
}

void files_get(struct files *fs)
{
	__atomic_add_fetch(&fs->refs, 1, __ATOMIC_RELAXED);
}

/* Takes the file out of a slot, if it is there and `any` or marked close-on-exec. */
static struct file *take(struct files *fs, unsigned fd, bool any)
{
	spin_lock(&fs->lock);
	struct file *f = any || fs->cloexec[fd] ? fs->file[fd] : NULL;
	if (f != NULL)
		fill_slot(fs, fd, NULL, false);
	spin_unlock(&fs->lock);
	return f;
}

static void drop(struct files *fs, struct file *f)
{
	if (f == NULL)
		return;
	locks_inode_closed(f->inode, fs);
	file_put(f);
}

void files_put(struct files *fs)
{
	if (fs == NULL || __atomic_sub_fetch(&fs->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (unsigned i = 0; (i = next_open(fs, i)) < NOFILE; i++)
		drop(fs, take(fs, i, true));
	kfree(fs);
}

void files_close_on_exec(struct files *fs)
{
	for (unsigned i = 0; (i = next_open(fs, i)) < NOFILE; i++)
		drop(fs, take(fs, i, false));
}

struct file *files_get_file(struct files *fs, int fd)
{
	if (fs == NULL || fd < 0 || fd >= NOFILE)
		return NULL;
	spin_lock(&fs->lock);
	struct file *f = fs->file[fd];
	if (f != NULL)
		file_get(f);
	spin_unlock(&fs->lock);
	return f;
}

struct fd_loan fd_borrow(int fd)
{
	struct files *fs = current_head()->files;
	if (__atomic_load_n(&fs->refs, __ATOMIC_ACQUIRE) != 1)
		return (struct fd_loan){files_get_file(fs, fd), true};
	return (struct fd_loan){(unsigned)fd < NOFILE ? fs->file[fd] : NULL, false};
}

struct file *fd_get(int fd)
{
	return files_get_file(current->files, fd);
}

struct file *fd_get_io(int fd)
{
	struct file *f = fd_get(fd);
	if (f != NULL && (f->flags & O_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

static unsigned fd_limit(void)
{
	const struct process *p = current->proc;
	return p != NULL && p->rlim_nofile < NOFILE ? (unsigned)p->rlim_nofile : NOFILE;
}

int fd_install_from(struct file *f, bool cloexec, unsigned min)
{
	struct files *fs = current->files;
	unsigned limit = fd_limit();
	int fd = -EMFILE;
	spin_lock(&fs->lock);
	for (unsigned i = min; i < limit; i++) {
		if (fs->file[i] != NULL)
			continue;
		fill_slot(fs, i, f, cloexec);
		fd = (int)i;
		break;
	}
	spin_unlock(&fs->lock);
	return fd;
}

int fd_install(struct file *f, bool cloexec)
{
	int fd = fd_install_from(f, cloexec, 0);
	if (fd < 0)
		file_put(f);
	return fd;
}

int fd_close(int fd)
{
	struct files *fs = current->files;
	struct file *f = fd >= 0 && fd < NOFILE ? take(fs, (unsigned)fd, true) : NULL;
	if (f == NULL)
		return -EBADF;
	drop(fs, f);
	return 0;
}

int fd_set_cloexec(int fd, bool on)
{
	struct files *fs = current->files;
	if (fd < 0 || fd >= NOFILE)
		return -EBADF;
	spin_lock(&fs->lock);
	bool ok = fs->file[fd] != NULL;
	if (ok)
		fs->cloexec[fd] = on;
	spin_unlock(&fs->lock);
	return ok ? 0 : -EBADF;
}

int fd_get_cloexec(int fd)
{
	struct files *fs = current->files;
	if (fd < 0 || fd >= NOFILE)
		return -EBADF;
	spin_lock(&fs->lock);
	int r = fs->file[fd] == NULL ? -EBADF : fs->cloexec[fd];
	spin_unlock(&fs->lock);
	return r;
}

SYSCALL1(close, int, fd)
{
	return fd_close(fd);
}

SYSCALL1(dup, int, fd)
{
	struct file *f = fd_get(fd);
	return f != NULL ? fd_install(f, false) : -EBADF;
}

static long dup_to(int from, int to, bool cloexec)
{
	struct files *fs = current->files;
	if (to < 0 || (unsigned)to >= fd_limit())
		return -EBADF;
	struct file *f = fd_get(from);
	if (f == NULL)
		return -EBADF;
	spin_lock(&fs->lock);
	struct file *old = fs->file[to];
	fill_slot(fs, (unsigned)to, f, cloexec);
	spin_unlock(&fs->lock);
	drop(fs, old);
	return to;
}

SYSCALL2(dup2, int, from, int, to)
{
	if (from == to)
		return fd_get_cloexec(from) < 0 ? -EBADF : to;
	return dup_to(from, to, false);
}

SYSCALL3(dup3, int, from, int, to, uint32_t, flags)
{
	if (from == to || (flags & ~(uint32_t)O_CLOEXEC))
		return -EINVAL;
	return dup_to(from, to, flags & O_CLOEXEC);
}

SYSCALL3(close_range, uint32_t, first, uint32_t, last, uint32_t, flags)
{
	enum { CLOSE_UNSHARE = 2, CLOSE_CLOEXEC = 4 };
	if ((flags & ~(uint32_t)(CLOSE_UNSHARE | CLOSE_CLOEXEC)) || first > last)
		return -EINVAL;
	if ((flags & CLOSE_UNSHARE) && current->files->refs > 1) {
		struct files *own = files_copy(current->files), *old = current->files;
		if (own == NULL)
			return -ENOMEM;
		task_set_files(current, own);
		files_put(old);
	}
	for (uint32_t fd = first; fd <= last && fd < NOFILE; fd++) {
		if (flags & CLOSE_CLOEXEC)
			fd_set_cloexec((int)fd, true);
		else
			fd_close((int)fd);
	}
	return 0;
}
