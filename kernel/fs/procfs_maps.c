/* SPDX-License-Identifier: MIT */
/* /proc/PID/{cmdline,environ,maps,mounts}. */
#include "procfs.h"

static int show_range(struct seq *s, struct task *t, bool environment)
{
	char chunk[256];
	struct mm *mm = task_get_mm(t);
	if (mm == NULL)
		return 0; /* a zombie: empty */
	uint64_t at = environment ? mm->env_start : mm->arg_start;
	uint64_t end = environment ? mm->env_end : mm->arg_end;
	while (at < end && !s->failed) {
		long n = mm_peek(mm, at, chunk, MIN(end - at, sizeof(chunk)));
		if (n <= 0)
			break;
		seq_write(s, chunk, (size_t)n);
		at += (uint64_t)n;
	}
	mm_put(mm);
	return 0;
}

int procfs_pid_cmdline(struct seq *s, struct task *t)
{
	return show_range(s, t, false);
}

int procfs_pid_environ(struct seq *s, struct task *t)
{
	return show_range(s, t, true);
}

static void show_area(struct seq *s, const struct vma *v, const char *path)
{
	enum { NAME_COLUMN = 73 };
	const struct inode *in = v->inode;
	size_t start = s->used;
	seq_printf(s, "%08llx-%08llx %c%c%c%c %08llx 00:%02x %llu ", (unsigned long long)v->start,
		   (unsigned long long)v->end, v->prot & PROT_READ ? 'r' : '-',
		   v->prot & PROT_WRITE ? 'w' : '-', v->prot & PROT_EXEC ? 'x' : '-',
		   v->flags & MAP_SHARED ? 's' : 'p',
		   in != NULL ? (unsigned long long)v->offset : 0, in != NULL ? in->dev : 0,
		   in != NULL ? (unsigned long long)in->ino : 0);
	const char *name = v->name[0] != '\0' ? v->name : path;
	if (name[0] != '\0') {
		while (s->used - start < NAME_COLUMN && !s->failed)
			seq_write(s, " ", 1);
		seq_escaped(s, name);
	}
	seq_write(s, "\n", 1);
}

int procfs_pid_maps(struct seq *s, struct task *t)
{
	const struct inode *last = NULL; /* neighbours mostly map the same file */
	struct mm *mm = task_get_mm(t);
	if (mm == NULL)
		return 0;
	char *path = kmalloc(MAX_PATH);
	if (path == NULL) {
		mm_put(mm);
		return -ENOMEM;
	}
	mutex_lock(&mm->lock);
	list_for_each_entry (v, &mm->areas, struct vma, link) {
		if (v->inode == NULL)
			path[0] = '\0';
		else if (v->inode != last &&
			 procfs_inode_path(v->inode, t->proc->name, path, MAX_PATH) < 0)
			strlcpy(path, "(deleted)", MAX_PATH);
		last = v->inode;
		show_area(s, v, path);
	}
	mutex_unlock(&mm->lock);
	kfree(path);
	mm_put(mm);
	return 0;
}

static void show_mount(void *arg, const char *path, const char *type)
{
	struct seq *s = arg;
	seq_printf(s, "%s ", type);
	seq_escaped(s, path);
	seq_printf(s, " %s rw 0 0\n", type);
}

int procfs_pid_mounts(struct seq *s, unused struct task *t)
{
	mount_each(show_mount, s);
	return 0;
}
