/* SPDX-License-Identifier: MIT */
/*
 * Where a 32-bit program's memory lies, and its stack. Everything is below 4 GiB, the last pages
 * left free so that no sum of a pointer and a little wraps:
 *
 *	0xffffe000	end
 *	- 0 to 8 MiB	the stack's top, at random
 *	- 136 MiB	what mmap chooses begins below, again 0 to 64 MiB lower
 *
 * The stack is laid out as a 64-bit program's (exec_stack.c), in words of four bytes.
 */
#include "../proc/proc.h"
#include "compat.h"
#include "uaccess.h"
#include "vdso32.h"

#define IA32_END     UINT64_C(0xffffe000)
#define STACK_SPREAD 2048 /* pages */
#define STACK_ROOM   (UINT64_C(136) << 20)
#define MMAP_SPREAD  16384 /* pages */

enum {
	AT_NULL = 0,
	AT_PHDR = 3,
	AT_PHENT = 4,
	AT_PHNUM = 5,
	AT_PAGESZ = 6,
	AT_BASE = 7,
	AT_FLAGS = 8,
	AT_ENTRY = 9,
	AT_UID = 11,
	AT_EUID = 12,
	AT_GID = 13,
	AT_EGID = 14,
	AT_PLATFORM = 15,
	AT_HWCAP = 16,
	AT_CLKTCK = 17,
	AT_SECURE = 23,
	AT_RANDOM = 25,
	AT_EXECFN = 31,
	AT_SYSINFO = 32,
	AT_MINSIGSTKSZ = 51,
	AUX_PAIRS = 20,
	PHDR32_BYTES = 32,
	FRAME_BYTES = 1024, /* more than a signal frame without the FPU state, and alignment */
};

static const char platform[] = "i686";

int ia32_layout(struct mm *mm)
{
	mm->mmap_top = IA32_END - STACK_ROOM - layout_random() % MMAP_SPREAD * PAGE_SIZE;
	mm->stack_top = IA32_END - layout_random() % STACK_SPREAD * PAGE_SIZE;
	return vdso32_map(mm);
}

static uint64_t strings_bytes(char *const v[], size_t *n)
{
	uint64_t bytes = 0;

	for (*n = 0; v[*n]; (*n)++)
		bytes += strlen(v[*n]) + 1;
	return bytes;
}

/* Writes the strings from `at` on, and a pointer to each into the array at `array`, NULL last. */
static int put_strings(char *const v[], uint32_t at, uint32_t array)
{
	uint32_t zero = 0;

	for (; *v; v++, array += sizeof(at)) {
		size_t n = strlen(*v) + 1;

		if (copy_to_user(at, *v, n) != 0 || copy_to_user(array, &at, sizeof(at)) != 0)
			return -EFAULT;
		at += (uint32_t)n;
	}
	return copy_to_user(array, &zero, sizeof(zero));
}

struct places {
	uint64_t execfn, platform, random;
};

static int put_auxv(uint64_t at, const struct mm *mm, const struct exec_image *image,
		    const struct places *pl)
{
	const struct cred *c = &current->proc->cred;
	bool secure = c->uid != c->euid || c->gid != c->egid;
	uint32_t r[4];

	cpuid(1, 0, r);
	const uint32_t aux[AUX_PAIRS][2] = {
		{AT_SYSINFO, (uint32_t)vdso32_entry(mm->vdso32)},
		{AT_HWCAP, r[3]},
		{AT_PAGESZ, PAGE_SIZE},
		{AT_CLKTCK, 100},
		{AT_PHDR, (uint32_t)image->phdr},
		{AT_PHENT, PHDR32_BYTES},
		{AT_PHNUM, image->phnum},
		{AT_BASE, 0},
		{AT_FLAGS, 0},
		{AT_ENTRY, (uint32_t)image->entry},
		{AT_UID, c->uid},
		{AT_EUID, c->euid},
		{AT_GID, c->gid},
		{AT_EGID, c->egid},
		{AT_SECURE, secure},
		{AT_RANDOM, (uint32_t)pl->random},
		{AT_EXECFN, (uint32_t)pl->execfn},
		{AT_PLATFORM, (uint32_t)pl->platform},
		{AT_MINSIGSTKSZ, (uint32_t)ALIGN_UP(fpu_format.bytes + FRAME_BYTES, 16)},
		{AT_NULL, 0},
	};
	return copy_to_user(at, aux, sizeof(aux));
}

int ia32_stack_fill(struct mm *mm, const struct exec_image *image, const char *execfn,
		    char *const argv[], char *const envp[], uint64_t *sp)
{
	size_t argc, envc, name_bytes = strlen(execfn) + 1;
	uint64_t arg_bytes = strings_bytes(argv, &argc), env_bytes = strings_bytes(envp, &envc);
	uint64_t args, envs, argvs, envps, auxv;
	struct places pl;
	uint8_t rnd[16];
	uint32_t count = (uint32_t)argc;

	pl.execfn = mm->stack_top - sizeof(uint32_t) - name_bytes;
	envs = pl.execfn - env_bytes;
	args = envs - arg_bytes;
	pl.platform = ALIGN_DOWN(args - sizeof(platform), 16);
	pl.random = pl.platform - sizeof(rnd);
	*sp = pl.random - (1 + argc + 1 + envc + 1 + 2 * AUX_PAIRS) * sizeof(uint32_t);
	*sp = ALIGN_DOWN(*sp, 16);
	argvs = *sp + sizeof(uint32_t);
	envps = argvs + (argc + 1) * sizeof(uint32_t);
	auxv = envps + (envc + 1) * sizeof(uint32_t);

	mm->arg_start = args;
	mm->arg_end = mm->env_start = envs;
	mm->env_end = pl.execfn;
	random_bytes(rnd, sizeof(rnd));
	if (copy_to_user(pl.execfn, execfn, name_bytes) != 0 ||
	    put_strings(argv, (uint32_t)args, (uint32_t)argvs) != 0 ||
	    put_strings(envp, (uint32_t)envs, (uint32_t)envps) != 0 ||
	    copy_to_user(pl.platform, platform, sizeof(platform)) != 0 ||
	    copy_to_user(pl.random, rnd, sizeof(rnd)) != 0 || put_auxv(auxv, mm, image, &pl) != 0 ||
	    copy_to_user(*sp, &count, sizeof(count)) != 0)
		return -EFAULT;
	return vdso32_fill(mm);
}
