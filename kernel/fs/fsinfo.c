/* SPDX-License-Identifier: MIT */
/* A task's root, current directory and umask, and the calls that change them. */
#include "fs.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

struct fs_info *fs_info_create(void)
{
	struct fs_info *fi = kzalloc(sizeof(*fi));
	if (fi == NULL)
		return NULL;
	fi->refs = 1;
	fi->umask = 022;
	inode_get(root_inode);
	inode_get(root_inode);
	fi->root = fi->cwd = root_inode;
	return fi;
}

struct inode *fs_info_cwd(struct fs_info *fi)
{
	spin_lock(&fi->lock);
	struct inode *in = fi->cwd;
	inode_get(in);
	spin_unlock(&fi->lock);
	return in;
}

struct inode *fs_info_root(struct fs_info *fi)
{
	spin_lock(&fi->lock);
	struct inode *in = fi->root;
	inode_get(in);
	spin_unlock(&fi->lock);
	return in;
}

struct fs_info *fs_info_copy(struct fs_info *from)
{
	struct fs_info *fi = kzalloc(sizeof(*fi));
	if (fi == NULL)
		return NULL;
	fi->refs = 1;
	spin_lock(&from->lock);
	fi->root = from->root;
	fi->cwd = from->cwd;
	fi->umask = from->umask;
	inode_get(fi->root);
	inode_get(fi->cwd);
	spin_unlock(&from->lock);
	return fi;
}

void fs_info_get(struct fs_info *fi)
{
	__atomic_add_fetch(&fi->refs, 1, __ATOMIC_RELAXED);
}

void fs_info_put(struct fs_info *fi)
{
	if (fi == NULL || __atomic_sub_fetch(&fi->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	inode_put(fi->root);
	inode_put(fi->cwd);
	kfree(fi);
}

/* Writes backwards from the end of buf, then moves the result to its start. */
long dir_path(struct inode *dir, char *buf, size_t n)
{
	static const char outside[] = "(unreachable)";
	struct inode *root = current_root();
	size_t at = n;
	long err = dir->nlink == 0 ? -ENOENT : 0;
	const struct inode *d = dir;
	spin_lock(&tree_lock);
	for (; err == 0 && d != root && d->parent != NULL && d->name != NULL; d = d->parent) {
		size_t len = strlen(d->name);
		if (len + 1 > at) {
			err = -ERANGE;
			break;
		}
		at -= len;
		memcpy(buf + at, d->name, len);
		buf[--at] = '/';
	}
	spin_unlock(&tree_lock);
	if (err == 0 && at == n && n != 0)
		buf[--at] = '/';
	if (err == 0 && d != root) {
		if (at < sizeof(outside) - 1)
			err = -ERANGE;
		else
			memcpy(buf + (at -= sizeof(outside) - 1), outside, sizeof(outside) - 1);
	}
	inode_put(root);
	if (err != 0)
		return err;
	size_t len = n - at;
	if (len + 1 > n)
		return -ERANGE;
	memmove(buf, buf + at, len);
	buf[len] = '\0';
	return (long)len;
}

SYSCALL2(getcwd, uint64_t, buf, uint64_t, n)
{
	char *path = kmalloc(MAX_PATH);
	if (path == NULL)
		return -ENOMEM;
	struct inode *cwd = fs_info_cwd(current->fs);
	long len = dir_path(cwd, path, MAX_PATH);
	inode_put(cwd);
	if (len == -ERANGE)
		len = -ENAMETOOLONG;
	else if (len >= 0 && (uint64_t)len + 1 > n)
		len = -ERANGE;
	else if (len >= 0)
		len = copy_to_user(buf, path, (size_t)len + 1) != 0 ? -EFAULT : len + 1;
	kfree(path);
	return len;
}

/* Takes the reference over. */
static long set_cwd(struct inode *in)
{
	if (!mode_is(in->mode, S_IFDIR)) {
		inode_put(in);
		return -ENOTDIR;
	}
	struct fs_info *fi = current->fs;
	spin_lock(&fi->lock);
	struct inode *old = fi->cwd;
	fi->cwd = in;
	spin_unlock(&fi->lock);
	inode_put(old);
	return 0;
}

SYSCALL1(chdir, uint64_t, path)
{
	struct inode *in = user_path_inode(AT_FDCWD, path, WALK_FOLLOW);
	return is_err(in) ? ptr_err(in) : set_cwd(in);
}

SYSCALL1(fchdir, int, fd)
{
	struct file *f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	struct inode *in = f->inode;
	inode_get(in);
	file_put(f);
	return set_cwd(in);
}

SYSCALL1(chroot, uint64_t, path)
{
	struct inode *in = user_path_inode(AT_FDCWD, path, WALK_FOLLOW);
	if (is_err(in))
		return ptr_err(in);
	if (!mode_is(in->mode, S_IFDIR)) {
		inode_put(in);
		return -ENOTDIR;
	}
	struct fs_info *fi = current->fs;
	spin_lock(&fi->lock);
	struct inode *old = fi->root;
	fi->root = in;
	spin_unlock(&fi->lock);
	inode_put(old);
	return 0;
}

SYSCALL1(umask, uint32_t, mask)
{
	return __atomic_exchange_n(&current->fs->umask, mask & 0777, __ATOMIC_RELAXED);
}
