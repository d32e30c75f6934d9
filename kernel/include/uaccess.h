/* SPDX-License-Identifier: MIT */
/* User memory, always through the loaded space of the current task, never through a walk: the CPU
 * itself checks U/S and the rights. A fault in one of these returns -EFAULT. May sleep (demand
 * paging), so hold no spin lock. */
#ifndef KERNEL_UACCESS_H
#define KERNEL_UACCESS_H

#include "base.h"
#include "errno.h"

#define USER_END UINT64_C(0x00007ffffffff000) /* one page below the canonical end, as Linux */

static inline bool user_range_ok(uint64_t va, uint64_t n)
{
	return n <= USER_END && va <= USER_END - n;
}

long uaccess_copy(void *dst, const void *src, size_t n); /* without the check of the range */

/* 0 or -EFAULT. */
static inline int copy_from_user(void *dst, uint64_t src, size_t n)
{
	return user_range_ok(src, n) ? (int)uaccess_copy(dst, (const void *)src, n) : -EFAULT;
}

static inline int copy_to_user(uint64_t dst, const void *src, size_t n)
{
	return user_range_ok(dst, n) ? (int)uaccess_copy((void *)dst, src, n) : -EFAULT;
}

int clear_user(uint64_t dst, size_t n);
/* Length without the end (dst always ended), -EFAULT, or -ENAMETOOLONG if n bytes hold no end. */
long strncpy_from_user(char *dst, uint64_t src, size_t n);
/* Atomic on *va: returns 0 and the old value; -EFAULT; -EAGAIN if it was not `expected`. */
int user_cmpxchg32(uint64_t va, uint32_t expected, uint32_t desired);
int user_read32(uint64_t va, uint32_t *v);

/* From the fault handler: if ip is inside a user-access routine, its recovery address, else 0. */
uint64_t uaccess_fixup(uint64_t ip);

#endif
