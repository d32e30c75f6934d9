/* SPDX-License-Identifier: MIT */
/* Range checks around the routines of uaccess.S. */
#include "uaccess.h"

#include "internal.h"

long uaccess_clear(void *dst, size_t n);
long uaccess_string(char *dst, const char *src, size_t n);
long uaccess_cmpxchg32(uint32_t *va, uint32_t expected, uint32_t desired);
extern const char uaccess_begin[], uaccess_fault[];

int clear_user(uint64_t dst, size_t n)
{
	if (!user_range_ok(dst, n))
		return -EFAULT;
	return (int)uaccess_clear((void *)dst, n);
}

long strncpy_from_user(char *dst, uint64_t src, size_t n)
{
	size_t room;
	long len;

	if (n == 0)
		return -ENAMETOOLONG;
	dst[0] = '\0';
	if (src >= USER_END)
		return -EFAULT;
	room = MIN(n, USER_END - src);
	len = uaccess_string(dst, (const char *)src, room);
	if (len >= 0 && (size_t)len < room)
		return len;
	if (len >= 0 && room == n) {
		dst[n - 1] = '\0';
		return -ENAMETOOLONG;
	}
	dst[0] = '\0'; /* a fault, or the string runs on into the kernel's half */
	return -EFAULT;
}

int user_cmpxchg32(uint64_t va, uint32_t expected, uint32_t desired)
{
	long r;

	if (!user_range_ok(va, sizeof(uint32_t)))
		return -EFAULT;
	r = uaccess_cmpxchg32((uint32_t *)va, expected, desired);
	return r == 1 ? -EAGAIN : (int)r;
}

int user_read32(uint64_t va, uint32_t *v)
{
	return copy_from_user(v, va, sizeof(*v));
}

uint64_t uaccess_fixup(uint64_t ip)
{
	if (ip >= (uint64_t)uaccess_begin && ip < (uint64_t)uaccess_fault)
		return (uint64_t)uaccess_fault;
	return 0;
}
