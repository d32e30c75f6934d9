/* SPDX-License-Identifier: MIT */
/*
 * A new program's stack, as Linux lays it out. From the top down:
 *
 *	eight bytes of zero, the file's name, the environment's strings, the arguments' strings,
 *	"x86_64", 16 random bytes, padding,
 *	the auxiliary vector, envp[] and NULL, argv[] and NULL, argc	<- stack pointer, 16-aligned
 */
#include "ia32.h"
#include "proc.h"
#include "uaccess.h"

#define STACK_SPREAD BIT(22)           /* pages: 16 GiB of places */
#define STACK_FIRST  UINT64_C(0x20000) /* mapped at once; it grows on demand */

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
	AT_HWCAP2 = 26,
	AT_EXECFN = 31,
	AT_MINSIGSTKSZ = 51,
	AUX_PAIRS = 20,
	PHDR_BYTES = 56,
	FRAME_BYTES = 440 + 4 + 63 + 16, /* a signal frame without the FPU state, and alignment */
	HWCAP2_FSGSBASE = 2,
};

static const char platform[] = "x86_64";

int exec_stack_map(struct mm *mm, uint64_t arg_bytes, bool exec)
{
	uint64_t top = mm_is_ia32(mm) ? mm->stack_top
				      : USER_END - layout_random() % STACK_SPREAD * PAGE_SIZE;
	uint64_t size = STACK_FIRST + ALIGN_UP(arg_bytes, PAGE_SIZE);
	uint32_t prot = PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0U);
	struct vma *v;
	long at = mm_mmap(mm, top - size, size, prot,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN | MAP_STACK, NULL,
			  0);

	if (at < 0)
		return (int)at;
	mm->stack_top = top;
	mutex_lock(&mm->lock);
	v = mm_find(mm, top - PAGE_SIZE);
	if (v)
		strlcpy(v->name, "[stack]", sizeof(v->name));
	mutex_unlock(&mm->lock);
	return 0;
}

static uint64_t strings_bytes(char *const v[], size_t *n)
{
	uint64_t bytes = 0;

	for (*n = 0; v[*n]; (*n)++)
		bytes += strlen(v[*n]) + 1;
	return bytes;
}

/* Writes the strings from `at` on, and a pointer to each into the array at `array`, NULL last. */
static int put_strings(char *const v[], uint64_t at, uint64_t array)
{
	uint64_t zero = 0;

	for (; *v; v++, array += sizeof(at)) {
		size_t n = strlen(*v) + 1;

		if (copy_to_user(at, *v, n) != 0 || copy_to_user(array, &at, sizeof(at)) != 0)
			return -EFAULT;
		at += n;
	}
	return copy_to_user(array, &zero, sizeof(zero));
}

struct places {
	uint64_t execfn, platform, random;
};

static int put_auxv(uint64_t at, const struct exec_image *image, const struct places *pl)
{
	const struct cred *c = &current->proc->cred;
	bool secure = c->uid != c->euid || c->gid != c->egid;
	uint32_t r[4];

	cpuid(1, 0, r);
	const uint64_t aux[AUX_PAIRS][2] = {
		{AT_HWCAP, r[3]},
		{AT_PAGESZ, PAGE_SIZE},
		{AT_CLKTCK, 100},
		{AT_PHDR, image->phdr},
		{AT_PHENT, PHDR_BYTES},
		{AT_PHNUM, image->phnum},
		{AT_BASE, 0},
		{AT_FLAGS, 0},
		{AT_ENTRY, image->entry},
		{AT_UID, c->uid},
		{AT_EUID, c->euid},
		{AT_GID, c->gid},
		{AT_EGID, c->egid},
		{AT_SECURE, secure},
		{AT_RANDOM, pl->random},
		{AT_HWCAP2, cpu_has(CPU_FSGSBASE) ? HWCAP2_FSGSBASE : 0},
		{AT_EXECFN, pl->execfn},
		{AT_PLATFORM, pl->platform},
		{AT_MINSIGSTKSZ, ALIGN_UP(fpu_format.bytes + FRAME_BYTES, 16)},
		{AT_NULL, 0},
	};
	return copy_to_user(at, aux, sizeof(aux));
}

int exec_stack_fill(struct mm *mm, const struct exec_image *image, const char *execfn,
		    char *const argv[], char *const envp[], uint64_t *sp)
{
	size_t argc, envc, name_bytes = strlen(execfn) + 1;
	uint64_t arg_bytes = strings_bytes(argv, &argc), env_bytes = strings_bytes(envp, &envc);
	uint64_t args, envs, argvs, envps, auxv, count;
	struct places pl;
	uint8_t rnd[16];

	pl.execfn = mm->stack_top - sizeof(uint64_t) - name_bytes;
	envs = pl.execfn - env_bytes;
	args = envs - arg_bytes;
	pl.platform = ALIGN_DOWN(args - sizeof(platform), 16);
	pl.random = pl.platform - sizeof(rnd);
	count = argc;
	*sp = pl.random - (1 + argc + 1 + envc + 1 + 2 * AUX_PAIRS) * sizeof(uint64_t);
	*sp = ALIGN_DOWN(*sp, 16);
	argvs = *sp + sizeof(uint64_t);
	envps = argvs + (argc + 1) * sizeof(uint64_t);
	auxv = envps + (envc + 1) * sizeof(uint64_t);

	mm->arg_start = args;
	mm->arg_end = mm->env_start = envs;
	mm->env_end = pl.execfn;
	random_bytes(rnd, sizeof(rnd));
	if (copy_to_user(pl.execfn, execfn, name_bytes) != 0 ||
	    put_strings(argv, args, argvs) != 0 || put_strings(envp, envs, envps) != 0 ||
	    copy_to_user(pl.platform, platform, sizeof(platform)) != 0 ||
	    copy_to_user(pl.random, rnd, sizeof(rnd)) != 0 || put_auxv(auxv, image, &pl) != 0 ||
	    copy_to_user(*sp, &count, sizeof(count)) != 0)
		return -EFAULT;
	return 0;
}
