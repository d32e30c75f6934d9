/* SPDX-License-Identifier: MIT */
/* Calls that change names: link, unlink, rmdir, symlink, rename; and readlink. */
#include "fs.h"
#include "syscall.h"
#include "task.h"
#include "uaccess.h"

static int walk_user(int dirfd, uint64_t path, unsigned flags, struct walk *w)
{
	char *p = path_from_user(path, flags & WALK_EMPTY);
	if (is_err(p))
		return (int)ptr_err(p);
	int err = path_walk(dirfd, p, flags, w);
	kfree(p);
	return err;
}

static long link_at(int odir, uint64_t opath, int ndir, uint64_t npath, uint32_t flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	unsigned how = ((flags & AT_SYMLINK_FOLLOW) ? WALK_FOLLOW : 0) |
		       ((flags & AT_EMPTY_PATH) ? WALK_EMPTY : 0);
	struct inode *in = user_path_inode(odir, opath, how);
	if (is_err(in))
		return ptr_err(in);
	struct walk w;
	long r = walk_user(ndir, npath, WALK_PARENT, &w);
	if (r == 0) {
		if (w.inode != NULL)
			r = -EEXIST;
		else if (w.slash)
			r = -ENOENT;
		else if (w.dir->dev != in->dev)
			r = -EXDEV;
		else
			r = ramfs_link(w.dir, w.name, in);
		walk_end(&w);
	}
	inode_put(in);
	return r;
}

SYSCALL2(link, uint64_t, opath, uint64_t, npath)
{
	return link_at(AT_FDCWD, opath, AT_FDCWD, npath, 0);
}

SYSCALL5(linkat, int, odir, uint64_t, opath, int, ndir, uint64_t, npath, uint32_t, flags)
{
	return link_at(odir, opath, ndir, npath, flags);
}

static long unlink_at(int dirfd, uint64_t path)
{
	struct walk w;
	long r = walk_user(dirfd, path, WALK_PARENT, &w);
	if (r != 0)
		return r;
	if (w.last != LAST_NAME)
		r = -EISDIR;
	else if (w.inode == NULL)
		r = -ENOENT;
	else if (w.slash)
		r = mode_is(w.inode->mode, S_IFDIR) ? -EISDIR : -ENOTDIR;
	else
		r = ramfs_unlink(w.dir, w.name);
	walk_end(&w);
	return r;
}

static long rmdir_at(int dirfd, uint64_t path)
{
	struct walk w;
	long r = walk_user(dirfd, path, WALK_PARENT, &w);
	if (r != 0)
		return r;
	if (w.last != LAST_NAME)
		r = w.last == LAST_DOT ? -EINVAL : w.last == LAST_DOTDOT ? -ENOTEMPTY : -EBUSY;
	else
		r = w.inode == NULL ? -ENOENT : ramfs_rmdir(w.dir, w.name);
	walk_end(&w);
	return r;
}

SYSCALL1(unlink, uint64_t, path)
{
	return unlink_at(AT_FDCWD, path);
}

SYSCALL1(rmdir, uint64_t, path)
{
	return rmdir_at(AT_FDCWD, path);
}

SYSCALL3(unlinkat, int, dirfd, uint64_t, path, uint32_t, flags)
{
	if (flags & ~(uint32_t)AT_REMOVEDIR)
		return -EINVAL;
	return flags & AT_REMOVEDIR ? rmdir_at(dirfd, path) : unlink_at(dirfd, path);
}

static long symlink_at(uint64_t text, int dirfd, uint64_t path)
{
	char *t = path_from_user(text, false);
	if (is_err(t))
		return ptr_err(t);
	struct walk w;
	long r = walk_user(dirfd, path, WALK_PARENT, &w);
	if (r == 0) {
		if (w.inode != NULL)
			r = -EEXIST;
		else if (w.slash)
			r = -ENOENT;
		else
			r = ramfs_create(w.dir, w.name, S_IFLNK | 0777, 0, t, NULL);
		walk_end(&w);
	}
	kfree(t);
	return r;
}

SYSCALL2(symlink, uint64_t, text, uint64_t, path)
{
	return symlink_at(text, AT_FDCWD, path);
}

SYSCALL3(symlinkat, uint64_t, text, int, dirfd, uint64_t, path)
{
	return symlink_at(text, dirfd, path);
}

static long readlink_at(int dirfd, uint64_t path, uint64_t buf, int n)
{
	if (n <= 0)
		return -EINVAL;
	struct inode *in = user_path_inode(dirfd, path, WALK_EMPTY);
	if (is_err(in))
		return ptr_err(in);
	char *text = inode_link_text(in);
	inode_put(in);
	if (is_err(text))
		return ptr_err(text);
	size_t len = MIN(strlen(text), (size_t)n);
	long r = copy_to_user(buf, text, len) != 0 ? -EFAULT : (long)len;
	kfree(text);
	return r;
}

SYSCALL3(readlink, uint64_t, path, uint64_t, buf, int, n)
{
	return readlink_at(AT_FDCWD, path, buf, n);
}

SYSCALL4(readlinkat, int, dirfd, uint64_t, path, uint64_t, buf, int, n)
{
	return readlink_at(dirfd, path, buf, n);
}

static long rename_walked(const struct walk *o, const struct walk *n, uint32_t flags)
{
	bool swap = flags & RENAME_EXCHANGE;
	if (o->last != LAST_NAME)
		return -EBUSY;
	if (n->last != LAST_NAME)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (o->inode == NULL)
		return -ENOENT;
	if (swap && n->inode != NULL && n->slash && !mode_is(n->inode->mode, S_IFDIR))
		return -ENOTDIR;
	return ramfs_rename(o->dir, o->name, n->dir, n->name, flags,
			    o->slash || (!swap && n->slash));
}

static long rename_at(int odir, uint64_t opath, int ndir, uint64_t npath, uint32_t flags)
{
	if ((flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	struct walk o, n;
	long r = walk_user(odir, opath, WALK_PARENT, &o);
	if (r != 0)
		return r;
	r = walk_user(ndir, npath, WALK_PARENT, &n);
	if (r == 0) {
		r = rename_walked(&o, &n, flags);
		walk_end(&n);
	}
	walk_end(&o);
	return r;
}

SYSCALL2(rename, uint64_t, opath, uint64_t, npath)
{
	return rename_at(AT_FDCWD, opath, AT_FDCWD, npath, 0);
}

SYSCALL4(renameat, int, odir, uint64_t, opath, int, ndir, uint64_t, npath)
{
	return rename_at(odir, opath, ndir, npath, 0);
}

SYSCALL5(renameat2, int, odir, uint64_t, opath, int, ndir, uint64_t, npath, uint32_t, flags)
{
	return rename_at(odir, opath, ndir, npath, flags);
}
