/* SPDX-License-Identifier: MIT */
/* The path walk. It holds one reference, to where it stands, and no lock between two names. A
 * symbolic link is put in front of what is left of the path, in a buffer of its own, and the walk
 * goes on: no recursion, and a count of links ends circles. */
#include "fs.h"
#include "task.h"
#include "uaccess.h"

#define MAX_LINKS 40
#define WALK_BUF  (2 * MAX_PATH)

static struct fs_info *current_fs(void)
{
	return percpu_ready && current != NULL ? current->fs : NULL;
}

struct inode *current_root(void)
{
	struct fs_info *fi = current_fs();
	if (fi != NULL)
		return fs_info_root(fi);
	inode_get(root_inode);
	return root_inode;
}

/* Where a path begins: a reference, or err_ptr. */
static struct inode *walk_start(int dirfd, const char *path, unsigned flags)
{
	if (path[0] == '/')
		return current_root();
	if (dirfd == AT_FDCWD) {
		struct fs_info *fi = current_fs();
		return fi != NULL ? fs_info_cwd(fi) : current_root();
	}
	struct file *f = fd_get(dirfd);
	if (f == NULL)
		return err_ptr(-EBADF);
	struct inode *in = f->inode;
	bool ok = mode_is(in->mode, S_IFDIR) || (path[0] == '\0' && (flags & WALK_EMPTY));
	if (ok)
		inode_get(in);
	file_put(f);
	return ok ? in : err_ptr(-ENOTDIR);
}

/* A directory that a file system made up just now learns where it is. */
static int adopt(struct inode *dir, struct inode *in, const char *name)
{
	if (in->parent != NULL)
		return 0;
	char *copy = kstrdup(name);
	if (copy == NULL)
		return -ENOMEM;
	inode_get(dir);
	spin_lock(&tree_lock);
	bool won = in->parent == NULL;
	if (won) {
		in->parent = dir;
		char *old = in->name;
		in->name = copy;
		copy = old;
	}
	spin_unlock(&tree_lock);
	kfree(copy);
	if (!won)
		inode_put(dir);
	return 0;
}

static struct inode *lookup(struct inode *dir, const char *name)
{
	if (dir->iops == NULL) {
		mutex_lock(&dir->lock);
		struct inode *in = ramfs_lookup(dir, name);
		mutex_unlock(&dir->lock);
		return in;
	}
	if (dir->iops->lookup == NULL)
		return err_ptr(-ENOTDIR);
	struct inode *in = dir->iops->lookup(dir, name);
	if (is_err(in) || !mode_is(in->mode, S_IFDIR))
		return in;
	int err = adopt(dir, in, name);
	if (err == 0)
		return in;
	inode_put(in);
	return err_ptr(err);
}

/* Takes the reference over and returns one. */
static struct inode *step_up(struct inode *at)
{
	struct inode *root = current_root();
	struct inode *up = at;
	if (at != root) {
		spin_lock(&tree_lock);
		if (at->parent != NULL)
			up = at->parent;
		inode_get(up);
		spin_unlock(&tree_lock);
		inode_put(at);
	}
	inode_put(root);
	return up;
}

char *inode_link_text(struct inode *in)
{
	if (!mode_is(in->mode, S_IFLNK))
		return err_ptr(-EINVAL);
	if (in->iops == NULL) {
		char *text = kstrdup(in->priv);
		return text != NULL ? text : err_ptr(-ENOMEM);
	}
	if (in->iops->readlink == NULL)
		return err_ptr(-EINVAL);
	char *text = kmalloc(MAX_PATH);
	if (text == NULL)
		return err_ptr(-ENOMEM);
	long n = in->iops->readlink(in, text, MAX_PATH - 1);
	if (n < 0) {
		kfree(text);
		return err_ptr(n);
	}
	text[n] = '\0';
	return text;
}

/* Writes the link's text, then what is left of the path, to *buf (made on first use); rest may lie
 * inside it. 0 or -errno. */
static int splice_link(struct inode *link, const char *rest, bool slash, char **buf)
{
	char *text = inode_link_text(link);
	if (is_err(text))
		return (int)ptr_err(text);
	int err = 0;
	size_t n = strlen(text), r = strlen(rest);
	if (*buf == NULL)
		*buf = kmalloc(WALK_BUF);
	if (*buf == NULL)
		err = -ENOMEM;
	else if (n == 0)
		err = -ENOENT;
	else if (n + r + 2 > WALK_BUF)
		err = -ENAMETOOLONG;
	if (err == 0) {
		memmove(*buf + n + (slash ? 1 : 0), rest, r + 1);
		memcpy(*buf, text, n);
		if (slash)
			(*buf)[n] = '/';
	}
	kfree(text);
	return err;
}

/* The next name of *path to w->name; *path moves to the one after it. */
static int next_name(const char **path, struct walk *w)
{
	const char *p = *path;
	size_t n = 0;
	while (p[n] != '\0' && p[n] != '/')
		n++;
	if (n > MAX_NAME)
		return -ENAMETOOLONG;
	memcpy(w->name, p, n);
	w->name[n] = '\0';
	w->slash = p[n] == '/';
	for (p += n; *p == '/'; p++)
		;
	*path = p;
	return 0;
}

static int walk_done(struct walk *w, enum walk_last last, struct inode *dir, struct inode *in)
{
	w->last = last;
	w->dir = dir;
	w->inode = in;
	return 0;
}

/* Takes over the reference to `at`. *buf is the caller's to free. */
static int walk_from(struct inode *at, const char *p, unsigned flags, struct walk *w, char **buf)
{
	int links = 0, err;
	for (;;) {
		while (*p == '/')
			p++;
		if (*p == '\0')
			return walk_done(w, LAST_ROOT, NULL, at);
		err = next_name(&p, w);
		if (err == 0 && !mode_is(at->mode, S_IFDIR))
			err = -ENOTDIR;
		if (err != 0)
			break;
		bool last = *p == '\0';
		if (strcmp(w->name, ".") == 0) {
			if (last)
				return walk_done(w, LAST_DOT, NULL, at);
			continue;
		}
		if (strcmp(w->name, "..") == 0) {
			at = step_up(at);
			if (last)
				return walk_done(w, LAST_DOTDOT, NULL, at);
			continue;
		}
		struct inode *in = lookup(at, w->name);
		if (is_err(in)) {
			err = (int)ptr_err(in);
			if (err == -ENOENT && last)
				return walk_done(w, LAST_NAME, at, NULL);
			break;
		}
		bool follow =
			!last || (!(flags & WALK_PARENT) && (w->slash || (flags & WALK_FOLLOW)));
		if (follow && mode_is(in->mode, S_IFLNK)) {
			if (++links > MAX_LINKS) {
				err = -ELOOP;
			} else if (in->iops != NULL && in->iops->follow != NULL) {
				struct inode *to = in->iops->follow(in);
				inode_put(in);
				in = to;
				err = is_err(in) ? (int)ptr_err(in) : 0;
			} else {
				err = splice_link(in, p, w->slash, buf);
				inode_put(in);
				if (err != 0)
					break;
				p = *buf;
				if (*p == '/') {
					inode_put(at);
					at = current_root();
				}
				continue;
			}
			if (err != 0) {
				inode_put(is_err(in) ? NULL : in);
				break;
			}
		}
		mount_cross(&in);
		if (last) {
			if (w->slash && !(flags & WALK_PARENT) && !mode_is(in->mode, S_IFDIR)) {
				inode_put(in);
				err = -ENOTDIR;
				break;
			}
			return walk_done(w, LAST_NAME, at, in);
		}
		inode_put(at);
		at = in;
	}
	inode_put(at);
	return err;
}

int path_walk(int dirfd, const char *path, unsigned flags, struct walk *w)
{
	w->dir = w->inode = NULL;
	w->slash = false;
	w->name[0] = '\0';
	if (path[0] == '\0' && !(flags & WALK_EMPTY))
		return -ENOENT;
	struct inode *at = walk_start(dirfd, path, flags);
	if (is_err(at))
		return (int)ptr_err(at);
	if (path[0] == '\0')
		return walk_done(w, LAST_DOT, NULL, at);
	char *buf = NULL;
	int err = walk_from(at, path, flags, w, &buf);
	kfree(buf);
	return err;
}

void walk_end(struct walk *w)
{
	inode_put(w->dir);
	inode_put(w->inode);
	w->dir = w->inode = NULL;
}

struct inode *path_inode(int dirfd, const char *path, unsigned flags)
{
	struct walk w;
	int err = path_walk(dirfd, path, flags, &w);
	if (err != 0)
		return err_ptr(err);
	struct inode *in = w.inode;
	inode_put(w.dir);
	return in != NULL ? in : err_ptr(-ENOENT);
}

char *path_from_user(uint64_t va, bool empty_ok)
{
	char *path = kmalloc(MAX_PATH);
	if (path == NULL)
		return err_ptr(-ENOMEM);
	long n = strncpy_from_user(path, va, MAX_PATH);
	if (n == 0 && !empty_ok)
		n = -ENOENT;
	if (n >= 0)
		return path;
	kfree(path);
	return err_ptr(n);
}

struct inode *user_path_inode(int dirfd, uint64_t path, unsigned flags)
{
	char *p = path_from_user(path, flags & WALK_EMPTY);
	if (is_err(p))
		return (struct inode *)p;
	struct inode *in = path_inode(dirfd, p, flags);
	kfree(p);
	return in;
}
