/* SPDX-License-Identifier: MIT */
/* rename: all checks first, all memory first, then changes that cannot fail.
 *
 * rename_lock keeps ->parent of every directory as it is, so walking up from the target finds out
 * whether a directory would be moved below itself. */
#include "ramfs_dir.h"

/* Is `dir` the directory `top`, or below it? rename_lock held. */
static bool is_below(const struct inode *dir, const struct inode *top)
{
	for (; dir != NULL; dir = dir->parent)
		if (dir == top)
			return true;
	return false;
}

/* May `in`, found as a name of a rename, be taken from its place? */
static int check_move(const struct inode *in, bool must_dir)
{
	if (must_dir && !mode_is(in->mode, S_IFDIR))
		return -ENOTDIR;
	return in->mounted_on ? -EBUSY : 0;
}

static int check(struct inode *odir, struct ram_entry *o, struct inode *ndir, struct ram_entry *n,
		 unsigned flags, bool must_dir)
{
	if (o == NULL || ndir->nlink == 0)
		return -ENOENT;
	if (n != NULL && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (n == NULL && (flags & RENAME_EXCHANGE))
		return -ENOENT;
	int err = check_move(o->inode, must_dir);
	if (err != 0)
		return err;
	bool exchange = flags & RENAME_EXCHANGE, is_dir = mode_is(o->inode->mode, S_IFDIR);
	if (is_dir && is_below(ndir, o->inode))
		return -EINVAL;
	if (n == NULL || n->inode == o->inode)
		return 0;
	bool over_dir = mode_is(n->inode->mode, S_IFDIR);
	if (over_dir && is_below(odir, n->inode))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (n->inode->mounted_on)
		return -EBUSY;
	if (!exchange && is_dir && !over_dir)
		return -ENOTDIR;
	if (!exchange && !is_dir && over_dir)
		return -EISDIR;
	return 0;
}

/* Directory `in` now lies in `dir` as `name` (taken over). The caller drops the old parent. */
static void set_parent(struct inode *in, struct inode *dir, char *name)
{
	spin_lock(&tree_lock);
	char *old = in->name;
	in->name = name;
	in->parent = dir;
	spin_unlock(&tree_lock);
	inode_get(dir);
	kfree(old);
}

static void moved(struct inode *in, struct inode *from, struct inode *to, char *name)
{
	in->ctime_ns = now_ns();
	if (!mode_is(in->mode, S_IFDIR))
		return;
	set_parent(in, to, name);
	nlink_add(from, -1);
	nlink_add(to, 1);
	inode_put(from); /* never the last: our caller holds one */
}

static char *dir_name_copy(const struct inode *in, const char *name)
{
	return mode_is(in->mode, S_IFDIR) ? kstrdup(name) : NULL;
}

static int exchange(struct inode *odir, struct ram_entry *o, struct inode *ndir,
		    struct ram_entry *n)
{
	struct inode *a = o->inode, *b = n->inode;
	char *a_name = dir_name_copy(a, n->name), *b_name = dir_name_copy(b, o->name);
	if ((mode_is(a->mode, S_IFDIR) && a_name == NULL) ||
	    (mode_is(b->mode, S_IFDIR) && b_name == NULL)) {
		kfree(a_name);
		kfree(b_name);
		return -ENOMEM;
	}
	o->inode = b;
	n->inode = a;
	moved(a, odir, ndir, a_name);
	moved(b, ndir, odir, b_name);
	odir->mtime_ns = odir->ctime_ns = ndir->mtime_ns = ndir->ctime_ns = a->ctime_ns;
	return 0;
}

/* Moves entry o; what n named, if anything, goes to *victim. */
static int move(struct inode *odir, struct ram_entry *o, struct inode *ndir, struct ram_entry *n,
		const char *nname, struct inode **victim)
{
	struct inode *in = o->inode;
	char *name = dir_name_copy(in, nname);
	struct ram_entry *e = entry_alloc(nname);
	int err = is_err(e) ? (int)ptr_err(e) : 0;
	if (err == 0 && mode_is(in->mode, S_IFDIR) && name == NULL)
		err = -ENOMEM;
	bool over_dir = n != NULL && mode_is(n->inode->mode, S_IFDIR);
	if (err == 0 && over_dir)
		err = dir_lock_empty(n->inode);
	if (err != 0) {
		kfree(is_err(e) ? NULL : e);
		kfree(name);
		return err;
	}
	if (n != NULL) {
		*victim = n->inode;
		nlink_add(n->inode, over_dir ? -2 : -1);
		n->inode->ctime_ns = now_ns();
		if (over_dir) {
			nlink_add(ndir, -1);
			mutex_unlock(&n->inode->lock);
		}
		dir_remove(ndir, n);
		kfree(n);
	}
	dir_remove(odir, o);
	kfree(o);
	dir_insert(ndir, e, in);
	moved(in, odir, ndir, name);
	return 0;
}

int ramfs_rename(struct inode *odir, const char *oname, struct inode *ndir, const char *nname,
		 unsigned flags, bool must_dir)
{
	if (odir->dev != ndir->dev)
		return -EXDEV;
	if (!ramfs_is(odir) || !ramfs_is(ndir))
		return -EPERM;
	struct inode *victim = NULL;
	mutex_lock(&rename_lock);
	mutex_lock(&odir->lock);
	if (ndir != odir)
		mutex_lock(&ndir->lock);
	struct ram_entry *o = dir_find(odir, oname), *n = dir_find(ndir, nname);
	int err = check(odir, o, ndir, n, flags, must_dir);
	if (err == 0 && (n == NULL || n->inode != o->inode))
		err = flags & RENAME_EXCHANGE ? exchange(odir, o, ndir, n)
					      : move(odir, o, ndir, n, nname, &victim);
	if (ndir != odir)
		mutex_unlock(&ndir->lock);
	mutex_unlock(&odir->lock);
	mutex_unlock(&rename_lock);
	inode_put(victim);
	return err;
}
