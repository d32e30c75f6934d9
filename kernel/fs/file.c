/* SPDX-License-Identifier: MIT */
/* Open files: from a path or an inode to a struct file, and its end. */
#include "fs.h"
#include "task.h"

/* What open uses up; the rest stays visible to F_GETFL. */
#define OPEN_ONLY (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

static const struct file_ops path_only_ops; /* O_PATH: no operation at all */

/* Whether it keeps its file from being run as a program. */
static bool is_writer(const struct inode *in, uint32_t flags)
{
	return mode_is(in->mode, S_IFREG) && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
}

void file_get(struct file *f)
{
	__atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
}

void file_put(struct file *f)
{
	if (f == NULL || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (f->ops->release != NULL)
		f->ops->release(f);
	locks_file_released(f);
	if (is_writer(f->inode, f->flags))
		inode_end_write(f->inode);
	inode_put(f->inode);
	kfree(f->path);
	kfree(f);
}

static const struct file_ops *ops_for(const struct inode *in, uint32_t flags)
{
	if (flags & O_PATH)
		return &path_only_ops;
	switch (in->mode & S_IFMT) {
	case S_IFCHR:
		return chardev_ops(in->rdev);
	case S_IFBLK: /* there are no block devices */
	case S_IFSOCK:
		return NULL;
	default:
		return in->ops;
	}
}

struct file *file_on_inode(struct inode *in, uint32_t flags, const char *path)
{
	const struct file_ops *ops = ops_for(in, flags);
	if (ops == NULL)
		return err_ptr(mode_is(in->mode, S_IFLNK) ? -ELOOP : -ENXIO);
	struct file *f = kzalloc(sizeof(*f));
	if (f == NULL)
		return err_ptr(-ENOMEM);
	if (path != NULL) {
		f->path = kstrdup(path);
		if (f->path == NULL) {
			kfree(f);
			return err_ptr(-ENOMEM);
		}
	}
	f->refs = 1;
	f->flags = flags;
	f->inode = in;
	f->ops = ops;
	f->at_pos = mode_is(in->mode, S_IFREG) || mode_is(in->mode, S_IFDIR);
	mutex_init(&f->pos_lock);
	inode_get(in);
	bool writer = is_writer(in, flags);
	int err = writer ? inode_begin_write(in) : 0;
	if (err == 0 && ops->open != NULL) {
		err = ops->open(in, f);
		if (err != 0 && writer)
			inode_end_write(in);
	}
	if (err != 0) {
		inode_put(f->inode);
		kfree(f->path);
		kfree(f);
		return err_ptr(err);
	}
	f->flags &= ~(uint32_t)OPEN_ONLY;
	return f;
}

/* The absolute path of what a walk found, kmalloc'ed; NULL if it has none (or no memory: the path
 * is for people). */
static char *found_path(const struct walk *w)
{
	struct inode *dir =
		w->inode != NULL && mode_is(w->inode->mode, S_IFDIR) ? w->inode : w->dir;
	char *buf = dir != NULL ? kmalloc(MAX_PATH) : NULL;
	if (buf == NULL)
		return NULL;
	long n = dir_path(dir, buf, MAX_PATH);
	char *path = NULL;
	if (n >= 0 && dir == w->dir) {
		size_t len = n > 1 ? (size_t)n : 0, name = strlen(w->name); /* "/" adds nothing */
		path = kmalloc(len + name + 2);
		if (path != NULL) {
			memcpy(path, buf, len);
			path[len] = '/';
			memcpy(path + len + 1, w->name, name + 1);
		}
	} else if (n >= 0) {
		path = kstrdup(buf);
	}
	kfree(buf);
	return path;
}

static uint32_t current_umask(void)
{
	return percpu_ready && current != NULL && current->fs != NULL ? current->fs->umask : 0;
}

/* Sets w->inode to what is to be opened, making it if asked to; *made says so. -EAGAIN: somebody
 * else made it meanwhile. */
static int open_target(struct walk *w, uint32_t flags, uint32_t mode, bool *made)
{
	if (w->inode == NULL) {
		if (!(flags & O_CREAT))
			return -ENOENT;
		if (w->slash)
			return -EISDIR;
		int err = ramfs_create(w->dir, w->name,
				       S_IFREG | (mode & MODE_BITS & ~current_umask()), 0, NULL,
				       &w->inode);
		*made = err == 0;
		return err == -EEXIST ? -EAGAIN : err;
	}
	uint32_t type = w->inode->mode & S_IFMT;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (type == S_IFLNK && !(flags & O_PATH))
		return -ELOOP;
	if (type == S_IFDIR && (flags & O_TMPFILE_BIT)) {
		if (!ramfs_is(w->inode))
			return -EOPNOTSUPP;
		struct inode *in = ramfs_inode(S_IFREG | (mode & MODE_BITS & ~current_umask()), 0);
		if (in == NULL)
			return -ENOMEM;
		in->dev = w->inode->dev;
		inode_put(w->inode);
		w->inode = in;
		*made = true;
		return 0;
	}
	if (type == S_IFDIR && (flags & (O_ACCMODE | O_CREAT | O_TRUNC)))
		return -EISDIR;
	if (type != S_IFDIR && (flags & O_DIRECTORY))
		return -ENOTDIR;
	return 0;
}

struct file *file_open_at(int dirfd, const char *path, uint32_t flags, uint32_t mode)
{
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if ((flags & O_TMPFILE_BIT) &&
	    (!(flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY || (flags & O_CREAT)))
		return err_ptr(-EINVAL);
	bool follow = !(flags & O_NOFOLLOW) && !((flags & O_CREAT) && (flags & O_EXCL));
	for (;;) {
		struct walk w;
		bool made = false;
		int err = path_walk(dirfd, path, follow ? WALK_FOLLOW : 0, &w);
		if (err != 0)
			return err_ptr(err);
		err = open_target(&w, flags, mode, &made);
		struct file *f = err_ptr(err);
		if (err == 0) {
			char *where = found_path(&w);
			f = file_on_inode(w.inode, flags | ((flags & O_PATH) ? 0 : O_LARGEFILE),
					  where);
			kfree(where);
		}
		if (!is_err(f) && (flags & O_TRUNC) && !made && ramfs_is(w.inode) &&
		    mode_is(w.inode->mode, S_IFREG)) {
			int cut = inode_cut(w.inode, 0);
			if (cut != 0) {
				file_put(f);
				f = err_ptr(cut);
			}
		}
		walk_end(&w);
		if (err != -EAGAIN)
			return f;
	}
}

struct file *file_open(const char *path, uint32_t flags, uint32_t mode)
{
	return file_open_at(AT_FDCWD, path, flags, mode);
}

long file_pread(struct file *f, void *buf, size_t n, uint64_t pos)
{
	if (f->ops->read == NULL)
		return -EINVAL;
	return f->ops->read(f, buf, n, &pos);
}
