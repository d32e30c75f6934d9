/* SPDX-License-Identifier: MIT */
/*
 * execve.
 *
 * The new address space is built completely, bss and stack written, while the old one still exists:
 * the task only borrows the new one for the writing. So every failure that a file, its headers, the
 * arguments or want of memory can cause leaves the program as it was. The one thing that may fail
 * after that is to make the other threads leave, and once they do nothing fails any more: there is
 * no point of no return with an error behind it.
 */
#include "ia32.h"
#include "port.h"
#include "printk.h"
#include "proc.h"
#include "slab.h"
#include "syscall.h"
#include "uaccess.h"
#include "vfs.h"

enum { SCRIPT_BYTES = 256, SCRIPT_DEPTH = 5, BRK_SPREAD_PAGES = 8192 };

static struct mm *swap_mm(struct mm *mm)
{
	uint64_t irq = spin_lock_irqsave(&task_lock);
	struct mm *old = current->mm;

	current->mm = mm;
	mm_switch(mm);
	ia32_tls_load(current);
	spin_unlock_irqrestore(&task_lock, irq);
	return old;
}

/* Makes all other threads leave; the one that remains becomes the leader, with its number. */
static int become_only_thread(void)
{
	struct task *t = current, *old = NULL;
	struct process *p = t->proc;
	uint64_t irq = spin_lock_irqsave(&task_lock);

	spin_lock(&p->siglock);
	if (p->exiting || p->exec_thread || t->killed) {
		spin_unlock(&p->siglock);
		spin_unlock_irqrestore(&task_lock, irq);
		return -EAGAIN;
	}
	p->exec_thread = t;
	if (p->nthreads > 1) {
		p->stopped = false;
		process_kill_threads_locked(p, t);
	}
	spin_unlock(&p->siglock);
	spin_unlock_irqrestore(&task_lock, irq);

	wait_event(&p->thread_wait, __atomic_load_n(&p->nthreads, __ATOMIC_SEQ_CST) == 1);

	irq = spin_lock_irqsave(&task_lock);
	p->exec_thread = NULL;
	if (t != p->leader) {
		old = p->leader;
		ptrace_unlink_locked(old, 0);
		tid_unhash_locked(old);
		tid_unhash_locked(t);
		t->tid = p->pid;
		task_head_update(t);
		p->leader = t;
		tid_hash_locked(t);
	}
	spin_unlock_irqrestore(&task_lock, irq);
	if (old)
		task_put(old);
	return 0;
}

static void set_name(struct task *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct process *p = t->proc;
	uint64_t irq = spin_lock_irqsave(&p->siglock);

	strlcpy(p->name, slash ? slash + 1 : path, sizeof(p->name));
	t->thread_name[0] = 0;
	p->did_exec = true;
	p->undumpable = false;
	p->membarrier_ready = false;
	spin_unlock_irqrestore(&p->siglock, irq);
}

/* Everything a program finds in registers when it starts. */
static void reset_cpu_state(struct task *t, uint64_t ip, uint64_t sp, bool ia32)
{
	uint64_t irq = irq_save();

	fpu_reset();
	segments_reset();
	t->debugreg = (struct debugreg){0};
	debugreg_load(&t->debugreg);
	t->fs_base = t->gs_base = 0;
	memset(t->tls, 0, sizeof(t->tls));
	ia32_tls_load(t);
	if (ia32) /* where SS has a base and a limit, DS and ES have */
		segments_load_data(KAISER_USER_DS, KAISER_USER_DS);
	irq_restore(irq);
	*t->user_regs = (struct pt_regs){
		.orig_ax = UINT64_MAX, /* no system call to restart */
		.ip = ip,
		.cs = ia32 ? KAISER_USER32_CS : KAISER_USER_CS,
		.flags = 0x202,
		.sp = sp,
		.ss = KAISER_USER_DS,
	};
}

static uint64_t args_bytes(char *const v[])
{
	uint64_t bytes = 0;

	for (; *v; v++)
		bytes += strlen(*v) + 1 + sizeof(uint64_t);
	return bytes;
}

/* The whole new space, written; the old one is loaded again when this returns. */
static int build(struct mm *mm, struct file *f, struct elf_load *load, const char *execfn,
		 char *const argv[], char *const envp[], uint64_t *sp)
{
	uint64_t bytes = args_bytes(argv) + args_bytes(envp) + strlen(execfn) + PAGE_SIZE;
	struct mm *old;
	int err;

	if (bytes > ARG_MAX_TOTAL + 2 * MAX_PATH + PAGE_SIZE)
		return -E2BIG;
	err = inode_begin_exec(f->inode);
	if (err)
		return err;
	inode_get(f->inode);
	mm->exe = f->inode;
	err = elf_map(f, mm, load);
	if (err)
		return err;
	mm->brk_start = load->image.end + layout_random() % BRK_SPREAD_PAGES * PAGE_SIZE;
	mm->brk = mm->brk_start;
	if (load->image.ia32)
		err = ia32_layout(mm);
	if (err)
		return err;
	err = exec_stack_map(mm, bytes, load->image.exec_stack);
	if (err)
		return err;
	old = swap_mm(mm);
	err = elf_clear_bss(mm, load);
	if (!err)
		err = load->image.ia32 ? ia32_stack_fill(mm, &load->image, execfn, argv, envp, sp)
				       : exec_stack_fill(mm, &load->image, execfn, argv, envp, sp);
	swap_mm(old);
	/* The space is private to this call: a fault in it can only be for want of memory. */
	return err == -EFAULT ? -ENOMEM : err;
}

/* A table of open files that other processes share (CLONE_FILES) is left to them: `copy`, made
 * while failure was possible, takes its place. If it is not needed it goes. */
static void own_files(struct task *t, struct files *copy)
{
	struct files *old = copy;
	uint64_t irq;

	if (!copy)
		return;
	if (files_shared(t->files)) {
		irq = spin_lock_irqsave(&task_lock);
		old = t->files;
		task_set_files(t, copy);
		spin_unlock_irqrestore(&task_lock, irq);
	}
	files_put(old);
}

static void commit(struct mm *mm, uint64_t ip, uint64_t sp, bool ia32, const char *execfn)
{
	struct task *t = current;
	struct mm *old;

	task_leave_memory(t);
	old = swap_mm(mm);
	if (old)
		mm_put(old);
	vfork_release(t);
	t->proc->exit_signal = SIGCHLD;
	signal_exec(t);
	set_name(t, execfn);
	files_close_on_exec(t->files);
	reset_cpu_state(t, ip, sp, ia32);
	port_verify_exec();
}

/* Notes the first thing that was wrong, which is the innermost one. */
static int refuse(struct exec_fault *why, const char *path, const char *what, int err)
{
	if (why && !why->file[0]) {
		why->what = what;
		strlcpy(why->file, path, sizeof(why->file));
	}
	return err;
}

static int run_elf(struct file *f, const char *path, const char *execfn, char *const argv[],
		   char *const envp[], struct exec_fault *why)
{
	struct elf_load *load = kzalloc(sizeof(*load));
	struct mm *mm = mm_create();
	struct files *files = NULL;
	uint64_t sp = 0;
	int old_tid = current->tid;
	int err = -ENOMEM;

	if (load && mm)
		err = build(mm, f, load, execfn, argv, envp, &sp);
	if (!err && files_shared(current->files)) {
		files = files_copy(current->files);
		if (!files)
			err = -ENOMEM;
	}
	if (!err)
		err = become_only_thread();
	if (!err) {
		own_files(current, files);
		port_isolation_exec(mm);
		commit(mm, load->image.entry, sp, load->image.ia32, execfn);
		ptrace_exec(old_tid);
	} else {
		if (files)
			files_put(files);
		if (mm)
			mm_put(mm);
	}
	if (err)
		refuse(why, path, load ? load->why : NULL, err);
	kfree(load);
	return err;
}

/* ---- scripts ---------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "#!", an interpreter, at most one argument (which may hold blanks). head is ended. */
static int parse_script(char *head, bool cut, char **interp, char **arg)
{
	char *end = strchr(head, '\n'), *s = head + 2;
	bool whole = end || !cut;

	if (!end)
		end = head + strlen(head);
	while (end > s && (is_blank(end[-1]) || end[-1] == '\r'))
		end--;
	*end = 0;
	while (is_blank(*s))
		s++;
	if (!*s)
		return -ENOEXEC;
	*interp = s;
	while (*s && !is_blank(*s))
		s++;
	/* A name that the buffer may have cut short must not be run. */
	if (!*s && !whole)
		return -ENOEXEC;
	*arg = NULL;
	if (*s) {
		*s++ = 0;
		while (is_blank(*s))
			s++;
		*arg = s;
	}
	return 0;
}

static int exec_file(const char *path, const char *execfn, char *const argv[], char *const envp[],
		     unsigned depth, struct exec_fault *why);

static int run_script(char *head, bool cut, const char *path, const char *execfn,
		      char *const argv[], char *const envp[], unsigned depth,
		      struct exec_fault *why)
{
	char *interp, *arg, **v, *copy;
	size_t n = 0, k = 0;
	int err = parse_script(head, cut, &interp, &arg);

	if (err)
		return refuse(why, path, "its first line names no interpreter or a too long one",
			      err);
	if (depth >= SCRIPT_DEPTH)
		return refuse(why, path, "it is a script for a script, too many deep", -ELOOP);
	while (argv[n])
		n++;
	v = kmalloc((n + 4) * sizeof(*v));
	copy = kstrdup(path);
	if (!v || !copy) {
		kfree(v);
		kfree(copy);
		return -ENOMEM;
	}
	v[k++] = interp;
	if (arg)
		v[k++] = arg;
	v[k++] = copy;
	for (size_t i = 1; i < n; i++)
		v[k++] = argv[i];
	v[k] = NULL;
	err = exec_file(interp, execfn, v, envp, depth + 1, why);
	kfree(copy);
	kfree(v);
	return err;
}

/* ---- the file --------------------------------------------------------------------------- */

static bool may_execute(const struct inode *in)
{
	const struct cred *c = &current->proc->cred;
	uint32_t x = 1;

	if ((in->mode & S_IFMT) != S_IFREG)
		return false;
	if (c->euid == 0)
		return in->mode & 0111;
	if (c->euid == in->uid) {
		x = 0100;
	} else {
		bool member = c->egid == in->gid;

		for (uint32_t i = 0; i < c->ngroups && i < NGROUPS; i++)
			member |= c->groups[i] == in->gid;
		if (member)
			x = 010;
	}
	return in->mode & x;
}

static int exec_file(const char *path, const char *execfn, char *const argv[], char *const envp[],
		     unsigned depth, struct exec_fault *why)
{
	struct file *f = file_open(path, O_RDONLY | O_NONBLOCK, 0);
	char *head;
	long n;
	int err;

	if (!f || is_err(f))
		return refuse(why, path, NULL, f ? (int)ptr_err(f) : -ENOENT);
	if (!may_execute(f->inode)) {
		bool regular = (f->inode->mode & S_IFMT) == S_IFREG;

		file_put(f);
		return refuse(why, path,
			      regular ? "it may not be executed" : "it is no regular file",
			      -EACCES);
	}
	head = kzalloc(SCRIPT_BYTES + 1);
	if (!head) {
		file_put(f);
		return -ENOMEM;
	}
	n = file_pread(f, head, SCRIPT_BYTES, 0);
	if (n < 0)
		err = (int)n;
	else if (n >= 2 && head[0] == '#' && head[1] == '!')
		err = run_script(head, n == SCRIPT_BYTES, path, execfn, argv, envp, depth, why);
	else
		err = run_elf(f, path, execfn, argv, envp, why);
	kfree(head);
	file_put(f);
	return err;
}

int task_exec_why(const char *path, char *const argv[], char *const envp[], struct exec_fault *why)
{
	static char nothing[] = "";
	char *const one[] = {nothing, NULL};

	/* A program may take argv[0] for granted. */
	return exec_file(path, path, argv[0] ? argv : one, envp, 0, why);
}

int task_exec(const char *path, char *const argv[], char *const envp[])
{
	return task_exec_why(path, argv, envp, NULL);
}

SYSCALL3(execve, uint64_t, path_va, uint64_t, argv_va, uint64_t, envp_va)
{
	struct exec_args argv = {NULL, 0}, envp = {NULL, 0};
	char *path = kmalloc(MAX_PATH);
	size_t total = 0;
	long err;

	if (!path)
		return -ENOMEM;
	err = strncpy_from_user(path, path_va, MAX_PATH);
	if (err >= 0)
		err = err == 0 ? -ENOENT : 0;
	if (!err)
		err = exec_args_copy(&argv, argv_va, &total);
	if (!err)
		err = exec_args_copy(&envp, envp_va, &total);
	if (!err)
		err = task_exec(path, argv.v, envp.v);
	exec_args_free(&argv);
	exec_args_free(&envp);
	kfree(path);
	return err;
}
