/* SPDX-License-Identifier: MIT */
/* select with its arguments in memory; sysinfo; what kind of machine the program believes in. */
#include "../proc/proc.h"
#include "compat.h"
#include "uaccess.h"

SYSCALL1(ia32_old_select, uint64_t, va)
{
	uint32_t a[5];

	if (copy_from_user(a, va, sizeof(a)) != 0)
		return -EFAULT;
	return ia32_call(sys_select, a[0], a[1], a[2], a[3], a[4], 0);
}

struct sysinfo32 {
	int32_t uptime;
	uint32_t loads[3];
	uint32_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint32_t totalhigh, freehigh, mem_unit;
	uint8_t spare[8];
};
_Static_assert(sizeof(struct sysinfo32) == 64, "struct sysinfo of i386");

/* Sizes that do not fit are told in pages. */
SYSCALL1(ia32_sysinfo, uint64_t, va)
{
	struct user_sysinfo si;
	struct sysinfo32 s;
	unsigned shift = 0;

	sysinfo_fill(&si);
	if (si.totalram > UINT32_MAX)
		shift = PAGE_SHIFT;
	memset(&s, 0, sizeof(s));
	s.uptime = (int32_t)si.uptime;
	for (unsigned i = 0; i < 3; i++)
		s.loads[i] = (uint32_t)si.loads[i];
	s.totalram = (uint32_t)(si.totalram >> shift);
	s.freeram = (uint32_t)(si.freeram >> shift);
	s.procs = si.procs;
	s.mem_unit = 1u << shift;
	return copy_to_user(va, &s, sizeof(s));
}
