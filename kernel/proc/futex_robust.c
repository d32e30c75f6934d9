/* SPDX-License-Identifier: MIT */
/*
 * Robust futexes: a thread keeps, in its own memory, a list of the locks it holds. When it dies,
 * the kernel walks that list, marks each lock as its owner's death and wakes one who waits. The
 * list is the program's: every step may fault, and it may be circular.
 */
#include "ia32.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"

#define FUTEX_WAITERS    UINT32_C(0x80000000)
#define FUTEX_OWNER_DIED UINT32_C(0x40000000)
#define FUTEX_TID_MASK   UINT32_C(0x3fffffff)
#define MAX_LOCKS        2048
#define PI_BIT           UINT64_C(1) /* in a list pointer: a priority-inheriting lock */

struct robust_head {
	uint64_t next;
	int64_t offset;   /* of a lock's word from its list entry */
	uint64_t pending; /* an entry whose lock is just being taken or released */
};

static void owner_died(struct task *t, uint64_t addr, bool pi, bool is_pending)
{
	uint32_t word;
	if (addr % sizeof(uint32_t))
		return;
	for (;;) {
		if (user_read32(addr, &word) != 0)
			return;
		/* Released, but the thread died before it could wake the next. */
		if (is_pending && !pi && word == 0) {
			futex_wake_addr(t->mm, addr, 1);
			return;
		}
		if ((word & FUTEX_TID_MASK) != (uint32_t)t->tid)
			return;
		int err = user_cmpxchg32(addr, word, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
		if (err == 0)
			break;
		if (err != -EAGAIN)
			return;
	}
	if (!pi && (word & FUTEX_WAITERS))
		futex_wake_addr(t->mm, addr, 1);
}

void futex_exit_robust(struct task *t)
{
	struct robust_head head;
	uint64_t head_va = t->robust_list;
	if (!head_va || !t->mm)
		return;
	t->robust_list = 0;
	if (longs_from_user((int64_t *)&head, head_va, 3, t->robust_ia32) != 0)
		return;
	/* Addresses have as many bits as the program's pointers. */
	uint64_t mask = t->robust_ia32 ? UINT32_MAX : UINT64_MAX;
	uint64_t pending = head.pending & ~PI_BIT & mask, offset = (uint64_t)head.offset;
	uint64_t entry = head.next & mask;
	for (unsigned i = 0; i < MAX_LOCKS && (entry & ~PI_BIT) != head_va; i++) {
		uint64_t va = entry & ~PI_BIT;
		int64_t next = 0;
		/* Read before the lock is let go: its new owner may free it. */
		int err = longs_from_user(&next, va, 1, t->robust_ia32);
		if (va != pending)
			owner_died(t, (va + offset) & mask, entry & PI_BIT, false);
		if (err)
			break;
		entry = (uint64_t)next & mask;
	}
	if (pending)
		owner_died(t, (pending + offset) & mask, head.pending & PI_BIT, true);
}

SYSCALL2(set_robust_list, uint64_t, head, uint64_t, len)
{
	if (len != (in_ia32_call() ? 3 * sizeof(uint32_t) : sizeof(struct robust_head)))
		return -EINVAL;
	current->robust_list = head;
	current->robust_ia32 = in_ia32_call();
	return 0;
}

SYSCALL3(get_robust_list, int, tid, uint64_t, head_va, uint64_t, len_va)
{
	bool ia32 = in_ia32_call();
	uint64_t head = current->robust_list;
	int64_t len = ia32 ? 3 * sizeof(uint32_t) : sizeof(struct robust_head);
	if (tid) {
		struct task *t = task_find(tid);
		if (!t)
			return -ESRCH;
		head = t->robust_list;
		bool mine = current->proc->cred.euid == 0 || t->proc == current->proc;
		task_put(t);
		if (!mine)
			return -EPERM;
	}
	if (longs_to_user(len_va, &len, 1, ia32) != 0 ||
	    longs_to_user(head_va, (const int64_t *)&head, 1, ia32) != 0)
		return -EFAULT;
	return 0;
}
