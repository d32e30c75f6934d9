/* SPDX-License-Identifier: MIT */
/* /proc/PID and /proc/PID/task/TID: which names there are, and how they lead on. */
#include "procfs.h"

static struct inode *task_lookup(struct inode *dir, const char *name);
static int task_readdir(struct file *f, uint64_t *pos, emit_fn *emit, void *arg);

static const struct pid_entry entries[] = {
	{.name = "stat", .mode = S_IFREG | 0444, .show = procfs_pid_stat},
	{.name = "statm", .mode = S_IFREG | 0444, .show = procfs_pid_statm},
	{.name = "status", .mode = S_IFREG | 0444, .show = procfs_pid_status},
	{.name = "cmdline", .mode = S_IFREG | 0444, .show = procfs_pid_cmdline},
	{.name = "comm", .mode = S_IFREG | 0444, .show = procfs_pid_comm},
	{.name = "environ", .mode = S_IFREG | 0400, .show = procfs_pid_environ},
	{.name = "maps", .mode = S_IFREG | 0444, .show = procfs_pid_maps},
	{.name = "limits", .mode = S_IFREG | 0444, .show = procfs_pid_limits},
	{.name = "mounts", .mode = S_IFREG | 0444, .show = procfs_pid_mounts},
	{.name = "exe", .mode = S_IFLNK | 0777, .readlink = procfs_exe_text, .follow = procfs_exe},
	{.name = "cwd", .mode = S_IFLNK | 0777, .readlink = procfs_cwd_text, .follow = procfs_cwd},
	{.name = "root",
	 .mode = S_IFLNK | 0777,
	 .readlink = procfs_root_text,
	 .follow = procfs_root},
	{.name = "fd",
	 .mode = S_IFDIR | 0500,
	 .lookup = procfs_fd_lookup,
	 .readdir = procfs_fd_readdir},
	{.name = "task",
	 .mode = S_IFDIR | 0555,
	 .process_only = true,
	 .lookup = task_lookup,
	 .readdir = task_readdir},
};

const struct pid_entry procfs_fd_entry = {
	.name = "",
	.mode = S_IFLNK | 0700,
	.readlink = procfs_fd_text,
	.follow = procfs_fd,
};

unsigned procfs_pid_index(const struct pid_entry *pid)
{
	if (pid == NULL)
		return 0;
	return pid == &procfs_fd_entry ? ARRAY_SIZE(entries) + 1 : (unsigned)(pid - entries) + 1;
}

int procfs_alive(struct task *t)
{
	uint64_t flags = spin_lock_irqsave(&task_lock);
	bool gone = list_empty(&t->hash_link);
	spin_unlock_irqrestore(&task_lock, flags);
	return gone ? -ESRCH : 0;
}

static bool listed(const struct pid_entry *e, const struct proc_node *node)
{
	return !(e->process_only && node->thread);
}

struct inode *procfs_pid_lookup(struct inode *dir, const char *name)
{
	const struct proc_node *node = dir->priv;
	if (procfs_alive(node->task) != 0)
		return err_ptr(-ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		if (strcmp(entries[i].name, name) == 0 && listed(&entries[i], node))
			return procfs_inode(&entries[i], node->task, node->thread, -1);
	return err_ptr(-ENOENT);
}

int procfs_pid_readdir(struct file *f, uint64_t *pos, emit_fn *emit, void *arg)
{
	const struct proc_node *node = f->inode->priv;
	for (; *pos < 2 + ARRAY_SIZE(entries); ++*pos) {
		const struct pid_entry *e = &entries[*pos - 2];
		uint64_t ino = procfs_number(e, node->task->tid, node->thread, -1);
		if (listed(e, node) && !emit(arg, e->name, ino, (e->mode & S_IFMT) >> 12))
			break;
	}
	return 0;
}

static struct inode *task_lookup(struct inode *dir, const char *name)
{
	const struct proc_node *node = dir->priv;
	int tid = procfs_parse_number(name);
	struct task *t = tid > 0 ? task_find(tid) : NULL;
	if (t == NULL)
		return err_ptr(-ENOENT);
	struct inode *in =
		t->proc == node->task->proc ? procfs_inode(NULL, t, true, -1) : err_ptr(-ENOENT);
	task_put(t);
	return in;
}

/* The smallest thread number of the process that is at least `from`; 0 if there is none. */
static int next_thread(struct process *p, int from)
{
	int best = 0;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	list_for_each_entry (t, &p->threads, struct task, thread_link) {
		if (t->tid >= from && (best == 0 || t->tid < best))
			best = t->tid;
	}
	spin_unlock_irqrestore(&task_lock, flags);
	return best;
}

static int task_readdir(struct file *f, uint64_t *pos, emit_fn *emit, void *arg)
{
	const struct proc_node *node = f->inode->priv;
	char name[12];
	int tid;
	/* Position 2 + tid. */
	while ((tid = next_thread(node->task->proc, (int)(*pos - 2))) != 0) {
		*pos = 2 + (uint64_t)(unsigned)tid;
		snprintf(name, sizeof(name), "%d", tid);
		if (!emit(arg, name, procfs_number(NULL, tid, true, -1), DT_DIR))
			break;
		++*pos;
	}
	return 0;
}
