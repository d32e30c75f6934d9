/* SPDX-License-Identifier: MIT */
/* New threads and processes: clone, fork, vfork. Everything that can fail is made before the child
 * gets a number; from then on others may find and signal it, though it runs only at the very end.
 */
#include "ia32.h"
#include "kmap.h"
#include "port.h"
#include "printk.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"
#include "vfs.h"

#define CSIGNAL              UINT64_C(0x000000ff)
#define CLONE_VM             UINT64_C(0x00000100)
#define CLONE_FS             UINT64_C(0x00000200)
#define CLONE_FILES          UINT64_C(0x00000400)
#define CLONE_SIGHAND        UINT64_C(0x00000800)
#define CLONE_PIDFD          UINT64_C(0x00001000)
#define CLONE_VFORK          UINT64_C(0x00004000)
#define CLONE_PARENT         UINT64_C(0x00008000)
#define CLONE_THREAD         UINT64_C(0x00010000)
#define CLONE_NEWNS          UINT64_C(0x00020000)
#define CLONE_SETTLS         UINT64_C(0x00080000)
#define CLONE_PARENT_SETTID  UINT64_C(0x00100000)
#define CLONE_CHILD_CLEARTID UINT64_C(0x00200000)
#define CLONE_CHILD_SETTID   UINT64_C(0x01000000)
#define CLONE_NAMESPACES     (CLONE_NEWNS | UINT64_C(0x7e000000))

enum { VFORK_POLL_NS = 50 * 1000 * 1000 };

uint64_t task_forks;

static struct waitq vfork_queue = WAITQ_INIT(vfork_queue);

static int check_flags(uint64_t flags, uint64_t tls)
{
	if (flags & CLONE_NAMESPACES)
		return -EINVAL; /* as a kernel built without namespaces */
	if (flags & CLONE_PIDFD || (flags & CSIGNAL) > NSIG)
		return -EINVAL;
	if ((flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) ||
	    (flags & CLONE_SIGHAND && !(flags & CLONE_VM)))
		return -EINVAL;
	/* Signal actions belong to a process here, so only its threads can share them. */
	if (flags & CLONE_SIGHAND && !(flags & CLONE_THREAD))
		return -EINVAL;
	if (flags & CLONE_PARENT && current->proc->pid == 1)
		return -EINVAL;
	if (flags & CLONE_SETTLS && tls >= USER_END)
		return -EPERM;
	return 0;
}

/* Registers, as they are in the CPU at this moment. */
static void copy_cpu_state(struct task *t, struct pt_regs *regs, uint64_t flags, uint64_t stack,
			   uint64_t tls)
{
	struct task *self = current;
	uint64_t irq;

	*t->user_regs = *regs;
	t->user_regs->ax = 0;
	if (self->ptrace.forced_tf)
		t->user_regs->flags &= ~FLAGS_TF;
	if (stack)
		t->user_regs->sp = stack;

	irq = irq_save();
	fpu_save(self);
	fpu_copy(t->fpu, self->fpu);
	irq_restore(irq);
	segments_save(t);
	memcpy(t->tls, self->tls, sizeof(t->tls));
	ioports_fork(t, self);
	if (flags & CLONE_SETTLS && !in_ia32_call())
		t->fs_base = tls;
}

/* Memory, files, directory: shared or copied. 0 or -ENOMEM; what was taken is in t. */
static int copy_resources(struct task *t, uint64_t flags)
{
	struct task *self = current;

	if (flags & CLONE_VM) {
		mm_get(self->mm);
		t->mm = self->mm;
	} else {
		t->mm = mm_fork(self->mm);
		if (t->mm)
			port_isolation_fork(t->mm, self->mm);
	}
	if (flags & CLONE_FILES) {
		files_get(self->files);
		task_set_files(t, self->files);
	} else {
		task_set_files(t, files_copy(self->files));
	}
	if (flags & CLONE_FS) {
		fs_info_get(self->fs);
		t->fs = self->fs;
	} else {
		t->fs = fs_info_copy(self->fs);
	}
	return t->mm && t->files && t->fs ? 0 : -ENOMEM;
}

static void copy_signals(struct task *t, uint64_t flags)
{
	const struct task *self = current;

	t->blocked = self->blocked;
	/* A shared stack is no use to two; vfork's parent does not run meanwhile. */
	if (!(flags & CLONE_VM) || flags & CLONE_VFORK) {
		t->altstack_sp = self->altstack_sp;
		t->altstack_size = self->altstack_size;
		t->altstack_flags = self->altstack_flags;
	}
}

static void copy_process(struct process *to, struct process *from, uint64_t flags)
{
	uint64_t irq = spin_lock_irqsave(&from->siglock);

	memcpy(to->actions, from->actions, sizeof(to->actions));
	to->cred = from->cred;
	to->rlim_stack = from->rlim_stack;
	to->rlim_nofile = from->rlim_nofile;
	to->hard_stack = from->hard_stack;
	to->hard_nofile = from->hard_nofile;
	to->rlim_sigpending = from->rlim_sigpending;
	to->hard_sigpending = from->hard_sigpending;
	to->rlim_nproc = from->rlim_nproc;
	to->hard_nproc = from->hard_nproc;
	to->nice = from->nice;
	to->undumpable = from->undumpable;
	to->persona = from->persona;
	memcpy(to->name, from->name, sizeof(to->name));
	to->exit_signal = flags & CLONE_PARENT ? from->exit_signal : (int)(flags & CSIGNAL);
	spin_unlock_irqrestore(&from->siglock, irq);
}

/* Gives t its number and its place: in `p`, or for a new thread in the current process. */
static int publish(struct task *t, struct process *p, uint64_t flags, uint64_t ptid, int *event)
{
	struct process *self = current->proc, *home = p ? p : self;
	uint64_t irq = spin_lock_irqsave(&task_lock);
	int tid = user_is_full_locked(self) ? -EAGAIN : tid_alloc_locked();

	if (tid < 0)
		goto out;
	spin_lock(&home->siglock);
	/* Whoever wants all threads gone has this one marked by now, or sees the new one. */
	if (!p && (task_dying(current) || self->exec_thread)) {
		spin_unlock(&home->siglock);
		tid = -EAGAIN;
		goto out;
	}
	t->tid = tid;
	process_add_thread_locked(home, t);
	spin_unlock(&home->siglock);
	task_get(t);
	tid_hash_locked(t);
	if (p) {
		struct process *parent = flags & CLONE_PARENT ? self->parent : self;

		p->pid = tid;
		p->leader = t;
		p->pgid = self->pgid;
		p->sid = self->sid;
		p->tty = self->tty;
		p->parent = parent;
		p->parent_tid = current->tid;
		list_add_tail(&parent->children, &p->sibling);
		list_add_tail(&process_list, &p->all);
	}
	task_head_update(t);
	*event = ptrace_fork_locked(t, flags);
out:
	spin_unlock_irqrestore(&task_lock, irq);
	if (tid > 0 && flags & CLONE_PARENT_SETTID)
		(void)copy_to_user(ptid, &tid, sizeof(tid));
	return tid;
}

static void discard(struct task *t, struct process *p)
{
	if (t) {
		if (t->files)
			files_put(t->files);
		if (t->fs)
			fs_info_put(t->fs);
		if (t->mm)
			mm_put(t->mm);
		task_put(t);
	}
	if (p)
		process_put(p);
}

/* Until the child has another image or is gone. Only death ends the wait earlier: that is looked
 * for now and then, as no other signal may wake a vfork's parent. */
static void vfork_wait(struct task *t)
{
	struct waiter w;

	wait_begin(&vfork_queue, &w, false);
	while (__atomic_load_n(&t->vfork_done, __ATOMIC_SEQ_CST) && !task_dying(current))
		wait_sleep(clock_ns() + VFORK_POLL_NS);
	wait_end(&vfork_queue, &w);
}

void vfork_release(struct task *t)
{
	if (!t->vfork_done)
		return;
	__atomic_store_n(&t->vfork_done, NULL, __ATOMIC_SEQ_CST);
	wake_all(&vfork_queue);
}

long task_clone(struct pt_regs *regs, uint64_t flags, uint64_t stack, uint64_t ptid, uint64_t ctid,
		uint64_t tls)
{
	struct process *p = NULL;
	struct task *t;
	long err = check_flags(flags, tls);
	int event = 0;
	bool vfork = flags & CLONE_VFORK;

	if (err)
		return err;
	t = task_alloc(true);
	if (!t)
		return -ENOMEM;
	err = copy_resources(t, flags);
	if (!err && !(flags & CLONE_THREAD)) {
		p = process_alloc();
		if (p)
			copy_process(p, current->proc, flags);
		else
			err = -ENOMEM;
	}
	if (err) {
		discard(t, p);
		return err;
	}
	copy_cpu_state(t, regs, flags, stack, tls);
	if (flags & CLONE_SETTLS && in_ia32_call())
		err = ia32_clone_tls(t, tls);
	if (err) {
		discard(t, p);
		return err;
	}
	copy_signals(t, flags);
	t->affinity = current->affinity;
	if (flags & CLONE_THREAD)
		memcpy(t->thread_name, current->thread_name, sizeof(t->thread_name));
	if (flags & CLONE_CHILD_SETTID)
		t->set_child_tid = ctid;
	if (flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = ctid;
	if (vfork) {
		t->vfork_done = &vfork_queue;
		task_get(t);
	}
	err = publish(t, p, flags, ptid, &event);
	if (err < 0) {
		if (vfork)
			task_put(t);
		discard(t, p);
		return err;
	}
	__atomic_add_fetch(&task_forks, 1, __ATOMIC_RELAXED);
	sched_enqueue_new(t);
	if (event)
		ptrace_fork_report(event, (int)err);
	if (vfork) {
		vfork_wait(t);
		task_put(t);
		ptrace_vfork_done((int)err);
	}
	return err;
}

SYSCALL5(clone, uint64_t, flags, uint64_t, stack, uint64_t, ptid, uint64_t, ctid, uint64_t, tls)
{
	return task_clone(regs, flags, stack, ptid, ctid, tls);
}

SYSCALL0(fork)
{
	return task_clone(regs, (uint64_t)SIGCHLD, 0, 0, 0, 0);
}

SYSCALL0(vfork)
{
	return task_clone(regs, CLONE_VFORK | CLONE_VM | (uint64_t)SIGCHLD, 0, 0, 0, 0);
}

SYSCALL1(set_tid_address, uint64_t, va)
{
	current->clear_child_tid = va;
	return current->tid;
}
