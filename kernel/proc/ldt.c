/* SPDX-License-Identifier: MIT */
/* modify_ldt: Linux's, for the process's one LDT. libkaiser keeps it, in a slot of its own, and
 * lets in nothing but segments of ring 3. */
#include "cpu.h"
#include "printk.h"
#include "proc.h"
#include "slab.h"
#include "syscall.h"
#include "uaccess.h"

enum { LDT_READ = 0, LDT_WRITE_OLD = 1, LDT_READ_DEFAULT = 2, LDT_WRITE = 0x11 };

#define DEFAULT_BYTES 128 /* of a default LDT, which is all zeros */

struct user_desc {
	uint32_t entry, base, limit, flags;
};

enum { /* in user_desc.flags */
       SEG_32BIT = 1 << 0,
       SEG_CONTENTS = 3 << 1, /* as in a descriptor's type: expand-down or conforming, code */
       SEG_READ_EXEC_ONLY = 1 << 3,
       SEG_LIMIT_IN_PAGES = 1 << 4,
       SEG_NOT_PRESENT = 1 << 5,
       SEG_USEABLE = 1 << 6,
       SEG_LM = 1 << 7, /* ignored: no 64-bit code in an LDT */
};

static uint64_t descriptor(const struct user_desc *u, bool old)
{
	uint32_t f = u->flags;
	uint64_t type = 1 | (f & SEG_READ_EXEC_ONLY ? 0 : 2) | (uint64_t)(f & SEG_CONTENTS) << 1;
	uint64_t d = (u->limit & 0xffff) | (uint64_t)(u->base & 0xffffff) << 16 | type << 40 |
		     BIT(44) | UINT64_C(3) << 45 | (uint64_t)(u->limit >> 16 & 0xf) << 48 |
		     (uint64_t)(u->base >> 24) << 56;

	d |= f & SEG_NOT_PRESENT ? 0 : BIT(47);
	d |= f & SEG_USEABLE && !old ? BIT(52) : 0;
	d |= f & SEG_32BIT ? BIT(54) : 0;
	d |= f & SEG_LIMIT_IN_PAGES ? BIT(55) : 0;
	return d;
}

/* What empties an entry, in either form. */
static bool is_empty(const struct user_desc *u, bool old)
{
	return !u->base && !u->limit &&
	       (old || (u->flags & ~(uint32_t)SEG_LM) == (SEG_READ_EXEC_ONLY | SEG_NOT_PRESENT));
}

/* What DS and ES hold on a CPU is what the LDT said when they were loaded. */
static void refresh(void *arg)
{
	uint16_t ds, es;

	if (!current || current->mm != arg)
		return;
	__asm__ volatile("movw %%ds, %0" : "=r"(ds));
	__asm__ volatile("movw %%es, %0" : "=r"(es));
	segments_load_data(ds, es);
}

static int ldt_error(int err)
{
	kassert(err == KAISER_OK || err == KAISER_E_NOMEM);
	return err ? -ENOMEM : 0;
}

static long ldt_write(uint64_t ptr, uint64_t bytes, bool old)
{
	struct mm *mm = current->mm;
	struct user_desc u;
	uint64_t *d, fresh;
	unsigned n;
	int err;

	if (bytes != sizeof(u))
		return -EINVAL;
	if (copy_from_user(&u, ptr, sizeof(u)))
		return -EFAULT;
	if (u.entry >= KAISER_LDT_ENTRIES)
		return -EINVAL;
	if ((u.flags & SEG_CONTENTS) == SEG_CONTENTS && (old || !(u.flags & SEG_NOT_PRESENT)))
		return -EINVAL;
	fresh = is_empty(&u, old) ? 0 : descriptor(&u, old);

	mutex_lock(&mm->lock);
	n = MAX(kaiser_space_get_ldt(&mm->space, NULL, 0), u.entry + 1);
	d = kzalloc(n * sizeof(*d));
	err = -ENOMEM;
	if (d) {
		kaiser_space_get_ldt(&mm->space, d, n);
		d[u.entry] = fresh;
		err = ldt_error(kaiser_space_set_ldt(&mm->space, d, n));
	}
	mutex_unlock(&mm->lock);
	kfree(d);
	if (!err)
		cpu_call(sched_online(), refresh, mm);
	return err;
}

static long ldt_read(uint64_t ptr, uint64_t bytes)
{
	struct mm *mm = current->mm;
	uint64_t *d;
	unsigned n, have;
	long r;

	bytes = MIN(bytes, (uint64_t)KAISER_LDT_ENTRIES * sizeof(*d));
	n = (unsigned)((bytes + sizeof(*d) - 1) / sizeof(*d));
	d = kzalloc(MAX(n, 1u) * sizeof(*d));
	if (!d)
		return -ENOMEM;
	mutex_lock(&mm->lock);
	have = kaiser_space_get_ldt(&mm->space, d, n);
	mutex_unlock(&mm->lock);
	r = have ? (long)bytes : 0;
	if (copy_to_user(ptr, d, (size_t)r))
		r = -EFAULT;
	kfree(d);
	return r;
}

uint64_t ldt_entry(struct mm *mm, unsigned entry)
{
	uint64_t *d = kmalloc((entry + 1) * sizeof(*d)), found = 0;

	if (!d)
		return 0;
	mutex_lock(&mm->lock);
	if (kaiser_space_get_ldt(&mm->space, d, entry + 1) > entry)
		found = d[entry];
	mutex_unlock(&mm->lock);
	kfree(d);
	return found;
}

int ldt_copy(struct mm *to, const struct mm *from)
{
	unsigned n = kaiser_space_get_ldt(&from->space, NULL, 0);
	uint64_t *d;
	int err;

	if (n == 0)
		return 0;
	d = kmalloc(n * sizeof(*d));
	if (!d)
		return -ENOMEM;
	kaiser_space_get_ldt(&from->space, d, n);
	err = ldt_error(kaiser_space_set_ldt(&to->space, d, n));
	kfree(d);
	return err;
}

/* Of the ABI's result only 32 bits count; Linux clears the others, errors or not. */
SYSCALL3(modify_ldt, int, func, uint64_t, ptr, uint64_t, bytes)
{
	long r = -ENOSYS;

	switch (func) {
	case LDT_READ:
		r = ldt_read(ptr, bytes);
		break;
	case LDT_WRITE_OLD:
	case LDT_WRITE:
		r = ldt_write(ptr, bytes, func == LDT_WRITE_OLD);
		break;
	case LDT_READ_DEFAULT:
		r = (long)MIN(bytes, UINT64_C(DEFAULT_BYTES));
		if (clear_user(ptr, (size_t)r))
			r = -EFAULT;
		break;
	}
	return (long)(uint32_t)r;
}
