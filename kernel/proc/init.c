/* SPDX-License-Identifier: MIT */
/* Process 1: the kernel thread that starts it becomes it. */
#include "printk.h"
#include "proc.h"
#include "slab.h"
#include "vfs.h"

/* All that a kernel thread lacks. What cannot be had leaves the thread as it was. */
static int become_process(struct task *t)
{
	struct process *p = process_alloc();
	struct files *files = files_create();
	struct fs_info *fs = fs_info_create();
	void *fpu = fpu_alloc();
	struct sigqueue *pending = kzalloc(sizeof(*pending));
	uint64_t irq;

	if (!p || !files || !fs || !fpu || !pending) {
		if (p)
			process_put(p);
		if (files)
			files_put(files);
		if (fs)
			fs_info_put(fs);
		fpu_free(fpu);
		kfree(pending);
		return -ENOMEM;
	}
	p->pid = 1;
	p->leader = t;
	strlcpy(p->name, t->thread_name, sizeof(p->name));
	t->thread_name[0] = 0;

	irq = spin_lock_irqsave(&task_lock);
	t->tid = 1;
	task_set_files(t, files);
	t->fs = fs;
	t->pending = pending;
	t->fpu = fpu;
	fpu_load(fpu);
	process_add_thread_locked(p, t);
	task_head_update(t);
	task_get(t);
	tid_hash_locked(t);
	list_add_tail(&process_list, &p->all);
	init_process = p;
	spin_unlock_irqrestore(&task_lock, irq);
	return 0;
}

/* Descriptors 0, 1 and 2. Without a console init runs with none, as in Linux. */
static void open_console(void)
{
	struct file *f = console_open();

	if (!f || is_err(f)) {
		printk("init: there is no /dev/console\n");
		return;
	}
	for (int i = 0; i < 3; i++) {
		file_get(f);
		if (fd_install(f, false) < 0)
			file_put(f);
	}
	file_put(f);
}

static void explain(const char *path, const struct exec_fault *fault, int err, char *why, size_t n)
{
	const char *what = fault->what;
	bool other = fault->file[0] && strncmp(fault->file, path, sizeof(fault->file) - 1) != 0;

	if (!what)
		what = err == -ENOENT    ? "there is no such file"
		       : err == -ENOTDIR ? "its path goes through something that is no directory"
		       : err == -ELOOP   ? "its path goes through too many links"
		       : err == -ENOMEM  ? "there is no memory for it"
		       : err == -E2BIG   ? "its arguments are too long"
					 : "the file system refuses it";
	snprintf(why, n, "%s%s%s%s (error %d)", other ? "its interpreter " : "",
		 other ? fault->file : "", other ? ": " : "", what, -err);
}

void task_start_init(const char *path, char *const argv[], char *const envp[], char *why, size_t n)
{
	struct task *t = current;
	struct exec_fault fault = {0};
	int err = become_process(t);

	if (!err) {
		open_console();
		err = task_exec_why(path, argv, envp, &fault);
	}
	if (err) {
		explain(path, &fault, err, why, n);
		return;
	}
	irq_disable();
	exit_to_user_work(t->user_regs, false);
	kaiser_exit_to_user(t->user_regs);
}
