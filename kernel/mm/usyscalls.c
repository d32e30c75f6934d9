/* SPDX-License-Identifier: MIT */
/* System calls on the caller's address space. */
#include "ia32.h"
#include "internal.h"
#include "syscall.h"
#include "task.h"
#include "vfs.h"

#define MAP_TYPE          0xf
#define MAP_SHARED_STRICT 3      /* MAP_SHARED_VALIDATE: unknown flags are an error */
#define MAP_HINTS         0x1800 /* MAP_DENYWRITE, MAP_EXECUTABLE: without effect, as on Linux */
#define DEV_ZERO          (1 << 8 | 5)

enum { MS_ASYNC = 1, MS_INVALIDATE = 2, MS_SYNC = 4 };

enum {
	MADV_NORMAL = 0,
	MADV_RANDOM = 1,
	MADV_SEQUENTIAL = 2,
	MADV_WILLNEED = 3,
	MADV_DONTNEED = 4,
	MADV_FREE = 8,
	MADV_DONTFORK = 10,
	MADV_DOFORK = 11,
	MADV_HUGEPAGE = 14,
	MADV_NOHUGEPAGE = 15,
	MADV_DONTDUMP = 16,
	MADV_DODUMP = 17,
	MADV_WIPEONFORK = 18,
	MADV_KEEPONFORK = 19,
	MADV_COLD = 20,
	MADV_PAGEOUT = 21,
};

/* What an open file allows of a mapping: the rights mprotect may ever give, or -errno. */
static long file_rights(const struct file *f, uint32_t prot, bool shared)
{
	uint32_t acc = f->flags & O_ACCMODE;
	uint32_t max = PROT_READ | PROT_WRITE | PROT_EXEC;

	if (f->flags & O_PATH)
		return -EBADF;
	if (!f->inode)
		return -ENODEV;
	if (acc == O_WRONLY)
		return -EACCES;
	if (shared && acc != O_RDWR) {
		if (prot & PROT_WRITE)
			return -EACCES;
		max &= ~(uint32_t)PROT_WRITE;
	}
	return max;
}

static long map_file(int fd, uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags,
		     uint64_t offset)
{
	struct file *f = fd_get(fd);
	long r;

	if (!f)
		return -EBADF;
	r = file_rights(f, prot, flags & MAP_SHARED);
	if (r >= 0) {
		struct inode *in = f->inode;
		uint32_t type = in->mode & S_IFMT;

		if (type == S_IFCHR && in->rdev == DEV_ZERO)
			r = mm_mmap(current->mm, addr, len, prot, flags, NULL, 0);
		else if (type == S_IFREG)
			r = mmap_limited(current->mm, addr, len, prot, flags, in, offset,
					 (uint32_t)r);
		else
			r = -ENODEV;
	}
	file_put(f);
	return r;
}

SYSCALL6(mmap, uint64_t, addr, uint64_t, len, uint32_t, prot, uint32_t, flags, int, fd, uint64_t,
	 offset)
{
	uint32_t known = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_STACK |
			 MAP_NORESERVE | MAP_POPULATE | MAP_FIXED_NOREPLACE | MAP_HINTS;

	if (offset & (PAGE_SIZE - 1) || len == 0)
		return -EINVAL;
	flags &= ~MM_BELOW_4G;
	if (in_ia32_call())
		flags |= MM_BELOW_4G;
	if ((flags & MAP_TYPE) == MAP_SHARED_STRICT) {
		if (flags & ~(known | MM_BELOW_4G))
			return -EOPNOTSUPP;
		flags &= ~(uint32_t)MAP_PRIVATE; /* MAP_SHARED is left */
	}
	if ((flags & MAP_TYPE) != MAP_SHARED && (flags & MAP_TYPE) != MAP_PRIVATE)
		return -EINVAL;
	if (flags & MAP_ANONYMOUS)
		return mm_mmap(current->mm, addr, len, prot, flags, NULL, 0);
	return map_file(fd, addr, len, prot, flags, offset);
}

SYSCALL3(mprotect, uint64_t, addr, uint64_t, len, uint32_t, prot)
{
	return mm_mprotect(current->mm, addr, len, prot);
}

SYSCALL2(munmap, uint64_t, addr, uint64_t, len)
{
	return mm_munmap(current->mm, addr, len);
}

SYSCALL1(brk, uint64_t, brk)
{
	return (long)mm_brk(current->mm, brk);
}

SYSCALL5(mremap, uint64_t, old, uint64_t, old_len, uint64_t, new_len, uint32_t, flags, uint64_t,
	 new_addr)
{
	if (flags & MM_BELOW_4G)
		return -EINVAL;
	if (in_ia32_call())
		flags |= MM_BELOW_4G;
	return mm_mremap(current->mm, old, old_len, new_len, flags, new_addr);
}

/* Checks and rounds the range of the calls below: 0 or -errno. */
static int page_range(uint64_t addr, uint64_t *len)
{
	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (*len > USER_END)
		return -ENOMEM;
	*len = ALIGN_UP(*len, PAGE_SIZE);
	return user_range_ok(addr, *len) ? 0 : -ENOMEM;
}

/* Shared file pages are the file's own, so there is nothing to write back. */
SYSCALL3(msync, uint64_t, addr, uint64_t, len, int, flags)
{
	struct mm *mm = current->mm;
	int err = page_range(addr, &len);

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (err)
		return err;
	mutex_lock(&mm->lock);
	if (!vma_covers(mm, addr, addr + len))
		err = -ENOMEM;
	mutex_unlock(&mm->lock);
	return err;
}

static bool resident(struct mm *mm, uint64_t va)
{
	struct vma *v = mm_find(mm, va);
	uint64_t *e = tree_find(mm_live(mm), va);

	if (v && v->inode)
		return true; /* files are in memory */
	if (!e || !*e)
		e = tree_find(mm_stash(mm), va);
	return e && *e;
}

SYSCALL3(mincore, uint64_t, addr, uint64_t, len, uint64_t, vec)
{
	struct mm *mm = current->mm;
	unsigned char out[256];
	int err = page_range(addr, &len);
	uint64_t pages = len >> PAGE_SHIFT;

	if (err)
		return err;
	if (!user_range_ok(vec, pages))
		return -EFAULT;
	for (uint64_t i = 0; i < pages && !err;) {
		uint64_t n = MIN(pages - i, sizeof(out));

		mutex_lock(&mm->lock);
		if (!vma_covers(mm, addr + i * PAGE_SIZE, addr + (i + n) * PAGE_SIZE))
			err = -ENOMEM;
		for (uint64_t j = 0; j < n; j++)
			out[j] = resident(mm, addr + (i + j) * PAGE_SIZE);
		mutex_unlock(&mm->lock);
		if (!err)
			err = copy_to_user(vec + i, out, n);
		i += n;
	}
	return err;
}

/* Sets and clears flags of the areas in a range, which is mapped throughout. */
static int set_flags(struct mm *mm, uint64_t start, uint64_t end, uint32_t set, uint32_t clear)
{
	if (vma_split_at(mm, start) != 0 || vma_split_at(mm, end) != 0)
		return -ENOMEM;
	for (struct vma *v = vma_after(mm, start); v && v->start < end; v = vma_next(mm, v)) {
		if (set & VMA_WIPEONFORK && (v->inode || v->anon))
			return -EINVAL;
		v->flags = (v->flags & ~clear) | set;
	}
	vma_merge(mm, start, end);
	return 0;
}

/* MADV_FREE leaves it open when the pages go: they go at once. It is for anonymous memory only. */
static int free_pages_of(struct mm *mm, uint64_t start, uint64_t end)
{
	for (struct vma *v = vma_after(mm, start); v && v->start < end; v = vma_next(mm, v))
		if (v->inode || v->anon)
			return -EINVAL;
	zap_range(mm, start, end);
	return 0;
}

static int advise(struct mm *mm, uint64_t start, uint64_t end, int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return 0; /* hints: no swap, no read-ahead, no core files */
	case MADV_DONTNEED:
		zap_range(mm, start, end);
		return 0;
	case MADV_FREE:
		return free_pages_of(mm, start, end);
	case MADV_DONTFORK:
		return set_flags(mm, start, end, VMA_DONTFORK, 0);
	case MADV_DOFORK:
		return set_flags(mm, start, end, 0, VMA_DONTFORK);
	case MADV_WIPEONFORK:
		return set_flags(mm, start, end, VMA_WIPEONFORK, 0);
	case MADV_KEEPONFORK:
		return set_flags(mm, start, end, 0, VMA_WIPEONFORK);
	default:
		return -EINVAL;
	}
}

SYSCALL3(madvise, uint64_t, addr, uint64_t, len, int, advice)
{
	struct mm *mm = current->mm;
	int err = page_range(addr, &len);

	if (err)
		return -EINVAL;
	mutex_lock(&mm->lock);
	/* As on Linux, a hole is an error, but what is mapped is advised all the same. */
	err = advise(mm, addr, addr + len, advice);
	if (!err && !vma_covers(mm, addr, addr + len))
		err = -ENOMEM;
	mutex_unlock(&mm->lock);
	return err;
}

/* The length, from the start of addr's page to the end of the last one touched. 0 or -errno. */
static int whole_pages(uint64_t addr, uint64_t *len)
{
	uint64_t start = ALIGN_DOWN(addr, PAGE_SIZE);

	if (*len > USER_END)
		return -ENOMEM;
	*len += addr - start;
	return page_range(start, len);
}

/* Nothing is ever swapped out: locking is making the pages present. */
SYSCALL2(mlock, uint64_t, addr, uint64_t, len)
{
	struct mm *mm = current->mm;
	uint64_t start = ALIGN_DOWN(addr, PAGE_SIZE);
	int err = whole_pages(addr, &len);

	if (err)
		return err;
	mutex_lock(&mm->lock);
	err = vma_covers(mm, start, start + len) ? populate_locked(mm, start, start + len)
						 : -ENOMEM;
	mutex_unlock(&mm->lock);
	return err == -EIO ? -ENOMEM : err;
}

SYSCALL2(munlock, uint64_t, addr, uint64_t, len)
{
	struct mm *mm = current->mm;
	uint64_t start = ALIGN_DOWN(addr, PAGE_SIZE);
	int err = whole_pages(addr, &len);

	if (err)
		return err;
	mutex_lock(&mm->lock);
	if (!vma_covers(mm, start, start + len))
		err = -ENOMEM;
	mutex_unlock(&mm->lock);
	return err;
}
