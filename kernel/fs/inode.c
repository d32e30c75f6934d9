/* SPDX-License-Identifier: MIT */
/* Inodes: reference counts and numbers.
 *
 * A directory holds a reference to its parent, and a parent's entry one to its child; rmdir breaks
 * the circle. So the last put of a removed directory may free a chain of parents: done by a loop,
 * because kernel stacks are small. */
#include "fs.h"

spinlock_t tree_lock HOT_WRITTEN = SPINLOCK_INIT;
struct inode *root_inode;

static uint64_t last_number = 1;

uint64_t inode_new_number(void)
{
	return __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
}

struct inode *inode_alloc(uint32_t mode)
{
	struct inode *in = kzalloc(sizeof(*in));
	if (in == NULL)
		return NULL;
	in->refs = 1;
	in->dev = DEV_ROOT;
	in->ino = inode_new_number();
	in->mode = mode;
	in->nlink = 1;
	in->atime_ns = in->mtime_ns = in->ctime_ns = now_ns();
	mutex_init(&in->lock);
	mutex_init(&in->cut_lock);
	list_init(&in->mappings);
	return in;
}

void inode_get(struct inode *in)
{
	__atomic_add_fetch(&in->refs, 1, __ATOMIC_RELAXED);
}

void inode_put(struct inode *in)
{
	while (in != NULL && __atomic_sub_fetch(&in->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		struct inode *parent = in->parent;
		if (in->iops == NULL)
			ramfs_evict(in);
		else if (in->iops->evict != NULL)
			in->iops->evict(in);
		kfree(in->name);
		kfree(in);
		in = parent;
	}
}

/* Moves the count by `step`, unless it stands on the other side of 0. */
static int use_as(struct inode *in, int step)
{
	int n = __atomic_load_n(&in->writers, __ATOMIC_RELAXED);

	do {
		if (step > 0 ? n < 0 : n > 0)
			return -ETXTBSY;
	} while (!__atomic_compare_exchange_n(&in->writers, &n, n + step, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return 0;
}

int inode_begin_write(struct inode *in)
{
	return use_as(in, 1);
}

void inode_end_write(struct inode *in)
{
	__atomic_sub_fetch(&in->writers, 1, __ATOMIC_ACQ_REL);
}

int inode_begin_exec(struct inode *in)
{
	return use_as(in, -1);
}

void inode_end_exec(struct inode *in)
{
	__atomic_add_fetch(&in->writers, 1, __ATOMIC_ACQ_REL);
}

int inode_cut(struct inode *in, uint64_t size)
{
	int err = inode_begin_write(in);

	if (err == 0) {
		err = ramfs_truncate(in, size);
		inode_end_write(in);
	}
	return err;
}

long inode_pread(struct inode *in, void *buf, size_t n, uint64_t pos)
{
	if (!ramfs_is(in) || !mode_is(in->mode, S_IFREG))
		return mode_is(in->mode, S_IFDIR) ? -EISDIR : -EINVAL;
	struct file f = {.refs = 1, .inode = in, .ops = in->ops};
	return ramfs_file_ops.read(&f, buf, n, &pos);
}
