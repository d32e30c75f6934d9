/* SPDX-License-Identifier: MIT */
/* Where the page of vdso32.S is in a program, and which of its ways is right for this CPU. */
#include "vdso32.h"

#include "cpu.h"
#include "uaccess.h"

/* In long mode only Intel's CPUs have SYSENTER for 32-bit code, and only AMD's SYSCALL (and
 * Hygon's, which are AMD's): AMD volume 3, Intel volume 2. Every CPU has INT. */
uint64_t vdso32_entry(uint64_t base)
{
	if (strcmp(cpu_vendor, "GenuineIntel") == 0 || strcmp(cpu_vendor, "CentaurHauls") == 0)
		return vdso32_address(base, vdso32_sysenter);
	if (strcmp(cpu_vendor, "AuthenticAMD") == 0 || strcmp(cpu_vendor, "HygonGenuine") == 0)
		return vdso32_address(base, vdso32_syscall);
	return vdso32_address(base, vdso32_int80);
}

/* Private memory of the program: a page each, shared by fork. */
int vdso32_map(struct mm *mm)
{
	long at = mm_mmap(mm, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  NULL, 0);
	struct vma *v;

	if (at < 0)
		return (int)at;
	mm->vdso32 = (uint64_t)at;
	mutex_lock(&mm->lock);
	v = mm_find(mm, mm->vdso32);
	if (v)
		strlcpy(v->name, "[vdso]", sizeof(v->name));
	mutex_unlock(&mm->lock);
	return 0;
}

int vdso32_fill(struct mm *mm)
{
	if (copy_to_user(mm->vdso32, vdso32_start, (size_t)(vdso32_end - vdso32_start)) != 0)
		return -EFAULT;
	return mm_mprotect(mm, mm->vdso32, PAGE_SIZE, PROT_READ | PROT_EXEC);
}
