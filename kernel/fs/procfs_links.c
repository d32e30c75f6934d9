/* SPDX-License-Identifier: MIT */
/* /proc/PID/{exe,cwd,root} and fd/. Following one leads to the very inode; its text is a path for
 * people, found anew because inodes of files do not know their names. */
#include "procfs.h"
#include "ramfs_dir.h"

enum { MAX_DEPTH = 32 };

/* The three are taken from a task under task_lock; NULL once it has left. */
static struct files *task_get_files(struct task *t)
{
	uint64_t flags = spin_lock_irqsave(&task_lock);
	struct files *fs = t->files;
	if (fs != NULL)
		files_get(fs);
	spin_unlock_irqrestore(&task_lock, flags);
	return fs;
}

static struct fs_info *task_get_fs(struct task *t)
{
	uint64_t flags = spin_lock_irqsave(&task_lock);
	struct fs_info *fs = t->fs;
	if (fs != NULL)
		fs_info_get(fs);
	spin_unlock_irqrestore(&task_lock, flags);
	return fs;
}

/* ---- from an inode to a path */

struct search {
	const struct inode *target;
	const char *hint; /* of several names this one is wanted; the first is taken otherwise */
	char *buf;
	size_t n;
	long len; /* of what is in buf, 0: nothing yet */
	bool exact;
	struct {
		struct inode *dir;
		uint64_t position;
	} level[MAX_DEPTH];
};

static void found(struct search *s, struct inode *dir, const char *name)
{
	bool exact = strncmp(name, s->hint, sizeof(((struct process *)0)->name) - 1) == 0;
	if (s->len > 0 && !exact)
		return;
	long len = dir_path(dir, s->buf, s->n);
	size_t add = strlen(name);
	if (len < 0 || (size_t)len + add + 2 > s->n)
		return;
	if (len > 1)
		s->buf[len++] = '/';
	memcpy(s->buf + len, name, add + 1);
	s->len = len + (long)add;
	s->exact = exact;
}

/* Looks through a directory from its position on: the next directory below it, with a reference,
 * or NULL at its end. */
static struct inode *search_dir(struct search *s, struct inode *dir, uint64_t *position)
{
	struct ram_dir *d = dir->priv;
	struct inode *below = NULL;
	mutex_lock(&dir->lock);
	if (dir->nlink == 0)
		goto out;
	list_for_each_entry (e, &d->order, struct ram_entry, order) {
		if (e->position < *position)
			continue;
		*position = e->position + 1;
		if (e->inode == s->target)
			found(s, dir, e->name);
		if (mode_is(e->inode->mode, S_IFDIR)) {
			below = e->inode;
			inode_get(below);
			break;
		}
	}
out:
	mutex_unlock(&dir->lock);
	return below;
}

/* Through the whole tree and what is mounted in it. */
static void search_tree(struct search *s, struct inode *root)
{
	int depth = 0;
	inode_get(root);
	s->level[0].dir = root;
	s->level[0].position = 0;
	while (depth >= 0) {
		struct inode *in =
			s->exact ? NULL
				 : search_dir(s, s->level[depth].dir, &s->level[depth].position);
		if (in == NULL) {
			inode_put(s->level[depth--].dir);
			continue;
		}
		mount_cross(&in);
		if (!ramfs_is(in) || depth + 1 == MAX_DEPTH) {
			inode_put(in);
			continue;
		}
		s->level[++depth].dir = in;
		s->level[depth].position = 0;
	}
}

long procfs_inode_path(struct inode *in, const char *hint, char *buf, size_t n)
{
	if (mode_is(in->mode, S_IFDIR))
		return dir_path(in, buf, n);
	if (!ramfs_is(in))
		return -ENOENT;
	struct search *s = kzalloc(sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->target = in;
	s->hint = hint;
	s->buf = buf;
	s->n = n;
	search_tree(s, root_inode);
	long len = s->len > 0 ? s->len : -ENOENT;
	kfree(s);
	return len;
}

/* ---- exe, cwd, root */

struct inode *procfs_exe(struct task *t, unused int fd)
{
	struct mm *mm = task_get_mm(t);
	if (mm == NULL)
		return err_ptr(-ENOENT);
	struct inode *in = mm->exe;
	if (in != NULL)
		inode_get(in);
	mm_put(mm);
	return in != NULL ? in : err_ptr(-ENOENT);
}

/* Puts the reference. */
static long path_text(struct inode *in, const char *hint, char *buf, size_t n)
{
	if (is_err(in))
		return ptr_err(in);
	char *path = kmalloc(MAX_PATH);
	long len = -ENOMEM;
	if (path != NULL) {
		len = procfs_inode_path(in, hint, path, MAX_PATH);
		if (len > (long)n)
			len = (long)n;
		if (len > 0)
			memcpy(buf, path, (size_t)len);
	}
	kfree(path);
	inode_put(in);
	return len;
}

long procfs_exe_text(struct task *t, int fd, char *buf, size_t n)
{
	return path_text(procfs_exe(t, fd), t->proc->name, buf, n);
}

struct inode *procfs_cwd(struct task *t, unused int fd)
{
	struct fs_info *fs = task_get_fs(t);
	if (fs == NULL)
		return err_ptr(-ENOENT);
	struct inode *in = fs_info_cwd(fs);
	fs_info_put(fs);
	return in;
}

long procfs_cwd_text(struct task *t, int fd, char *buf, size_t n)
{
	return path_text(procfs_cwd(t, fd), "", buf, n);
}

struct inode *procfs_root(struct task *t, unused int fd)
{
	struct fs_info *fs = task_get_fs(t);
	if (fs == NULL)
		return err_ptr(-ENOENT);
	struct inode *in = fs_info_root(fs);
	fs_info_put(fs);
	return in;
}

long procfs_root_text(struct task *t, int fd, char *buf, size_t n)
{
	return path_text(procfs_root(t, fd), "", buf, n);
}

/* ---- fd/ */

static struct file *task_file(struct task *t, int fd)
{
	struct files *fs = task_get_files(t);
	struct file *f = files_get_file(fs, fd); /* NULL is allowed */
	files_put(fs);
	return f;
}

struct inode *procfs_fd_lookup(struct inode *dir, const char *name)
{
	const struct proc_node *node = dir->priv;
	int fd = procfs_parse_number(name);
	struct file *f = fd >= 0 ? task_file(node->task, fd) : NULL;
	if (f == NULL)
		return err_ptr(-ENOENT);
	uint32_t mode = f->flags & O_ACCMODE;
	file_put(f);
	struct inode *in = procfs_inode(&procfs_fd_entry, node->task, node->thread, fd);
	if (!is_err(in)) /* the rights show how it was opened */
		in->mode = S_IFLNK | (mode != O_WRONLY ? 0500 : 0) | (mode != O_RDONLY ? 0300 : 0);
	return in;
}

int procfs_fd_readdir(struct file *f, uint64_t *pos, emit_fn *emit, void *arg)
{
	const struct proc_node *node = f->inode->priv;
	char name[12];
	for (; *pos < 2 + NOFILE; ++*pos) {
		int fd = (int)*pos - 2;
		struct file *open = task_file(node->task, fd);
		if (open == NULL)
			continue;
		file_put(open);
		snprintf(name, sizeof(name), "%d", fd);
		uint64_t ino = procfs_number(&procfs_fd_entry, node->task->tid, node->thread, fd);
		if (!emit(arg, name, ino, DT_LNK))
			break;
	}
	return 0;
}

long procfs_fd_text(struct task *t, int fd, char *buf, size_t n)
{
	struct file *f = task_file(t, fd);
	if (f == NULL)
		return -ENOENT;
	char other[40];
	const char *text = f->path;
	if (text == NULL) {
		const char *kind = mode_is(f->inode->mode, S_IFIFO) ? "pipe" : "anon_inode";
		snprintf(other, sizeof(other), "%s:[%llu]", kind,
			 (unsigned long long)f->inode->ino);
		text = other;
	}
	size_t len = MIN(strlen(text), n);
	memcpy(buf, text, len);
	file_put(f);
	return (long)len;
}

struct inode *procfs_fd(struct task *t, int fd)
{
	struct file *f = task_file(t, fd);
	if (f == NULL)
		return err_ptr(-ENOENT);
	struct inode *in = f->inode;
	inode_get(in);
	file_put(f);
	return in;
}
