/* SPDX-License-Identifier: MIT */
/* Whole trees: making nodes by absolute path for boot code, and emptying a tree that was unmounted.
 */
#include "ramfs_dir.h"

/* One directory, followed if it is a link there already: a reference or err_ptr. */
static struct inode *mkdir_one(const char *path, uint32_t mode)
{
	struct walk w;
	int err = path_walk(AT_FDCWD, path, WALK_FOLLOW, &w);
	if (err != 0)
		return err_ptr(err);
	if (w.inode == NULL)
		err = ramfs_create(w.dir, w.name, S_IFDIR | (mode & MODE_BITS), 0, NULL, &w.inode);
	else if (!mode_is(w.inode->mode, S_IFDIR))
		err = -ENOTDIR;
	struct inode *in = err == 0 ? w.inode : err_ptr(err);
	if (err == 0)
		inode_get(in);
	walk_end(&w);
	return in;
}

struct inode *ramfs_mkdir_p(const char *path, uint32_t mode)
{
	char *part = kstrdup(path);
	if (part == NULL)
		return err_ptr(-ENOMEM);
	struct inode *in = mkdir_one("/", mode);
	char *p = part;
	while (!is_err(in)) {
		while (*p == '/')
			p++;
		if (*p == '\0')
			break;
		while (*p != '\0' && *p != '/')
			p++;
		/* Cut after this name, make that much of the path, put the slash back. */
		char cut = *p;
		*p = '\0';
		inode_put(in);
		in = mkdir_one(part, mode);
		*p = cut;
	}
	kfree(part);
	return in;
}

static int make(const char *path, uint32_t mode, uint64_t rdev, const char *text)
{
	struct walk w;
	int err = path_walk(AT_FDCWD, path, WALK_PARENT, &w);
	if (err != 0)
		return err;
	if (w.inode != NULL)
		err = -EEXIST;
	else
		err = ramfs_create(w.dir, w.name, mode, rdev, text, NULL);
	walk_end(&w);
	return err;
}

int ramfs_mknod(const char *path, uint32_t mode, uint64_t rdev)
{
	return make(path, mode, rdev, NULL);
}

int ramfs_symlink(const char *text, const char *path)
{
	return make(path, S_IFLNK | 0777, 0, text);
}

/* The first subdirectory of dir, with a reference, once its other entries are gone; NULL: empty. */
static struct inode *clear_files(struct inode *dir)
{
	struct ram_dir *d = dir->priv;
	struct inode *sub = NULL;
	mutex_lock(&dir->lock);
	list_for_each_entry_safe (e, n, &d->order, struct ram_entry, order) {
		struct inode *in = e->inode;
		if (mode_is(in->mode, S_IFDIR)) {
			if (sub == NULL)
				sub = in;
			continue;
		}
		dir_remove(dir, e);
		nlink_add(in, -1);
		inode_put(in);
		kfree(e);
	}
	if (sub != NULL)
		inode_get(sub);
	mutex_unlock(&dir->lock);
	return sub;
}

/* Down to a directory without subdirectories, remove it, up again: no recursion, any depth. */
void ramfs_clear(struct inode *top)
{
	struct inode *dir = top;
	inode_get(dir);
	for (;;) {
		struct inode *sub = clear_files(dir);
		if (sub != NULL) {
			inode_put(dir);
			dir = sub;
			continue;
		}
		if (dir == top)
			break;
		spin_lock(&tree_lock);
		struct inode *up = dir->parent;
		inode_get(up);
		char *name = dir->name != NULL ? kstrdup(dir->name) : NULL;
		spin_unlock(&tree_lock);
		int err = name != NULL ? ramfs_rmdir(up, name) : -ENOMEM;
		kfree(name);
		inode_put(dir);
		dir = up;
		if (err != 0 && err != -ENOENT && err != -ENOTEMPTY)
			break; /* a mount inside, or no memory: the rest stays until reboot */
	}
	inode_put(dir);
}
