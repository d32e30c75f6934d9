/* SPDX-License-Identifier: MIT */
/* mmap for 32-bit calls: the offset in pages, or all arguments in memory. */
#include "compat.h"
#include "mm.h"
#include "uaccess.h"

SYSCALL6(ia32_mmap2, uint32_t, addr, uint32_t, len, uint32_t, prot, uint32_t, flags, int, fd,
	 uint32_t, page)
{
	return ia32_call(sys_mmap, addr, len, prot, flags, (uint64_t)fd,
			 (uint64_t)page << PAGE_SHIFT);
}

SYSCALL1(ia32_old_mmap, uint64_t, va)
{
	uint32_t a[6];

	if (copy_from_user(a, va, sizeof(a)) != 0)
		return -EFAULT;
	return ia32_call(sys_mmap, a[0], a[1], a[2], a[3], a[4], a[5]);
}
