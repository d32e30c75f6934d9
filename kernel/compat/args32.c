/* SPDX-License-Identifier: MIT */
/* Calls whose arguments are put together otherwise: 64-bit values in two registers, signed longs,
 * 16-bit numbers of users, another order. */
#include "compat.h"
#include "uaccess.h"
#include "vfs.h"

/* ---- places in files ---- */

SYSCALL3(ia32_lseek, int, fd, int32_t, off, int, whence)
{
	return ia32_call(sys_lseek, (uint64_t)fd, (uint64_t)(int64_t)off, (uint64_t)whence, 0, 0,
			 0);
}

SYSCALL5(ia32_llseek, int, fd, uint32_t, high, uint32_t, low, uint64_t, result, int, whence)
{
	int64_t at = ia32_call(sys_lseek, (uint64_t)fd, (uint64_t)ia32_join(low, high),
			       (uint64_t)whence, 0, 0, 0);

	if (at < 0)
		return at;
	return copy_to_user(result, &at, sizeof(at));
}

SYSCALL5(ia32_pread64, int, fd, uint64_t, buf, uint32_t, n, uint32_t, low, uint32_t, high)
{
	return ia32_call(sys_pread64, (uint64_t)fd, buf, n, (uint64_t)ia32_join(low, high), 0, 0);
}

SYSCALL5(ia32_pwrite64, int, fd, uint64_t, buf, uint32_t, n, uint32_t, low, uint32_t, high)
{
	return ia32_call(sys_pwrite64, (uint64_t)fd, buf, n, (uint64_t)ia32_join(low, high), 0, 0);
}

SYSCALL5(ia32_preadv, int, fd, uint64_t, vec, uint32_t, n, uint32_t, low, uint32_t, high)
{
	return ia32_call(sys_preadv, (uint64_t)fd, vec, n, (uint64_t)ia32_join(low, high), 0, 0);
}

SYSCALL5(ia32_pwritev, int, fd, uint64_t, vec, uint32_t, n, uint32_t, low, uint32_t, high)
{
	return ia32_call(sys_pwritev, (uint64_t)fd, vec, n, (uint64_t)ia32_join(low, high), 0, 0);
}

SYSCALL2(ia32_truncate, uint64_t, path, int32_t, size)
{
	return ia32_call(sys_truncate, path, (uint64_t)(int64_t)size, 0, 0, 0, 0);
}

SYSCALL2(ia32_ftruncate, int, fd, int32_t, size)
{
	return ia32_call(sys_ftruncate, (uint64_t)fd, (uint64_t)(int64_t)size, 0, 0, 0, 0);
}

SYSCALL3(ia32_truncate64, uint64_t, path, uint32_t, low, uint32_t, high)
{
	return ia32_call(sys_truncate, path, (uint64_t)ia32_join(low, high), 0, 0, 0, 0);
}

SYSCALL3(ia32_ftruncate64, int, fd, uint32_t, low, uint32_t, high)
{
	return ia32_call(sys_ftruncate, (uint64_t)fd, (uint64_t)ia32_join(low, high), 0, 0, 0, 0);
}

SYSCALL5(ia32_fadvise64, int, fd, uint32_t, low, uint32_t, high, uint32_t, n, int, advice)
{
	return ia32_call(sys_fadvise64, (uint64_t)fd, (uint64_t)ia32_join(low, high), n,
			 (uint64_t)advice, 0, 0);
}

SYSCALL6(ia32_fadvise64_64, int, fd, uint32_t, low, uint32_t, high, uint32_t, nlow, uint32_t, nhigh,
	 int, advice)
{
	return ia32_call(sys_fadvise64, (uint64_t)fd, (uint64_t)ia32_join(low, high),
			 (uint64_t)ia32_join(nlow, nhigh), (uint64_t)advice, 0, 0);
}

SYSCALL6(ia32_fallocate, int, fd, uint32_t, mode, uint32_t, low, uint32_t, high, uint32_t, nlow,
	 uint32_t, nhigh)
{
	return ia32_call(sys_fallocate, (uint64_t)fd, mode, (uint64_t)ia32_join(low, high),
			 (uint64_t)ia32_join(nlow, nhigh), 0, 0);
}

/* ---- users and groups: 0xffff is "leave it" ---- */

static uint64_t id32(uint16_t id)
{
	return id == UINT16_MAX ? UINT32_MAX : id;
}

SYSCALL1(ia32_setuid16, uint16_t, id)
{
	return ia32_call(sys_setuid, id32(id), 0, 0, 0, 0, 0);
}

SYSCALL1(ia32_setgid16, uint16_t, id)
{
	return ia32_call(sys_setgid, id32(id), 0, 0, 0, 0, 0);
}

SYSCALL2(ia32_setreuid16, uint16_t, r, uint16_t, e)
{
	return ia32_call(sys_setreuid, id32(r), id32(e), 0, 0, 0, 0);
}

SYSCALL2(ia32_setregid16, uint16_t, r, uint16_t, e)
{
	return ia32_call(sys_setregid, id32(r), id32(e), 0, 0, 0, 0);
}

SYSCALL3(ia32_chown16, uint64_t, path, uint16_t, uid, uint16_t, gid)
{
	return ia32_call(sys_chown, path, id32(uid), id32(gid), 0, 0, 0);
}

SYSCALL3(ia32_lchown16, uint64_t, path, uint16_t, uid, uint16_t, gid)
{
	return ia32_call(sys_lchown, path, id32(uid), id32(gid), 0, 0, 0);
}

SYSCALL3(ia32_fchown16, int, fd, uint16_t, uid, uint16_t, gid)
{
	return ia32_call(sys_fchown, (uint64_t)fd, id32(uid), id32(gid), 0, 0, 0);
}

/* ---- processes ---- */

SYSCALL3(ia32_waitpid, int, pid, uint64_t, status, unsigned, options)
{
	return ia32_call(sys_wait4, (uint64_t)pid, status, options, 0, 0, 0);
}

SYSCALL5(ia32_clone, uint32_t, flags, uint32_t, stack, uint32_t, ptid, uint32_t, tls, uint32_t,
	 ctid)
{
	return task_clone(current->user_regs, flags, stack, ptid, ctid, tls);
}

SYSCALL0(ia32_fork)
{
	return ia32_call(sys_ia32_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

SYSCALL0(ia32_vfork)
{
	enum { CLONE_VM = 0x100, CLONE_VFORK = 0x4000 };

	return ia32_call(sys_ia32_clone, CLONE_VFORK | CLONE_VM | SIGCHLD, 0, 0, 0, 0, 0);
}

/* Relative to what the program has: there is no 64-bit call for it. */
SYSCALL1(ia32_nice, int, increment)
{
	enum { PRIO_PROCESS = 0, NICE_LIMIT = 40 };
	int nice = current->proc->nice;

	increment = MIN(MAX(increment, -NICE_LIMIT), NICE_LIMIT);
	return ia32_call(sys_setpriority, PRIO_PROCESS, 0,
			 (uint64_t)(int64_t)MIN(MAX(nice + increment, -20), 19), 0, 0, 0);
}

SYSCALL1(ia32_umount, uint64_t, path)
{
	return ia32_call(sys_umount2, path, 0, 0, 0, 0, 0);
}
